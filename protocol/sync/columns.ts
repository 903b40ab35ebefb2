/**
 * Reads the columns of a change into one array per column, one entry per operation. Keeps two invariants: a run is
 * compared with the rows that may still come before it is expanded, so a few bytes never cost more than the limit; and
 * only the one encoding that Automerge's encoder writes is read, because any other one applies but never loads again.
 */
import { ByteReader } from './leb128.ts'
import { refuse, type StructureRule } from './structure-rules.ts'

/** Absent entry of a column of numbers; no number in a change is negative. */
export const absent = -1

/** Counts the work of a check: expanded rows, and bytes that were inflated and hashed. */
export interface Meter {
  rows: number
  bytes: number
}

export const newMeter = (): Meter => ({ rows: 0, bytes: 0 })

/** Bytes of one column inside the chunk. */
export interface ColumnBytes {
  readonly bytes: Uint8Array
  readonly from: number
  readonly to: number
}

/** Where the number of rows is known it must be met exactly; where it is not, it is only bounded. */
export interface RowBound {
  readonly max: number
  readonly exact: boolean
  /** Refusal for more rows than `max`. */
  readonly rule: StructureRule
}

/**
 * Run-length encoding: `n > 1, value` repeats a value, `-n, value × n` is a literal run, `0, n` is n absent entries.
 * Canonical means that no two neighbouring runs could have been one: the encoder merges as it goes.
 */
function readRuns<Value>(
  column: ColumnBytes,
  bound: RowBound,
  meter: Meter,
  read: (reader: ByteReader) => Value,
  none: Value,
): Value[] {
  const reader = new ByteReader(column.bytes, column.from, column.to)
  const rows: Value[] = []
  let kind: 'start' | 'run' | 'literal' | 'null' = 'start'
  let last = none
  let present = false
  while (!reader.done) {
    const head = reader.signed()
    const count = head > 0 ? head : head < 0 ? -head : reader.unsigned()
    if (count > bound.max - rows.length) refuse(bound.rule)
    meter.rows += count
    if (head === 0) {
      if (count === 0 || kind === 'null') refuse('run-canonical')
      for (let n = 0; n < count; n++) rows.push(none)
      kind = 'null'
    } else if (head > 0) {
      const value = read(reader)
      // A repetition of one is written as a literal; a value equal to the one before belongs to the run before.
      if (count === 1 || ((kind === 'run' || kind === 'literal') && value === last)) refuse('run-canonical')
      for (let n = 0; n < count; n++) rows.push(value)
      kind = 'run'
      last = value
      present = true
    } else {
      if (kind === 'literal') refuse('run-canonical')
      for (let n = 0; n < count; n++) {
        const value = read(reader)
        if ((n > 0 || kind === 'run') && value === last) refuse('run-canonical')
        rows.push(value)
        last = value
      }
      kind = 'literal'
      present = true
    }
  }
  if (!present) refuse('column-empty')
  if (bound.exact && rows.length !== bound.max) refuse('column-rows')
  return rows
}

const unsignedOf = (reader: ByteReader): number => reader.unsigned()
const signedOf = (reader: ByteReader): number => reader.signed()
const textOf = (reader: ByteReader): string | undefined => reader.text()

/** Unsigned numbers; absent entries are {@link absent}. */
export function readNumbers(column: ColumnBytes, bound: RowBound, meter: Meter): number[] {
  return readRuns(column, bound, meter, unsignedOf, absent)
}

/** Text; absent entries are `undefined`. */
export function readTexts(column: ColumnBytes, bound: RowBound, meter: Meter): (string | undefined)[] {
  return readRuns(column, bound, meter, textOf, undefined)
}

/** Differences to the previous present entry, as absolute numbers; absent entries are {@link absent}. */
export function readDeltas(column: ColumnBytes, bound: RowBound, meter: Meter): number[] {
  const rows = readRuns<number>(column, bound, meter, signedOf, Number.NaN)
  let sum = 0
  for (let row = 0; row < rows.length; row++) {
    const delta = rows[row] as number
    if (Number.isNaN(delta)) {
      rows[row] = absent
      continue
    }
    sum += delta
    if (sum < 0 || sum > Number.MAX_SAFE_INTEGER) refuse('number-range')
    rows[row] = sum
  }
  return rows
}

/** Lengths of alternating runs, beginning with false; only the first may be empty. */
export function readBooleans(column: ColumnBytes, bound: RowBound, meter: Meter): boolean[] {
  const reader = new ByteReader(column.bytes, column.from, column.to)
  const rows: boolean[] = []
  let value = false
  let first = true
  while (!reader.done) {
    const count = reader.unsigned()
    if (count > bound.max - rows.length) refuse(bound.rule)
    if (count === 0 && (!first || reader.done)) refuse('boolean-canonical')
    meter.rows += count
    for (let n = 0; n < count; n++) rows.push(value)
    value = !value
    first = false
  }
  if (bound.exact && rows.length !== bound.max) refuse('column-rows')
  return rows
}
