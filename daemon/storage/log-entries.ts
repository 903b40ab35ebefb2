/**
 * What is handed to `append`, and what comes of it. A part of the storage port, as its own file; imported through
 * `storage.ts`.
 */
import type { BlockMeta } from '../../protocol/block-meta.ts'
import type { ActorId, ChangeHash, Label, PeerId, Scope } from '../../protocol/ids.ts'
import type { ReturnEntry, SetBackEntry } from './repair-entries.ts'
import type { BlockId, BlockRow, ClockRow, ObjectRow, Origin, Seq, Tip } from './storage.ts'

/** A log entry as it is handed in. `grantVersion` is the version that its checks were made under. */
export type LogEntry =
  | CreateEntry
  | ChangeEntry
  | DeleteEntry
  | MetaEntry
  | ReplaceEntry
  | QuarantineEntry
  | ReleaseEntry
  | SetBackEntry
  | ReturnEntry

export interface EntryBase {
  readonly origin: Origin
  readonly grantVersion: number
}

export interface CreateEntry extends EntryBase {
  readonly kind: 'create'
  readonly scope: Scope
  readonly label: Label
  readonly schema: string
  readonly meta: BlockMeta
  /** When that was said last, of a generation that comes back. @default atMs */
  readonly metaAtMs?: number
  readonly atMs: number
  /**
   * A generation that the store had and lost: made with this number, in place of an older one that lives. Refused as
   * `block-deleted` when the address has had it, or a later one. @default the next one
   */
  readonly generation?: number
  /** @default the peer that the entry comes from */
  readonly owner?: PeerId
  /** The schema's frozen initial change: enters the clock, heads and objects, never the log. */
  readonly initial: ClockRow & { readonly objects: readonly ObjectRow[]; readonly ops: number }
}

export interface ChangeEntry extends EntryBase {
  readonly kind: 'change'
  /** Who wrote it, when that is not who sends it: it is stored only while the author may write as well. */
  readonly author?: { readonly peer: PeerId; readonly grantVersion: number }
  readonly block: BlockId
  readonly hash: ChangeHash
  readonly actor: ActorId
  readonly actorSeq: number
  readonly maxOp: number
  readonly ops: number
  /** Counters between what it builds on and its first operation. */
  readonly gap: number
  /** Bytes that it holds, uncompressed, beyond the few that every change has. */
  readonly content: number
  readonly deps: readonly ChangeHash[]
  readonly objects: readonly ObjectRow[]
  /** The raw chunk, byte for byte as it was checked. May be a view of a larger buffer. */
  readonly bytes: Uint8Array
  /** Present when this change is the last of its actor in its frame; names who signed it, when that is not who sends it. */
  readonly tip?: Tip & { readonly peer?: PeerId | undefined }
}

export interface DeleteEntry extends EntryBase {
  readonly kind: 'delete'
  readonly block: BlockId
}

/** Changes what is said of a block beside its content; `existing` when that leaves it as it is. */
export interface MetaEntry extends EntryBase {
  readonly kind: 'meta'
  readonly block: BlockId
  readonly patch: BlockMeta
  readonly atMs: number
  /** Said before, and lost by the store: it counts unless something was said since. */
  readonly isRecalled?: boolean
}

/**
 * Ends a generation of a block and makes the next one with these changes, or nothing of it; address, owner, schema and
 * metadata stay. Refused as `wrong-state` when the block has a row after `visibleSeq`, which the changes would lack, or has
 * come as far as `generation`.
 */
export interface ReplaceEntry<Change extends ChangeEntry = ChangeEntry> extends EntryBase {
  readonly kind: 'replace'
  readonly block: BlockId
  readonly visibleSeq: Seq
  readonly generation: number
  readonly atMs: number
  readonly initial: CreateEntry['initial']
  /** In order; the block of each is the one that is made here. */
  readonly changes: readonly Change[]
}

/** Sets changes of a block aside: one event in the log; the rows stay where they are. */
export interface QuarantineEntry extends EntryBase {
  readonly kind: 'quarantine'
  readonly block: BlockId
  readonly changes: readonly QuarantinedChange[]
  /** Peers that may not write from here on; one that is suspended already keeps its reason. */
  readonly suspend: readonly { readonly peer: PeerId; readonly reason: string }[]
  readonly atMs: number
}

/**
 * Takes changes out of quarantine: each becomes the newest row of the log, as if it had come now, so that whoever reads
 * on from any position gets it. In log order; what is not in quarantine is passed over.
 */
export interface ReleaseEntry extends EntryBase {
  readonly kind: 'release'
  readonly block: BlockId
  readonly changes: readonly {
    readonly hash: ChangeHash
    readonly seq: Seq
    readonly deps: readonly ChangeHash[]
  }[]
}

/** A change that is kept and applied nowhere. */
export interface QuarantinedChange {
  readonly hash: ChangeHash
  /** Its row in the log. */
  readonly seq: Seq
  readonly actor: ActorId
  readonly actorSeq: number
  /** Who submitted it. */
  readonly peer: PeerId
  /** The change in quarantine that it builds on; undefined for one that fails by itself. */
  readonly cause: ChangeHash | undefined
  readonly reason: string
}

export interface QuarantineRow extends QuarantinedChange {
  readonly block: BlockId
  /** Position of the event that set it aside. */
  readonly eventSeq: Seq
  readonly atMs: number
}

export interface SuspensionRow {
  readonly peer: PeerId
  readonly reason: string
  readonly atMs: number
}

/** How far a block was verified. */
export interface VerifiedRow {
  readonly block: BlockId
  readonly seq: Seq
}

/**
 * What became of one entry. `existing`: the address already held a live block of this schema, or the block what was to be
 * said of it; nothing was written.
 * `refused`: `grant-changed` (the peer's grant version moved on or the peer is no longer approved), `address-taken`
 * (another schema), `block-deleted` (the block is unknown or deleted, or another generation came after it), `block-damaged` (its
 * row is). A refused change also refuses the later changes
 * of that actor and block in the same call, and whatever depends on it there (`missing-deps`): a log never has a hole.
 * A change that is refused for a reason of its own says that reason. `block` is there for what makes or ends one.
 */
export type AppendOutcome =
  | { readonly kind: 'stored'; readonly seq: Seq; readonly block?: BlockRow }
  | { readonly kind: 'existing'; readonly block: BlockRow }
  | {
      readonly kind: 'refused'
      readonly code:
        | 'grant-changed'
        | 'address-taken'
        | 'block-deleted'
        | 'block-damaged'
        | 'missing-deps'
        | 'wrong-state'
    }
