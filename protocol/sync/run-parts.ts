/**
 * Takes a change apart into what a run writes field by field. Keeps the invariant that a change is taken apart only if
 * its fields, written again in their shortest form, give the same bytes; every other change travels whole.
 */
import { hash as digest } from 'node:crypto'
import { MooringError } from '../errors.ts'
import { limits } from '../limits.ts'
import { chunkType, readChunkHeader } from './change-structure.ts'
import { ByteReader } from './leb128.ts'

/** Where the checksum and the type are in a chunk; the hash of a change covers everything from its type on. */
export const checksumAt = 4
export const typeAt = 8
export const hashBytes = 32

/** Changes whose numbers are beyond this travel whole: sums and differences of the others are always exact. */
const maxNumber = 2 ** 45

/** Bounds on the tables of one run; a change that would need more travels whole. */
export const runBounds = {
  /** Different columns; Automerge has 14. */
  maxColumns: 32,
  /** Combinations of columns: an edit of a text has one of few, and finding one must stay cheap. */
  maxLayouts: 64,
  /** Authors and other actors together. */
  maxActors: limits.maxActorsPerChange + limits.maxChangesPerFrame,
  /** What a sound change has at most. */
  maxActorBytes: 64,
} as const

/**
 * Columns whose first entry is the counter of an operation, and so grows from change to change: it is written as a
 * difference. All other columns are written as they are.
 */
export const counterColumns = { key: 19, pred: 115 } as const

export const isActorLength = (bytes: number): boolean => bytes > 0 && bytes <= runBounds.maxActorBytes

/** One column inside a chunk. */
export interface ColumnPart {
  readonly id: number
  readonly from: number
  readonly length: number
  /** The head of the first run and the first entry of a counter column; undefined where it begins with absent ones. */
  readonly first: FirstEntry | undefined
}

export interface FirstEntry {
  readonly head: number
  readonly value: number
  /** Where the rest of the column begins. */
  readonly rest: number
}

/** The fields of a change, as places in its chunk where they are not numbers. */
export interface ChangeParts {
  /** Where the first dependency is. */
  readonly depsFrom: number
  readonly deps: number
  readonly actorFrom: number
  readonly actorTo: number
  readonly seq: number
  readonly startOp: number
  readonly time: number
  readonly messageFrom: number
  readonly messageTo: number
  /** The table of other actors, with its count. */
  readonly othersFrom: number
  /** How many they are. */
  readonly others: number
  readonly othersTo: number
  readonly columns: readonly ColumnPart[]
}

/** SHA-256 as 32 characters below 256: the fastest form to compute, to compare and to write. */
export const digestOf = (bytes: Uint8Array): string => digest('sha256', bytes, 'binary')

/** The hash of a plain change; undefined for a compressed one, which would have to be inflated for it. */
export const hashOf = (chunk: Uint8Array): string | undefined =>
  chunk[typeAt] === chunkType.change ? digestOf(chunk.subarray(typeAt)) : undefined

export function hasLatin1At(bytes: Uint8Array, at: number, text: string): boolean {
  for (let n = 0; n < text.length; n++) if (bytes[at + n] !== text.charCodeAt(n)) return false
  return true
}

/** @returns undefined for a change that has to travel whole */
export function takeApart(chunk: Uint8Array, hash: string): ChangeParts | undefined {
  if (!hasLatin1At(chunk, checksumAt, hash.slice(0, typeAt - checksumAt))) return undefined
  try {
    return readParts(chunk)
  } catch (error) {
    // Whatever cannot be read in the one form that is written here: not a failure, it travels whole.
    if (error instanceof MooringError) return undefined
    throw error
  }
}

function readParts(chunk: Uint8Array): ChangeParts | undefined {
  const header = readChunkHeader(chunk, 0)
  if (header.end !== chunk.length) return undefined
  const reader = new ByteReader(chunk, header.body)
  const deps = reader.unsigned()
  if (deps > limits.maxDeps) return undefined
  const depsFrom = reader.at
  reader.at += deps * hashBytes
  const actorLength = reader.unsigned()
  if (!isActorLength(actorLength)) return undefined
  const actorFrom = reader.at
  const actorTo = actorFrom + actorLength
  reader.at = actorTo
  const seq = reader.unsigned()
  const startOp = reader.unsigned()
  const time = reader.signed()
  if (seq > maxNumber || startOp > maxNumber || Math.abs(time) > maxNumber) return undefined
  const messageLength = reader.unsigned()
  const messageFrom = reader.at
  const messageTo = messageFrom + messageLength
  reader.at = messageTo
  const othersFrom = reader.at
  const others = reader.unsigned()
  if (others > limits.maxActorsPerChange) return undefined
  for (let n = 0; n < others; n++) {
    const length = reader.unsigned()
    if (!isActorLength(length)) return undefined
    reader.at += length
  }
  const othersTo = reader.at
  const columns = readColumns(reader)
  if (columns === undefined) return undefined
  return {
    depsFrom,
    deps,
    actorFrom,
    actorTo,
    seq,
    startOp,
    time,
    messageFrom,
    messageTo,
    othersFrom,
    others,
    othersTo,
    columns,
  }
}

function readColumns(reader: ByteReader): ColumnPart[] | undefined {
  const count = reader.unsigned()
  if (count > runBounds.maxColumns) return undefined
  const table = new ByteReader(reader.bytes, reader.at)
  for (let n = 0; n < count * 2; n++) reader.unsigned()
  const columns: ColumnPart[] = []
  let from = reader.at
  let before = -1
  for (let n = 0; n < count; n++) {
    const id = table.unsigned()
    const length = table.unsigned()
    // Columns are written one after the other over the whole run, so each must be there once and in order.
    if (id <= before) return undefined
    before = id
    if (length > reader.end - from) return undefined
    const isCounter = id === counterColumns.key || id === counterColumns.pred
    columns.push({ id, from, length, first: isCounter ? firstOf(reader.bytes, from, from + length) : undefined })
    from += length
  }
  return from === reader.end ? columns : undefined
}

function firstOf(bytes: Uint8Array, from: number, to: number): FirstEntry | undefined {
  if (from === to) return undefined
  const reader = new ByteReader(bytes, from, to)
  const head = reader.signed()
  if (head === 0) return undefined
  const value = reader.signed()
  // Refused like any number that is out of range: the caller sends such a change whole.
  if (Math.abs(value) > maxNumber) throw new MooringError('bad-change', { detail: 'number-range' })
  return { head, value, rest: reader.at }
}
