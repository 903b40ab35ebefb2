import { describe, expect, it } from 'vitest'
import { ReadSize } from '../../../../protocol/index.ts'

/** What is asked for when a stream has so many bytes waiting at each read. */
function asked(maxBytes: number, ...waiting: number[]): number[] {
  const size = new ReadSize(maxBytes)
  return waiting.map((bytes) => {
    const { bytes: now } = size
    size.got(Math.min(bytes, now))
    return now
  })
}

describe('the size of a read', () => {
  it('grows to the most while every read is filled', () => {
    expect(asked(65_536, ...Array(6).fill(1_000_000))).toEqual([2_048, 8_192, 32_768, 65_536, 65_536, 65_536])
  })

  it('stays where a stream brings half of what was asked for', () => {
    expect(asked(65_536, 1_000_000, 1_000_000, 16_384, 16_384, 16_384)).toEqual([2_048, 8_192, 32_768, 32_768, 32_768])
  })

  it('is small again after one small read, which is all that a stream without traffic ends with', () => {
    expect(asked(65_536, 1_000_000, 1_000_000, 40, 40)).toEqual([2_048, 8_192, 32_768, 2_048])
  })
})
