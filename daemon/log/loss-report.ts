/**
 * Says that the store lost its end, or is an older copy: a replica has read further in an epoch than the log goes in it
 * now. Keeps: said once for each key, because whoever says so may be lying, and may say it again and again.
 */
import type { PeerId } from '../../protocol/ids.ts'
import type { Logger } from '../log.ts'
import type { Epoch, Seq } from '../storage/storage.ts'
import { decodeCursor, isBeyond } from './cursor.ts'

export class LossReport {
  readonly #epochs: readonly Epoch[]
  readonly #published: () => Seq
  readonly #told = new Set<PeerId>()
  /** Who came since the daemon started: what its replicas, or copies of them, have seen may be of this epoch. */
  readonly #known = new Set<PeerId>()

  constructor(epochs: readonly Epoch[], published: () => Seq) {
    this.#epochs = epochs
    this.#published = published
  }

  /** Looks at the cursor that a replica comes with, and at what it has `seen` since it was given that. */
  check(
    bytes: Uint8Array | undefined,
    seen: Seq | undefined,
    { peer, log }: { readonly peer: PeerId; readonly log: Logger },
  ): void {
    const cursor = decodeCursor(bytes)
    const logSeq = this.#published()
    const start = this.#epochs.at(-1)?.startSeq
    // By now the log may have grown over what it had lost.
    const seenEnd = this.#known.has(peer) || start === undefined ? logSeq : start
    this.#known.add(peer)
    if (cursor === undefined || this.#told.has(peer)) return
    if (!isBeyond(cursor, this.#epochs, logSeq) && (seen ?? 0) <= seenEnd) return
    this.#told.add(peer)
    const fields = { peer, replicaSeq: Math.max(cursor.seq, seen ?? 0), logSeq }
    log.warn(fields, 'a plugin has read further than the log goes: the store lost its end, or is an older copy')
  }
}
