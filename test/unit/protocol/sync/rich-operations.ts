/** Edits single operations of the honest change `rich`, encodes it again and repairs its checksum. */

import type { StructureRule } from '../../../../protocol/sync/change-structure.ts'
import { assemble, decodeOps, type Op, takeApart, withOps } from '../../../fixtures/change-builder.ts'
import { samples } from '../../../fixtures/sample-changes.ts'
import type { BrokenChange } from './broken-chunks.ts'

/** The operations of the honest change `rich` begin at this counter; they are found by it below. */
export const startOp = 23
/** What the operation with a counter does in `rich`. */
export const at = {
  makeText: 23,
  firstChar: 24,
  secondChar: 25,
  setItem: 32,
  deleteItem: 33,
  increment: 34,
  insertChar: 35,
  deleteChar: 38,
  putTwice: 40,
  putAgain: 41,
  makeMap: 42,
  makeDeep: 43,
  makeList: 44,
  counter: 45,
  float: 46,
  itemText: 47,
  itemBytes: 48,
  ownIncrement: 50,
  timestamp: 51,
  unsigned: 52,
  markBegin: 53,
  markEnd: 54,
} as const

function rich(edit: (ops: Record<keyof typeof at, Op>, all: Op[]) => void): Uint8Array {
  const parts = takeApart(samples.rich)
  const all = decodeOps(parts)
  const named = Object.fromEntries(Object.entries(at).map(([name, ctr]) => [name, all[ctr - startOp]]))
  edit(named as Record<keyof typeof at, Op>, all)
  return assemble(withOps(parts, all))
}

export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

/** Gives an operation a value: type and length, then its bytes. */
export const giveValue = (op: Op, meta: number, ...value: number[]): void => {
  op.meta = meta
  op.value = bytes(...value)
}

/** A case that breaks `rule` by an edit of operations, found by name or among all. */
export const broken = (
  rule: StructureRule,
  what: string,
  edit: (ops: Record<keyof typeof at, Op>, all: Op[]) => void,
): BrokenChange => ({ rule, what, bytes: () => rich(edit) })

/** Gives an operation these predecessors. */
export const givePreds = (op: Op, ...preds: Op['preds']): void => {
  op.preds = preds
}
