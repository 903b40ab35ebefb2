/** What a replica is given: who it speaks for, and a connection now and then. */
import type { Channel, Clock, PeerId, ReplicaId } from '../../protocol/index.ts'

/** What memory needs of a connection. */
export interface MemoryConnection {
  readonly daemon: PeerId
  readonly replica: ReplicaId
  readonly signal: AbortSignal
  openChannel(protocolId: string): Promise<Channel>
}

export interface MemoryLog {
  warn(fields: object, message: string): void
}

/** How far a long catch-up has come, in changes of the log; one that is cut off begins again with the next connection. */
export interface CatchUpProgress {
  readonly received: number
  readonly total: number
}

export interface ReplicaInit {
  readonly identity: { readonly seed: Uint8Array; readonly peer: PeerId }
  readonly clock: Clock
  readonly log: MemoryLog
  random(bytes: number): Uint8Array
  /** The daemon has own changes that the store lacks: the replica needs another id, so that it is sent them. */
  onShortfall?(): void
  /** Told now and then while much is on its way, and when all of it has come. */
  onProgress?(progress: CatchUpProgress): void
}
