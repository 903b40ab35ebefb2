/** What the memory of a plugin is handed: a key, a clock, randomness, and connections when there are any. */
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
}
