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

  constructor(epochs: readonly Epoch[], published: () => Seq) {
    this.#epochs = epochs
    this.#published = published
  }

  /** Looks at the cursor that a replica comes with. */
  check(bytes: Uint8Array | undefined, { peer, log }: { readonly peer: PeerId; readonly log: Logger }): void {
    const cursor = bytes === undefined ? undefined : decodeCursor(bytes)
    const logSeq = this.#published()
    if (cursor === undefined || this.#told.has(peer) || !isBeyond(cursor, this.#epochs, logSeq)) return
    this.#told.add(peer)
    const fields = { peer, replicaSeq: cursor.seq, logSeq }
    log.warn(fields, 'a plugin has read further than the log goes: the store lost its end, or is an older copy')
  }
}
