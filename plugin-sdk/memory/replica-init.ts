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

export interface ReplicaInit {
  readonly identity: { readonly seed: Uint8Array; readonly peer: PeerId }
  readonly clock: Clock
  readonly log: MemoryLog
  random(bytes: number): Uint8Array
  /** The daemon has own changes that the store lacks: the replica needs another id, so that it is sent them. */
  onShortfall?(): void
}
