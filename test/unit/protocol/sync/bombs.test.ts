/** Small changes that declare huge work are refused before the work is done: hardly a row of them is expanded. */
import { describe, expect, it } from 'vitest'
import { MooringError } from '../../../../protocol/errors.ts'
import { limits } from '../../../../protocol/limits.ts'
import { readChange } from '../../../../protocol/sync/change-structure.ts'
import { newMeter } from '../../../../protocol/sync/columns.ts'
import { checkRun } from '../../../../protocol/sync/split.ts'
import { nullItems as nullItemsOf } from '../../../fixtures/bombs.ts'
import { assemble, bodyOf, type ChangeParts, columnIds, takeApart, wrap } from '../../../fixtures/change-builder.ts'
import { join, sleb, uleb } from '../../../fixtures/change-encoding.ts'
import { samples } from '../../../fixtures/sample-changes.ts'

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

/** One list of absent values of any length. */
const nullItems = (count: number): ChangeParts => nullItemsOf(takeApart(samples.put), [0, 1], { startOp: 55, count })

function refusal(read: () => unknown): string | undefined {
  try {
    read()
  } catch (error) {
    if (error instanceof MooringError) return error.detail?.split(':')[0]
    throw error
  }
  return undefined
}

describe('bombs', () => {
  it.each([limits.maxOpsPerFrame + 1, 1e6, 5e6, 2e7, 1e9, 2 ** 40])('refuses %d list items in a few bytes', (count) => {
    for (const chunk of [assemble(nullItems(count)), wrap(bodyOf(nullItems(count)), { deflate: true })]) {
      expect(chunk.length).toBeLessThan(180)
      const meter = newMeter()
      expect(refusal(() => readChange(chunk, meter))).toBe('op-count')
      expect(meter.rows).toBe(0)
    }
  })

  it('takes as many operations as the limit allows', () => {
    const meter = newMeter()
    expect(readChange(assemble(nullItems(1_000)), meter).ops).toBe(1_000)
    expect(meter.rows).toBe(8_000)
  })

  it.each(Object.keys(columnIds).filter((name) => name !== 'action' && name !== 'val'))(
    'refuses a column %s that is longer than the others',
    (name) => {
      const parts = takeApart(samples.rich)
      const id = columnIds[name as keyof typeof columnIds]
      const data = name === 'insert' || name === 'expand' ? uleb(1e9) : join(sleb(1e9), bytes(1, 0x61))
      const columns = [...parts.columns.filter((column) => column.id !== id), { id, data }].sort((a, b) => a.id - b.id)
      const meter = newMeter()
      expect(refusal(() => readChange(assemble({ ...parts, columns }), meter))).toBe('column-rows')
      expect(meter.rows).toBeLessThan(32 * columns.length)
    },
  )

  it('refuses absent entries without end', () => {
    const parts = takeApart(samples.three)
    const columns = [...parts.columns, { id: columnIds.markName, data: join(bytes(0), uleb(1e12)) }]
    const meter = newMeter()
    expect(refusal(() => readChange(assemble({ ...parts, columns }), meter))).toBe('column-rows')
    expect(meter.rows).toBeLessThan(32)
  })

  it('refuses predecessors without end', () => {
    const parts = takeApart(samples.put)
    const columns = parts.columns.map(({ id, data }) => ({
      id,
      data: id === columnIds.predNum ? join(bytes(0x7f), uleb(2 ** 40)) : data,
    }))
    const meter = newMeter()
    expect(refusal(() => readChange(assemble({ ...parts, columns }), meter))).toBe('pred-count')
    expect(meter.rows).toBeLessThan(32)
  })

  it('refuses a hundred megabytes of compressed zeros', () => {
    const chunk = wrap(new Uint8Array(100 * 2 ** 20), { deflate: true })
    expect(chunk.length).toBeLessThan(limits.maxChangeBytes)
    expect(refusal(() => readChange(chunk))).toBe('expanded-bytes')
  })

  it('refuses a text of four million characters by its length alone', () => {
    expect(refusal(() => readChange(new Uint8Array(4_000_000)))).toBe('change-bytes')
  })

  it('refuses a document chunk without looking inside', () => {
    expect(refusal(() => readChange(wrap(bytes(), { type: 0 })))).toBe('chunk-type')
  })

  it('stops a run of small bombs at the limit of the frame', () => {
    const chunk = assemble(nullItems(limits.maxOpsPerFrame / 2))
    const meter = newMeter()
    expect(
      refusal(() =>
        checkRun(
          Array.from({ length: 50 }, () => chunk),
          meter,
        ),
      ),
    ).toBe('run-ops')
    expect(meter.rows).toBeLessThanOrEqual(3 * 8 * (limits.maxOpsPerFrame / 2))
  })
})
