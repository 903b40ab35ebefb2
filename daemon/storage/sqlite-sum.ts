/**
 * Checksums of rows. A bit that turned on the disk is found when the row is read, whichever column it is in: SQLite
 * checks the form of its pages, not their content.
 */
import { hash } from 'node:crypto'
import type { StoredChange } from './sqlite-pack.ts'

const sumLength = 16
const numbersLength = 5 * 8

/** Reused between calls: a row is summed far more often than memory should be taken for it. */
let scratch = Buffer.alloc(64 * 1024)

/** 16 bytes over every column of a change row. */
export function changeSum(row: Omit<StoredChange, 'sum'>): Buffer {
  return sum([row.seq, row.block, row.max_op, row.actor_seq, row.origin], [row.hash, row.actor, row.bytes])
}

/** 16 bytes over every column of a row that waits. */
export function waitingSum(row: Omit<StoredWaiting, 'sum'>): Buffer {
  const { bytes, signature } = row
  return sum(
    [row.seq, row.block, row.max_op, row.actor_seq, row.origin],
    [row.hash, row.actor, Uint8Array.of(signature.length), bytes, signature],
  )
}

/** 16 bytes over every column of a snapshot row. */
export function snapshotSum(row: SummedSnapshot): Buffer {
  return sum([row.block, row.seq, row.changes, row.heads.length, 0], [row.heads, row.bytes])
}

export const isSoundChange = (row: StoredChange): boolean => fits(row.sum, () => changeSum(row))

export const isSoundWaiting = (row: StoredWaiting): boolean => fits(row.sum, () => waitingSum(row))

export const isSoundSnapshot = (row: SummedSnapshot & { readonly sum: Uint8Array }): boolean =>
  fits(row.sum, () => snapshotSum(row))

/** Of what a row holds; a turned bit may have made nothing of it. */
export const sizeOf = ({ bytes }: Pick<StoredChange, 'bytes'>): number =>
  bytes instanceof Uint8Array ? bytes.length : 0

/** As text, whatever kind of value a turned bit made of it. */
export const hexOf = (value: unknown): string => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : '')

/** A turned bit may also change the kind of a value, of which no sum can be made then. */
function fits(stored: Uint8Array, make: () => Buffer): boolean {
  try {
    return make().equals(stored)
  } catch {
    return false
  }
}

export interface StoredWaiting extends StoredChange {
  readonly signature: Uint8Array
}

export interface SummedSnapshot {
  readonly block: number
  readonly seq: number
  readonly changes: number
  readonly heads: Uint8Array
  readonly bytes: Uint8Array
}

function sum(numbers: readonly [number, number, number, number, number], parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((total, part) => total + part.length, numbersLength)
  if (length > scratch.length) scratch = Buffer.alloc(length)
  let at = 0
  for (const number of numbers) at = scratch.writeDoubleLE(number, at)
  for (const part of parts) {
    scratch.set(part, at)
    at += part.length
  }
  return hash('sha256', scratch.subarray(0, length), 'buffer').subarray(0, sumLength)
}
