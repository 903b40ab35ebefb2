/** Runs of changes: split by their headers alone, and capped as a whole. */
import { describe, expect, it } from 'vitest'
import { MooringError } from '../../../../protocol/errors.ts'
import { limits } from '../../../../protocol/limits.ts'
import { checkRun, splitChunks } from '../../../../protocol/sync/split.ts'
import { bodyOf, takeApart, wrap } from '../../../fixtures/change-builder.ts'
import { join } from '../../../fixtures/change-encoding.ts'
import { samples } from '../../../fixtures/sample-changes.ts'

const { rich, put, three, empty } = samples
const chunks = [...samples.before, wrap(bodyOf(takeApart(rich)), { deflate: true }), put, three, empty]

describe('a run of changes', () => {
  it('splits into the chunks it was made of, without copying them', () => {
    const run = join(...chunks)
    const split = splitChunks(run)
    expect(split.map((chunk) => Uint8Array.from(chunk))).toEqual(chunks.map((chunk) => Uint8Array.from(chunk)))
    expect(split.every((chunk) => chunk.buffer === run.buffer)).toBe(true)
  })

  it('splits nothing into no chunk', () => {
    expect(splitChunks(new Uint8Array(0))).toEqual([])
  })

  it('splits as many chunks as a frame may hold', () => {
    const run = join(...Array.from({ length: limits.maxChangesPerFrame }, () => put))
    expect(splitChunks(run)).toHaveLength(limits.maxChangesPerFrame)
  })

  it('does not look inside: damaged contents are found by reading the change', () => {
    const damaged = Uint8Array.from(put)
    damaged[40] = 0xff
    expect(splitChunks(join(put, damaged))).toHaveLength(2)
    expect(() => checkRun([put, damaged])).toThrow(MooringError)
  })

  it('refuses a run that is cut anywhere but between two chunks', () => {
    const run = join(put, three)
    for (let length = 1; length < run.length; length++) {
      if (length === put.length) expect(splitChunks(run.subarray(0, length))).toHaveLength(1)
      else expect(() => splitChunks(run.subarray(0, length))).toThrow(/truncated: /)
    }
  })

  it('reads every change of a run in order', () => {
    expect(checkRun(chunks).map(({ ops }) => ops)).toEqual([
      13,
      ...samples.before.slice(1).map(() => expect.any(Number)),
      32,
      1,
      3,
      0,
    ])
  })
})
