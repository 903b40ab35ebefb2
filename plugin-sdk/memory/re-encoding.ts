/**
 * Compares what the engine hands out with what it was given. Keeps: a change that passed is in the document as its author
 * wrote it, so that whoever gets it from there gets nothing else.
 */
import { hash as digest } from 'node:crypto'
import * as A from '@automerge/automerge'
import type { ChangeHash } from '../../protocol/ids.ts'

/** A change whose structure and checksum were looked at. */
export interface KnownChange {
  readonly bytes: Uint8Array
  readonly hash: ChangeHash
}

/**
 * A hash covers every byte of a change that counts. What came twice, or is below the heads, is not handed out; what waits
 * for another change is not yet.
 *
 * @throws when the engine hands out something that it was not given
 */
export function assertSame(doc: A.Doc<unknown>, heads: readonly string[], given: readonly KnownChange[]): void {
  const handedOut = A.getChangesSince(doc, [...heads])
  // Nearly always: as they came and nothing else. Comparing bytes is a tenth of hashing them.
  if (handedOut.length === given.length && handedOut.every((bytes, n) => isEqual(bytes, given[n]?.bytes))) return
  const hashes = new Set<string>(given.map(({ hash }) => hash))
  for (const bytes of handedOut) {
    if (!hashes.delete(hashOf(bytes))) throw new Error('the engine hands out another change than it was given')
  }
  if (hashes.size === 0 || A.getMissingDeps(doc, []).length > 0) return
  for (const hash of hashes) if (!A.hasHeads(doc, [hash])) throw new Error('the engine keeps a change back')
}

const isEqual = (one: Uint8Array, other: Uint8Array | undefined): boolean =>
  other !== undefined && Buffer.compare(one, other) === 0

/** The hash of an uncompressed change, as Automerge hands it out: of everything behind magic number and checksum. */
export const hashOf = (bytes: Uint8Array): string => digest('sha256', bytes.subarray(8), 'hex')
