/** What a block is given: its identity, time and randomness, and whom it tells. */
import type { BlockAddress, ChangeHash, Clock, PeerId, SchemaName } from '../../protocol/index.ts'
import type { KnownChange, Saved } from './document.ts'
import type { LocalChange } from './local-change.ts'
import type { StoredContent } from './store.ts'

export interface BlockInit {
  readonly address: BlockAddress
  readonly schema: SchemaName
  readonly daemon: PeerId
  readonly self: PeerId
  readonly clock: Clock
  random(bytes: number): Uint8Array
  /** Position for a change that is made now. @default its number, when nothing is stored */
  nextPosition?(): number
  /** What an earlier process left. */
  readonly stored?: StoredContent | undefined
  /** A change was made here: it is stored, and sent. */
  onLocal(change: LocalChange): void
  /** After a batch was applied or the document was replaced. */
  onRemote(): void
  /** So many operations were written to a draft whose edit was over, and were taken back. */
  onStray(operations: number): void
  /** The engine cannot take these; the block goes on without them. */
  onPoison(hashes: readonly ChangeHash[]): void
  /** The engine failed beyond repair: the block stays as it was and takes nothing more. */
  onBroken(error: unknown): void
}

/** What was taken out of a block, oldest first, and all that is settled of the rest, as a document that was loaded again. */
export interface TakenOut {
  readonly out: KnownChange[]
  readonly left: Saved
}
