/** What a conversation is given: its stream, whose it is, and what that peer may do at any moment. */
import type { Grant } from '../../protocol/grants.ts'
import type { PeerId, ReplicaId } from '../../protocol/ids.ts'
import type { Channel } from '../../protocol/rpc/channel.ts'
import type { Logger } from '../log.ts'
import type { BlockId } from '../storage/storage.ts'

export interface ConversationInit {
  readonly channel: Channel
  readonly peer: PeerId
  readonly replica: ReplicaId
  /** Ends with the session. */
  readonly signal: AbortSignal
  readonly log: Logger
  grants(): { readonly grants: readonly Grant[]; readonly grantVersion: number }
  /** A replica cannot take a change of this block: whether that is the change's fault is for the daemon to find out. */
  onPoison(block: BlockId): void
  /** Tells when the grant was widened; returns how to stop being told. */
  onGranted(listener: () => void): () => void
}
