import * as A from '@automerge/automerge'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { logSlices } from '../../../../daemon/views/log-slices.ts'
import type { LogSlice } from '../../../../daemon/views/view-steps.ts'
import { type MapValue, schemaNamed } from '../../../../protocol/index.ts'
import { readChange } from '../../../../protocol/sync/index.ts'
import { smallBombs } from '../../../fixtures/bombs.ts'
import { takeApart } from '../../../fixtures/change-builder.ts'
import { BlockLog, readerOf } from './block-log.ts'

async function slicesOf(log: BlockLog, after: number, until: number): Promise<LogSlice[]> {
  const query = { block: log.row.id, after, until }
  const slices: LogSlice[] = []
  for await (const slice of logSlices((page) => readerOf(log).readLog(page), query)) slices.push(slice)
  return slices
}

function logOf(sizes: readonly number[]): BlockLog {
  const log = new BlockLog('text')
  for (const [index, size] of sizes.entries()) log.append(new Uint8Array(size).fill(index + 1))
  return log
}

function changesOf({ bytes, lengths }: LogSlice): Uint8Array[] {
  let at = 0
  return Array.from(lengths, (length) => {
    at += length
    return bytes.subarray(at - length, at)
  })
}

describe('log slices', () => {
  it('hold every change of the range once and in order, whatever the pages', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 400_000 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 10 }),
        fc.nat(45),
        fc.nat(45),
        async (sizes, pageRows, after, until) => {
          const log = logOf(sizes)
          log.pageRows = pageRows
          const slices = await slicesOf(log, after, until)
          const expected = log.rows.filter(({ seq }) => seq > after && seq <= until)
          const changes = slices.flatMap(changesOf)
          expect(changes.map((bytes) => [bytes.length, bytes[0]])).toEqual(
            expected.map(({ bytes }) => [bytes.length, bytes[0]]),
          )
          expect(slices.at(-1)?.seq).toBe(expected.at(-1)?.seq)
          for (const { bytes } of slices) {
            expect(bytes.length).toBeLessThanOrEqual(4 * 1024 * 1024)
            // A view of something larger would take that along when it is transferred.
            expect(bytes.buffer.byteLength).toBe(bytes.length)
          }
        },
      ),
      { numRuns: 30 },
    )
  })

  it('end after 5,000 changes and go on across pages', async () => {
    const log = logOf(Array.from({ length: 12_000 }, () => 1))
    log.pageRows = 700
    const slices = await slicesOf(log, 0, log.seq)
    expect(slices.map(({ lengths }) => lengths.length)).toEqual([5_000, 5_000, 2_000])
    expect(slices.map(({ seq }) => seq)).toEqual([5_001, 10_001, 12_001])
  })

  it('end before their operations cost more than a slice may', async () => {
    const log = logOf(Array.from({ length: 30 }, () => 100))
    for (const [index, row] of log.rows.entries()) log.rows[index] = { ...row, maxOp: 20_000 * (index + 1) }
    const slices = await slicesOf(log, 0, log.seq)
    // What the first one of an actor holds is not known.
    expect(slices.map(({ lengths }) => lengths.length)).toEqual([10, 10, 10])
    expect(slices.flatMap(changesOf)).toHaveLength(30)
  })

  it('ask for nothing when the range is empty', async () => {
    const log = logOf([1])
    expect(await slicesOf(log, 9, 9)).toEqual([])
    expect(log.queries).toEqual([])
  })

  it('refuse a page that does not move on', async () => {
    const stuck = logSlices(async () => ({ rows: [], next: 3, damaged: [], clock: [] }), {
      block: 1,
      after: 3,
      until: 9,
    })
    await expect(stuck.next()).rejects.toMatchObject({ code: 'view-failed' })
  })

  it('end when their changes have many operations together, however few bytes they are', async () => {
    const log = new BlockLog('map')
    const actor = 'ab'.repeat(24)
    const doc = A.change(A.load<MapValue>(schemaNamed('map').initial.bytes, { actor }), { time: 0 }, (root) => {
      root.map.list = []
    })
    const first = A.getLastLocalChange(doc) ?? new Uint8Array(0)
    const each = 20_000
    const bombs = smallBombs(takeApart(first), { list: [0, 2], startOp: 3, count: 45, each })
    for (const change of [first, ...bombs]) log.append(change, readChange(change).maxOp)
    const slices = await slicesOf(log, 0, log.seq)
    expect(slices.map(({ lengths }) => lengths.length)).toEqual([10, 10, 10, 10, 6])
    expect(slices.flatMap(changesOf)).toEqual([first, ...bombs])
  })
})
