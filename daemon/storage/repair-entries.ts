/**
 * A block of which something was damaged: what is left of it, and what is appended about it. A part of the storage port, as
 * its own file; imported through `storage.ts`.
 */
import type { ActorId, ChangeHash } from '../../protocol/ids.ts'
import type { EntryBase } from './log-entries.ts'
import type { BlockId, BlockRow, ChangeRow, ClockRow, ObjectRow, Seq } from './storage.ts'

/** Consecutive changes of one actor that were stored once and are not there any more. */
export interface LostChanges {
  readonly block: BlockId
  readonly actor: ActorId
  readonly from: number
  readonly to: number
  /** Of the last of them, when something that is left says it. */
  readonly hash: ChangeHash | undefined
  readonly atMs: number
}

/** A change that builds on a lost one: kept apart from the log until that is back. */
export interface WaitingRow extends Omit<ChangeRow, 'origin'> {
  /** The author's over this very change; empty when there was none. */
  readonly signature: Uint8Array
}

export type WaitingCard = Pick<WaitingRow, 'block' | 'seq' | 'hash'>

export interface WaitingPage {
  readonly rows: readonly WaitingRow[]
  /** Where the next page starts; undefined when nothing is left. */
  readonly next: Seq | undefined
}

/** What can be believed of a block beside its changes. */
export interface BlockRemains {
  /**
   * Made from the event of its creation when its own row is damaged, and then without counters; undefined when neither can
   * be believed.
   */
  readonly row: BlockRow | undefined
  /** Those rows of the clock that are sound. */
  readonly clock: readonly ClockRow[]
  /** Its row, clock and objects are all sound. */
  readonly isSound: boolean
}

/**
 * Sets a block back to what is left of it. Refused as `wrong-state` when something of it came after `until`, or a row that is
 * said to be damaged is not; changes of the block behind it in the same call are refused as `missing-deps`. Rows up to the
 * new horizon go, as with a fold.
 */
export interface SetBackEntry extends EntryBase {
  readonly kind: 'set-back'
  /** All of the block up to here was looked at. */
  readonly until: Seq
  /** As the block is from then on; its position becomes that of this entry. */
  readonly row: BlockRow
  readonly clock: readonly ClockRow[]
  readonly objects: readonly ObjectRow[]
  /** What its changes hold from then on, see {@link BlockState.content}. */
  readonly content: number
  /** Rows that go. */
  readonly damaged: readonly Seq[]
  /** Sound rows that build on lost ones, with the signatures that the clock had over them. */
  readonly waiting: readonly { readonly seq: Seq; readonly hash: ChangeHash; readonly signature: Uint8Array }[]
  readonly lost: readonly LostChanges[]
  /** The stored snapshot goes as well. */
  readonly dropsSnapshot: boolean
}

/** Takes waiting changes into the block again: each becomes the newest row of the log, in this order. */
export interface ReturnEntry extends EntryBase {
  readonly kind: 'return'
  readonly block: BlockId
  readonly changes: readonly {
    /** Where it waits. */
    readonly seq: Seq
    readonly hash: ChangeHash
    readonly actor: ActorId
    readonly actorSeq: number
    readonly maxOp: number
    readonly ops: number
    readonly content: number
    readonly gap: number
    readonly deps: readonly ChangeHash[]
    readonly objects: readonly ObjectRow[]
    readonly signature: Uint8Array
  }[]
}

/** When a block was set back the last time. */
export interface SetBackRow {
  readonly block: BlockId
  readonly seq: Seq
}
