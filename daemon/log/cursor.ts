/** Cursors: opaque to replicas, bound to the daemon's epoch and to the view they were issued for. */
import { createHash } from 'node:crypto'
import { decodeValue, encodeValue } from '../../protocol/codec.ts'
import type { Epoch, Seq } from '../storage/storage.ts'

export interface Cursor {
  readonly epoch: string
  readonly seq: Seq
  /** Hash of what the replica watches under which grant. */
  readonly view: string
}

export function viewOf(watches: Iterable<string>, grantVersion: number): string {
  const text = JSON.stringify([[...watches].sort(), grantVersion])
  return createHash('sha256').update(text).digest('base64url').slice(0, 22)
}

export const encodeCursor = (cursor: Cursor): Uint8Array => encodeValue({ ...cursor })

/** What a replica is given in place of a cursor: it is in step, and is asked again what it has when it comes back. */
export const noCursor = new Uint8Array()

/** Undefined for none, and for anything that this daemon did not issue in this form. */
export function decodeCursor(bytes: Uint8Array | undefined): Cursor | undefined {
  if (bytes === undefined) return undefined
  try {
    const value = decodeValue(bytes) as Partial<Cursor>
    const { epoch, seq, view } = value
    if (typeof epoch !== 'string' || typeof seq !== 'number' || typeof view !== 'string') return undefined
    return Number.isSafeInteger(seq) && seq >= 0 ? { epoch, seq, view } : undefined
  } catch {
    return undefined
  }
}

/** Whether rows that were published are gone: a replica has read further in an epoch than the log goes in it now. */
export function isBeyond(cursor: Cursor, epochs: readonly Epoch[], published: Seq): boolean {
  const epoch = epochs.find((known) => known.id === cursor.epoch)
  return epoch !== undefined && cursor.seq > (epoch.endSeq ?? published)
}

/**
 * Whether the log can be continued from a cursor. A daemon restored from a backup knows an epoch only up to where the
 * backup was made: a cursor beyond that end speaks of rows that are gone, and so does anything `seen` after it.
 */
export function isValidCursor(
  cursor: Cursor,
  seen: Seq,
  view: string,
  epochs: readonly Epoch[],
  published: Seq,
): boolean {
  const epoch = epochs.find((known) => known.id === cursor.epoch)
  return epoch !== undefined && cursor.view === view && Math.max(cursor.seq, seen) <= (epoch.endSeq ?? published)
}
