/**
 * Takes the operation columns of a change apart. Keeps the invariant that every column has exactly one entry for each
 * operation (or predecessor) and that nothing is expanded beyond the caps, so that what follows may index freely.
 */
import { limits } from '../limits.ts'
import {
  absent,
  type ColumnBytes,
  type Meter,
  type RowBound,
  readBooleans,
  readDeltas,
  readNumbers,
  readTexts,
} from './columns.ts'
import type { ByteReader } from './leb128.ts'
import { refuse } from './structure-rules.ts'

/**
 * A column's number is `id << 4 | type`; bit 3 marks a compressed column, which only documents have.
 * Types: 0 group size, 1 actor, 2 unsigned, 3 delta, 4 boolean, 5 text, 6 value type and length, 7 raw value.
 */
const column = {
  objActor: 1,
  objCtr: 2,
  keyActor: 17,
  keyCtr: 19,
  keyStr: 21,
  insert: 52,
  action: 66,
  valMeta: 86,
  val: 87,
  predNum: 112,
  predActor: 113,
  predCtr: 115,
  expand: 148,
  markName: 165,
} as const

const known: ReadonlySet<number> = new Set(Object.values(column))
const deflatedBit = 8

/** Selecting everything in a text with conflicts names more predecessors than operations, but never many more. */
const maxPreds = 2 * limits.maxOpsPerFrame

/** One entry per operation in each list; `undefined` stands for a column that is left out. */
export interface OpColumns {
  readonly count: number
  readonly objActor: readonly number[] | undefined
  readonly objCtr: readonly number[] | undefined
  readonly keyActor: readonly number[] | undefined
  readonly keyCtr: readonly number[] | undefined
  readonly keyStr: readonly (string | undefined)[] | undefined
  readonly insert: readonly boolean[]
  readonly action: readonly number[]
  readonly valMeta: readonly number[]
  /** Where the values of all operations lie, end to end. */
  readonly val: ColumnBytes
  readonly predNum: readonly number[]
  /** One entry per predecessor, in the order of the operations. */
  readonly predActor: readonly number[]
  readonly predCtr: readonly number[]
  readonly expand: readonly boolean[] | undefined
  readonly markName: readonly (string | undefined)[] | undefined
}

const none: readonly number[] = []

const noOps: OpColumns = {
  count: 0,
  objActor: undefined,
  objCtr: undefined,
  keyActor: undefined,
  keyCtr: undefined,
  keyStr: undefined,
  insert: [],
  action: none,
  valMeta: none,
  val: { bytes: new Uint8Array(0), from: 0, to: 0 },
  predNum: none,
  predActor: none,
  predCtr: none,
  expand: undefined,
  markName: undefined,
}

/** Reads the column table and the columns, to the last byte. @throws `bad-change`, `change-too-large` */
export function readOpColumns(reader: ByteReader, meter: Meter): OpColumns {
  const { ids, ends } = readColumnTable(reader)
  if (ids.length === 0) return noOps
  const at = (id: number): ColumnBytes | undefined => {
    const n = ids.indexOf(id)
    return n < 0 ? undefined : { bytes: reader.bytes, from: ends[n] as number, to: ends[n + 1] as number }
  }
  const required = (id: number): ColumnBytes => at(id) ?? refuse('column-required')

  const action = readNumbers(
    required(column.action),
    { max: limits.maxOpsPerFrame, exact: false, rule: 'op-count' },
    meter,
  )
  const count = action.length
  const rows: RowBound = { max: count, exact: true, rule: 'column-rows' }
  const numbers = (id: number): number[] | undefined => optional(at(id), (bytes) => readNumbers(bytes, rows, meter))

  const insert = readBooleans(required(column.insert), rows, meter)
  const valMeta = readNumbers(required(column.valMeta), rows, meter)
  const predNum = readNumbers(required(column.predNum), rows, meter)
  if (action.includes(absent) || valMeta.includes(absent) || predNum.includes(absent)) refuse('null-row')

  let preds = 0
  for (const size of predNum) preds += size
  if (preds > maxPreds) refuse('pred-count')
  const predRows: RowBound = { max: preds, exact: true, rule: 'column-rows' }
  const predActor = optional(at(column.predActor), (bytes) => readNumbers(bytes, predRows, meter)) ?? none
  const predCtr = optional(at(column.predCtr), (bytes) => readDeltas(bytes, predRows, meter)) ?? none
  if (predActor.length !== preds || predCtr.length !== preds) refuse('column-rows')
  if (predActor.includes(absent) || predCtr.includes(absent)) refuse('null-row')

  const expand = optional(at(column.expand), (bytes) => readBooleans(bytes, rows, meter))
  // Unlike `insert`, this column is left out when no operation sets it.
  if (expand !== undefined && !expand.includes(true)) refuse('column-empty')
  return {
    count,
    objActor: numbers(column.objActor),
    objCtr: numbers(column.objCtr),
    keyActor: numbers(column.keyActor),
    keyCtr: optional(at(column.keyCtr), (bytes) => readDeltas(bytes, rows, meter)),
    keyStr: optional(at(column.keyStr), (bytes) => readTexts(bytes, rows, meter)),
    insert,
    action,
    valMeta,
    val: at(column.val) ?? noOps.val,
    predNum,
    predActor,
    predCtr,
    expand,
    markName: optional(at(column.markName), (bytes) => readTexts(bytes, rows, meter)),
  }
}

function optional<Value>(bytes: ColumnBytes | undefined, read: (bytes: ColumnBytes) => Value): Value | undefined {
  return bytes === undefined ? undefined : read(bytes)
}

/** `ids` of the columns, and where each of them ends; the first of `ends` is where the first column begins. */
function readColumnTable(reader: ByteReader): { readonly ids: readonly number[]; readonly ends: readonly number[] } {
  const size = reader.unsigned()
  const ids: number[] = []
  const ends = [0]
  let before = -1
  for (let n = 0; n < size; n++) {
    const id = reader.unsigned()
    if (id <= before) refuse('column-order')
    before = id
    if ((id & deflatedBit) !== 0) refuse('column-deflated')
    if (!known.has(id)) refuse('column-unknown')
    const length = reader.unsigned()
    if (length === 0) refuse('column-empty')
    ids.push(id)
    ends.push(length)
  }
  ends[0] = reader.at
  for (let n = 1; n < ends.length; n++) {
    reader.skip(ends[n] as number)
    ends[n] = reader.at
  }
  if (!reader.done) refuse('trailing-bytes')
  return { ids, ends }
}
