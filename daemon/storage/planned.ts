/** What an append plan reads and what it is made of. Keeps: nothing in it is shared with a row of the store. */
import type { BlockMeta } from '../../protocol/block-meta.ts'
import type { ActorId, BlockAddress, ChangeHash, PeerId } from '../../protocol/ids.ts'
import type {
  AppendOutcome,
  BlockId,
  BlockRow,
  ChangeEntry,
  ClockRow,
  CreateEntry,
  LogEntry,
  Origin,
  ReplaceEntry,
  Seq,
} from './storage.ts'

/** What a plan needs to know about the rows as they stand. */
export interface AppendTables {
  readonly lastSeq: Seq
  readonly lastBlock: BlockId
  /** Undefined for a peer that is unknown or not approved. */
  approvedVersion(peer: PeerId): number | undefined
  /** @throws `block-damaged` when nothing may be believed of its row */
  block(id: BlockId): BlockRow | undefined
  /** The newest generation at an address. @throws `block-damaged` */
  newestAt(address: BlockAddress): BlockRow | undefined
  isQuarantined(block: BlockId, hash: ChangeHash): boolean
  /** Whether the row at a position does not fit its checksum. */
  isDamaged(seq: Seq): boolean
}

/** A block as the plan leaves it. */
export interface PlannedBlock
  extends Omit<
    BlockRow,
    'heads' | 'meta' | 'metaSeq' | 'metaAtMs' | 'visibleSeq' | 'deletedSeq' | 'maxOp' | 'ops' | 'gaps' | 'changes'
  > {
  readonly isNew: boolean
  readonly heads: Set<ChangeHash>
  readonly clock: Map<ActorId, ClockRow>
  meta: BlockMeta
  metaSeq: Seq
  metaAtMs: number
  visibleSeq: Seq
  deletedSeq: Seq
  maxOp: number
  ops: number
  gaps: number
  changes: number
}

export interface PlannedEvent {
  readonly seq: Seq
  readonly block: BlockId
  readonly kind: 'create' | 'delete' | 'meta' | 'quarantine' | 'set-back'
  readonly origin: Origin
  /** JSON-safe. */
  readonly data: unknown
  /** Position of an earlier event that this one says all of: that one is kept no longer. */
  readonly supersedes?: Seq | undefined
}

export type PlannedEntry<Change extends ChangeEntry> =
  | Exclude<LogEntry, ChangeEntry | ReplaceEntry>
  | ReplaceEntry<Change>
  | Change

/** What of a change counts for its block. */
export type PlacedChange = Pick<
  ChangeEntry,
  'hash' | 'actor' | 'actorSeq' | 'maxOp' | 'ops' | 'gap' | 'deps' | 'objects' | 'tip'
>

export type Refusal = Extract<AppendOutcome, { kind: 'refused' }>['code']

export const clockOf = ({ actor, seq, hash, maxOp, signature }: ClockRow): ClockRow => ({
  actor,
  seq,
  hash,
  maxOp,
  signature,
})

/** A block as it begins. */
export function madeBlock(
  entry: CreateEntry,
  made: Pick<BlockRow, 'id' | 'address' | 'generation' | 'owner'> & { readonly seq: Seq },
): PlannedBlock {
  const { scope, label, schema, meta, atMs, metaAtMs = atMs, initial } = entry
  const { seq, ...named } = made
  return {
    ...named,
    isNew: true,
    scope,
    label,
    schema,
    meta: { ...meta },
    createdAtMs: atMs,
    createdSeq: seq,
    metaSeq: seq,
    metaAtMs,
    visibleSeq: seq,
    deletedSeq: 0,
    maxOp: initial.maxOp,
    ops: initial.ops,
    gaps: 0,
    changes: 0,
    heads: new Set([initial.hash]),
    horizonSeq: 0,
    clock: new Map([[initial.actor, clockOf(initial)]]),
  }
}

export const fromRow = (row: BlockRow): PlannedBlock => ({
  ...row,
  isNew: false,
  heads: new Set(row.heads),
  clock: new Map(),
})

/** The block as a row of its own: nothing in it is shared with the plan. */
export function toRow(block: PlannedBlock): BlockRow {
  const { isNew: _isNew, clock: _clock, ...row } = block
  return { ...row, meta: { ...block.meta }, heads: [...block.heads] }
}

/** A block whose own row is damaged takes nothing: it has no newer one. */
export function undamaged(look: () => PlannedBlock | undefined): PlannedBlock | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}
