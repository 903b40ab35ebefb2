/**
 * Compares what the engine hands out with what it was given. Keeps: a change that passed is stored by the engine as it
 * was written, so that nobody who gets it from there gets something else.
 */
import { createHash } from 'node:crypto'
import { readChange } from '../../protocol/sync/change-structure.ts'

/** @throws an error that says how the two differ */
export function compareEncoding(given: readonly Uint8Array[], handedOut: readonly Uint8Array[]): void {
  if (given.length === handedOut.length && given.every((change, index) => isEqual(change, handedOut[index]))) return
  // The engine may put concurrent changes into another order, and hands out what was compressed uncompressed.
  const unseen = new Set(given.map((change) => keyOf(expand(change))))
  if (unseen.size !== given.length) throw new Error('re-encoding: the same change is there twice')
  for (const change of handedOut) {
    if (!unseen.delete(keyOf(change))) throw new Error('re-encoding: the engine hands out another change')
  }
  if (unseen.size > 0) throw new Error('re-encoding: the engine keeps a change back')
}

const isEqual = (change: Uint8Array, other: Uint8Array | undefined): boolean =>
  other !== undefined && Buffer.compare(change, other) === 0

const keyOf = (change: Uint8Array): string => createHash('sha256').update(change).digest('base64')

/** What cannot be read stays as it is, and then equals nothing that the engine would write. */
function expand(change: Uint8Array): Uint8Array {
  try {
    return readChange(change).expanded
  } catch {
    return change
  }
}
