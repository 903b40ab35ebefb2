/** When a cursor may be continued from, and when a replica has to say what it holds. */
import { describe, expect, it } from 'vitest'
import { decodeCursor, encodeCursor, isValidCursor, viewOf } from '../../../../daemon/log/cursor.ts'
import { encodeValue } from '../../../../protocol/codec.ts'

const view = viewOf(['space:home/*'], 3)
const epochs = [
  { id: 'first', startSeq: 0, endSeq: 10 },
  { id: 'second', startSeq: 10, endSeq: undefined },
]
const isValid = (cursor: { epoch: string; seq: number; view: string }, seen = 0): boolean =>
  isValidCursor(cursor, seen, view, epochs, 20)

describe('a cursor', () => {
  it('holds for the view that it was issued for alone', () => {
    expect(isValid({ epoch: 'first', seq: 10, view })).toBe(true)
    for (const other of [viewOf(['space:home/*'], 4), viewOf(['space:home/*', 'space:home/notes'], 3), viewOf([], 3)]) {
      expect(isValid({ epoch: 'first', seq: 10, view: other })).toBe(false)
    }
    expect(viewOf(['b', 'a'], 1)).toBe(viewOf(['a', 'b'], 1))
    expect(viewOf(['a","b'], 1)).not.toBe(viewOf(['a', 'b'], 1))
  })

  it('ends with the epoch that it was issued in', () => {
    expect(isValid({ epoch: 'first', seq: 11, view })).toBe(false)
    expect(isValid({ epoch: 'second', seq: 20, view })).toBe(true)
    expect(isValid({ epoch: 'second', seq: 21, view })).toBe(false)
    expect(isValid({ epoch: 'third', seq: 1, view })).toBe(false)
  })

  it('is of no use to one that has seen more of the epoch than there is', () => {
    expect(isValid({ epoch: 'first', seq: 5, view }, 10)).toBe(true)
    expect(isValid({ epoch: 'first', seq: 5, view }, 11)).toBe(false)
    expect(isValid({ epoch: 'second', seq: 12, view }, 20)).toBe(true)
    expect(isValid({ epoch: 'second', seq: 12, view }, 21)).toBe(false)
  })

  it('is nothing when it was not issued in this form', () => {
    const cursor = { epoch: 'first', seq: 5, view }
    expect(decodeCursor(encodeCursor(cursor))).toEqual(cursor)
    for (const spoilt of [{ ...cursor, seq: -1 }, { ...cursor, seq: 0.5 }, { ...cursor, epoch: 1 }, { seq: 5 }]) {
      expect(decodeCursor(encodeValue(spoilt))).toBeUndefined()
    }
    expect(decodeCursor(Uint8Array.of(0xff, 0))).toBeUndefined()
  })
})
