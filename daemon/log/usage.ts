/**
 * How much of the disk each peer takes up, in memory: who has used up what it may is refused before anything is done for it.
 * The store counts what it writes, in the same transaction. Keeps: what is on its way there is counted too.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { ChangeEntry, PeerUsage } from '../storage/storage.ts'
import { usageOf } from '../storage/usage-rows.ts'
import { fullRetryMs } from './quotas.ts'

export class Usage {
  readonly #self: PeerId
  readonly #maxBytes: number
  readonly #disk = new Map<PeerId, number>()

  constructor(self: PeerId, maxBytes: number, stored: readonly PeerUsage[]) {
    this.#self = self
    this.#maxBytes = maxBytes
    this.changed(stored)
  }

  of(peer: PeerId): number {
    return this.#disk.get(peer) ?? 0
  }

  /** For all of them or for none. The daemon is not kept from writing. @throws `quota-exceeded` */
  reserve(entries: readonly ChangeEntry[]): void {
    const added = usageOf(entries)
    for (const { peer, disk } of added) this.#check(peer, disk)
    this.changed(added)
  }

  /** The same for something else than changes. @throws `quota-exceeded` */
  take(peer: PeerId, disk: number): void {
    this.#check(peer, disk)
    this.changed([{ peer, disk }])
  }

  /** They are not stored after all. */
  release(entries: readonly ChangeEntry[]): void {
    this.changed(usageOf(entries).map(({ peer, disk }) => ({ peer, disk: -disk })))
  }

  /** By so much more, or less: rows were folded away. */
  changed(by: readonly PeerUsage[]): void {
    for (const { peer, disk } of by) this.#disk.set(peer, this.of(peer) + disk)
  }

  #check(peer: PeerId, disk: number): void {
    if (peer === this.#self || this.of(peer) + disk <= this.#maxBytes) return
    const detail = `maxBytesPerPeer: ${peer} takes up ${this.of(peer)} of ${this.#maxBytes} bytes; moor compact makes room, quota.peer_mib sets another bound`
    throw new MooringError('quota-exceeded', { detail, retryAfterMs: fullRetryMs })
  }
}
