/**
 * The storage port: what the daemon may ask of a store, and what it may rely on. Nothing outside this folder knows SQL.
 *
 * Guarantees every backend gives:
 * - A promise that resolved is durable: it survives the loss of the process and of power (as far as the backend has a
 *   disk). A promise that rejected changed nothing, except `storage-failed` and `connection-lost`, where either may be
 *   the case.
 * - Each call that writes is one transaction, in the order of the calls. `seq` is assigned inside it, without gaps.
 * - What is handed in is read before the call returns; the caller may change it at once. Rows that come back are the
 *   caller's own; no later write changes them.
 * - A read that is called after a write resolved sees that write.
 * - After `failed` aborts, every call rejects with `storage-failed`; the daemon then stops and recovers at start.
 * - After `close` was called, every other call rejects with `daemon-stopping`.
 */
import type { BlockMeta } from '../../protocol/block-meta.ts'
import type { ActorId, BlockAddress, ChangeHash, Label, PeerId, ReplicaId, Scope } from '../../protocol/ids.ts'
import type { ArchiveStorage } from './archive-rows.ts'
import type { CheckPosition, DamagedRow } from './damage-rows.ts'
import type { AppendOutcome, LogEntry, QuarantineRow, SuspensionRow, VerifiedRow } from './log-entries.ts'
import type { Decision, InviteRow, PeerRow, RequestRow } from './peer-rows.ts'
import type { BlockRemains, LostChanges, SetBackRow, WaitingCard, WaitingPage } from './repair-entries.ts'

export type * from './archive-rows.ts'
export type * from './damage-rows.ts'
export type * from './log-entries.ts'
export type * from './peer-rows.ts'
export type * from './repair-entries.ts'

/** Position in the log: 1, 2, 3 … over all blocks; 0 is before the first row. */
export type Seq = number
/** Row id of one generation of one block; never reused. */
export type BlockId = number

export interface Origin {
  readonly peer: PeerId
  readonly replica: ReplicaId
}

export type ObjectType = 'map' | 'list' | 'text' | 'table'

/** An object that a change makes: kept so that the depth of later ones is known without Automerge. */
export interface ObjectRow {
  /** `counter@actor`, as Automerge prints it. */
  readonly id: string
  readonly type: ObjectType
  /** 1 for an object directly below the root. */
  readonly depth: number
}

/**
 * The author's signature over the newest change of one actor in one block. An entry without a tip moves `seq` and
 * `hash` on and leaves them unsigned: the caller ends every run of an actor with a tip, and a run of which only a part
 * was stored must not be told with the signature of an older change.
 */
export interface Tip {
  readonly actor: ActorId
  readonly seq: number
  readonly hash: ChangeHash
  /** Ed25519, 64 bytes; empty for a frozen initial change, which nobody signs. */
  readonly signature: Uint8Array
}

export interface ClockRow extends Tip {
  /** Highest operation counter of that change. */
  readonly maxOp: number
}

export interface BlockRow {
  readonly id: BlockId
  readonly address: BlockAddress
  readonly scope: Scope
  readonly label: Label
  /** 1 for the first block at an address; greater for each that is made when the one before was deleted or replaced. */
  readonly generation: number
  readonly schema: string
  readonly meta: BlockMeta
  readonly owner: PeerId
  readonly createdAtMs: number
  readonly createdSeq: Seq
  /** Position of the last metadata event, or of the creation. */
  readonly metaSeq: Seq
  /** When the metadata was changed last; it only rises. */
  readonly metaAtMs: number
  /** Position of the newest row of the block: of a change, or of its creation or deletion. */
  readonly visibleSeq: Seq
  /** Position of the deletion, or 0. */
  readonly deletedSeq: Seq
  readonly maxOp: number
  readonly ops: number
  /** Operation counters that changes left out: loading a document reserves memory for each. */
  readonly gaps: number
  /** Changes in the log, without those in quarantine and the frozen initial one. */
  readonly changes: number
  /** Hashes that no other change depends on. */
  readonly heads: readonly ChangeHash[]
  /**
   * Changes up to here are no rows any more: the snapshot of the block stands for them. Rows in quarantine stay, whatever
   * their position. 0 while every change is a row.
   */
  readonly horizonSeq: Seq
}

/**
 * A change as it stands in the log. The row was compared with a checksum over all its columns when it was read.
 * `bytes` may be a view of a buffer that the other rows of the page share: copy it before it is posted anywhere.
 */
export interface ChangeRow {
  readonly seq: Seq
  readonly block: BlockId
  readonly hash: ChangeHash
  readonly actor: ActorId
  readonly actorSeq: number
  readonly maxOp: number
  readonly origin: Origin
  readonly bytes: Uint8Array
}

export interface LogQuery {
  /** Rows with a greater seq. */
  readonly after: Seq
  /** Rows up to and including this seq. */
  readonly until: Seq
  /** One block, or some; all blocks when absent. */
  readonly block?: BlockId | readonly BlockId[]
  /** The row that brings the bytes of changes to this sum or above it is the last one; so there is at least one. */
  readonly maxBytes: number
}

export interface LogPage {
  readonly rows: readonly ChangeRow[]
  /** Rows that were passed over because they are damaged, as they were found: any of it may be what is damaged. */
  readonly damaged: readonly Pick<ChangeRow, 'seq' | 'block' | 'hash' | 'actor' | 'actorSeq'>[]
  /** Where the next page starts: `until` when nothing is left. */
  readonly next: Seq
  /** The newest change of each author of the rows. */
  readonly clock: readonly LogClockRow[]
}

export interface LogClockRow extends ClockRow {
  readonly block: BlockId
}

/** What is needed to accept changes for a block. */
export interface BlockState {
  readonly row: BlockRow
  readonly clock: readonly ClockRow[]
  readonly objects: readonly ObjectRow[]
  /** Bytes that its changes hold, those included that are no rows any more. */
  readonly content: number
  /** Every change of the block that is a row of the log, with its highest operation counter. */
  readonly known: readonly { readonly hash: ChangeHash; readonly maxOp: number }[]
}

/** What a peer takes up on the disk, over all blocks; or by how much that has changed. */
export interface PeerUsage {
  readonly peer: PeerId
  readonly disk: number
}

export interface Snapshot {
  readonly block: BlockId
  /** The snapshot holds every row of the block up to here. */
  readonly seq: Seq
  readonly changes: number
  readonly heads: readonly ChangeHash[]
  /** An Automerge document. */
  readonly bytes: Uint8Array
}

/** What is known of a stored snapshot without reading it. */
export interface SnapshotCard {
  readonly block: BlockId
  readonly seq: Seq
  readonly changes: number
  /** Rows that it could stand for are still there. */
  readonly isFoldable: boolean
}

/** Rows of a block that its snapshot can stand for. */
export interface FoldableRows {
  readonly rows: number
  /** Of their changes. */
  readonly bytes: number
  /** Position of the last one; 0 when there is none. */
  readonly lastSeq: Seq
}

/** What went, and by how much peers take up less. */
export interface Folded extends Omit<FoldableRows, 'lastSeq'> {
  readonly usage: readonly PeerUsage[]
}

export interface FoldQuery {
  readonly block: BlockId
  /** Rows up to here. */
  readonly until: Seq
  /** The oldest so many: no other write waits for longer than that takes. */
  readonly maxRows: number
}

export interface Epoch {
  /** Random, 16 hex digits; one for each start of the daemon. */
  readonly id: string
  /** The last seq before the epoch. */
  readonly startSeq: Seq
  /** Last seq of the epoch; undefined for the present one. */
  readonly endSeq: Seq | undefined
}

export interface Storage {
  /** Aborts when the backend can no longer promise durability. */
  readonly failed: AbortSignal
  readonly archive: ArchiveStorage

  /** Tells of each damaged row whenever it is met, those met before included, until the returned function is called. */
  onDamage(listener: (row: DamagedRow) => void): () => void

  /** Starts a new epoch and ends the one before. Called once per start, before the first append. */
  openEpoch(): Promise<Epoch>
  epochs(): Promise<readonly Epoch[]>
  /** The last seq in use. */
  lastSeq(): Promise<Seq>

  /** One transaction for all entries; outcomes in their order. @throws `storage-full`, `storage-failed` */
  append(entries: readonly LogEntry[]): Promise<readonly AppendOutcome[]>
  /** All blocks, deleted generations included, by id; those whose row is damaged are missing. */
  blocks(): Promise<readonly BlockRow[]>
  /**
   * The newest change of each actor of a block; empty for a block that is not known. Of the named actors alone it costs what
   * these cost, however many the block has; those that have no change in it are left out.
   */
  clock(block: BlockId, actors?: readonly ActorId[]): Promise<readonly ClockRow[]>
  /** @throws `block-not-found`; `block-damaged` when any row of it is */
  blockState(block: BlockId): Promise<BlockState>
  /** Changes in seq order; damaged ones are reported and passed over. */
  readLog(query: LogQuery): Promise<LogPage>
  /**
   * Replaces the block's snapshot unless the stored one is newer. Answers by how much peers take up more, or less.
   * @throws `block-not-found`
   */
  putSnapshot(snapshot: Snapshot): Promise<readonly PeerUsage[]>
  /** By peer id; those that wrote nothing are left out. */
  usage(): Promise<readonly PeerUsage[]>
  quarantined(): Promise<readonly QuarantineRow[]>
  suspensions(): Promise<readonly SuspensionRow[]>
  verified(): Promise<readonly VerifiedRow[]>
  /** Moves a block's verified position on, never back; `heads` replace the block's if it has no newer row. */
  putVerified(verified: VerifiedRow & { readonly heads: readonly ChangeHash[] }): Promise<void>
  /** Ends a suspension; nothing happens when there is none. */
  unsuspend(peer: PeerId): Promise<void>
  /** @throws `block-damaged` when the stored one is */
  snapshot(block: BlockId): Promise<Snapshot | undefined>
  snapshots(): Promise<readonly SnapshotCard[]>
  /** What {@link fold} would remove: rows up to `until`, without those in quarantine. */
  foldable(block: BlockId, until: Seq): Promise<FoldableRows>
  /**
   * Removes the oldest rows of a block that its snapshot stands for and moves the horizon to the last of them, in one
   * transaction. Clock, objects, heads and counts stay. Answers what went; nothing is left to do when that is nothing.
   * @throws `block-not-found`; `wrong-state` unless both the stored snapshot and the verified position reach `until`
   */
  fold(query: FoldQuery): Promise<Folded>
  /** The first row of each actor of a block after a position. */
  firstAfter(block: BlockId, after: Seq): Promise<readonly Pick<ChangeRow, 'actor' | 'actorSeq'>[]>

  /**
   * Looks through a piece of what is stored and reports what is damaged, as {@link onDamage} tells it. Answers where the next
   * piece begins; undefined when there is none.
   */
  lookThrough(position: CheckPosition): Promise<CheckPosition | undefined>
  /** What can be believed of a block beside its changes. @throws `block-not-found` */
  remains(block: BlockId): Promise<BlockRemains>
  /** Where each block that was set back was set back last. */
  setBacks(): Promise<readonly SetBackRow[]>
  /** Changes that wait for lost ones, in the order in which they were. */
  waiting(): Promise<readonly WaitingCard[]>
  /** Those of a block behind a position; as many as come to `maxBytes`, and at least one. */
  readWaiting(query: Pick<LogQuery, 'after' | 'maxBytes'> & { readonly block: BlockId }): Promise<WaitingPage>
  /** Forgets waiting changes that the log has by now. */
  endWaiting(block: BlockId, seqs: readonly Seq[]): Promise<void>
  lost(): Promise<readonly LostChanges[]>
  /** Forgets lost changes of an actor up to one that the log has by now. */
  endLost(lost: Pick<LostChanges, 'block' | 'actor' | 'to'>): Promise<void>

  peers(): Promise<readonly PeerRow[]>
  requests(): Promise<readonly RequestRow[]>
  /**
   * Stores a new request, as pending; an open one of the same peer becomes `superseded` in the same transaction.
   * @throws `wrong-state` when the code is in use: mint another
   */
  putRequest(request: RequestRow): Promise<void>
  /** @throws `wrong-state` when the hash is stored already */
  putInvite(invite: InviteRow): Promise<void>
  /** An invite by the hash of its secret. */
  invite(hash: string): Promise<InviteRow | undefined>
  /**
   * With `urgent`, a reserve is freed if the disk is full; nothing but urgent decisions is then stored until there is
   * space for a new reserve.
   * @throws the codes of {@link Decision}, `storage-full`
   */
  decide(decision: Decision, options?: { readonly urgent?: boolean }): Promise<void>
  /** Removes requests that are not pending, and all invites, whose expiry lies before `beforeMs`. */
  prune(beforeMs: number): Promise<void>

  /** Lets the calls made so far finish and closes; idempotent. */
  close(): Promise<void>
}
