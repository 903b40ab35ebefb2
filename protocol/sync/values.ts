/**
 * The values that operations carry. Keeps the invariant that a value has the one form that Automerge's encoder writes
 * for its type, because it is decoded and encoded again when a document is saved.
 */
import type { ColumnBytes } from './columns.ts'
import { checkText, isWholeLeb128 } from './leb128.ts'
import { refuse } from './structure-rules.ts'

/** Codes of value types as the format has them. */
export const valueType = {
  null: 0,
  false: 1,
  true: 2,
  unsigned: 3,
  signed: 4,
  float: 5,
  text: 6,
  bytes: 7,
  counter: 8,
  timestamp: 9,
} as const

/** Refuses a value that Automerge would write in another way, or not at all. */
export function checkValueForm(column: ColumnBytes, type: number, from: number, to: number): void {
  const length = to - from
  switch (type) {
    case valueType.null:
    case valueType.false:
    case valueType.true:
      if (length !== 0) refuse('value-form')
      return
    case valueType.unsigned:
      if (!isWholeLeb128(column.bytes, from, to, false)) refuse('value-form')
      return
    case valueType.signed:
    case valueType.counter:
    case valueType.timestamp:
      if (!isWholeLeb128(column.bytes, from, to, true)) refuse('value-form')
      return
    case valueType.float:
      if (length !== 8) refuse('value-form')
      return
    case valueType.text:
      checkText(column.bytes, from, to)
      return
    case valueType.bytes:
      return
    default:
      refuse('value-type')
  }
}
