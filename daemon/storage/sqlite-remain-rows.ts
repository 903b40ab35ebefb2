/** Rows about blocks that were damaged, as rows of the port. JSON columns hold only what this program wrote. */
import { formatAddress } from '../../protocol/ids.ts'
import type { StoredWaiting } from './sqlite-sum.ts'
import type { BlockRow, LostChanges, WaitingRow } from './storage.ts'

export interface EventColumns {
  readonly seq: number
  readonly block: number
  readonly kind: string
  readonly origin: number
  readonly data: string
  readonly sum: number
}

/** A block as it was made; what its changes tell is not in it. Undefined for what an earlier version wrote otherwise. */
export function createdBlock(
  { seq, block, data }: EventColumns,
  described: EventColumns | undefined,
  deletedSeq: number,
): BlockRow | undefined {
  const created = JSON.parse(data) as Partial<CreatedData>
  const { scope, label, generation, schema, owner, atMs = 0 } = created
  const { meta = created.meta ?? {}, atMs: metaAtMs = created.metaAtMs ?? atMs } =
    described === undefined ? {} : (JSON.parse(described.data) as Partial<Pick<CreatedData, 'meta' | 'atMs'>>)
  if (scope === undefined || label === undefined || generation === undefined || owner === undefined) return undefined
  return {
    id: block,
    address: formatAddress(scope, label),
    scope,
    label,
    generation,
    schema: schema ?? '',
    meta,
    owner,
    createdAtMs: atMs,
    createdSeq: seq,
    metaSeq: described?.seq ?? seq,
    metaAtMs,
    visibleSeq: 0,
    deletedSeq,
    maxOp: 0,
    ops: 0,
    gaps: 0,
    changes: 0,
    heads: [],
    horizonSeq: 0,
  }
}

type CreatedData = Pick<BlockRow, 'scope' | 'label' | 'generation' | 'schema' | 'meta' | 'metaAtMs' | 'owner'> & {
  atMs: number
}

export interface LostColumns {
  readonly block: number
  readonly actor: Buffer
  readonly from_seq: number
  readonly to_seq: number
  readonly hash: Buffer
  readonly at_ms: number
  readonly sum: number
}

export const lostRow = (row: LostColumns): LostChanges => ({
  block: row.block,
  actor: row.actor.toString('hex') as LostChanges['actor'],
  from: row.from_seq,
  to: row.to_seq,
  hash: row.hash.length === 0 ? undefined : (row.hash.toString('hex') as LostChanges['hash']),
  atMs: row.at_ms,
})

/** The row as it is stored, without its checksum. */
export const lostColumns = (lost: LostChanges): Omit<LostColumns, 'sum'> => ({
  block: lost.block,
  actor: Buffer.from(lost.actor, 'hex'),
  from_seq: lost.from,
  to_seq: lost.to,
  hash: Buffer.from(lost.hash ?? '', 'hex'),
  at_ms: lost.atMs,
})

export const waitingRow = (row: StoredWaiting): WaitingRow => ({
  seq: row.seq,
  block: row.block,
  hash: Buffer.from(row.hash).toString('hex') as WaitingRow['hash'],
  actor: Buffer.from(row.actor).toString('hex') as WaitingRow['actor'],
  actorSeq: row.actor_seq,
  maxOp: row.max_op,
  bytes: new Uint8Array(row.bytes),
  signature: new Uint8Array(row.signature),
})
