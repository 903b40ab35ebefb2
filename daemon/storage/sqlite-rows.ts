/**
 * Rows of the database as rows of the port. JSON columns hold only what this program wrote.
 */

import { packHashes, unpackHashes } from './sqlite-pack.ts'
import type { BlockRow, ClockRow, InviteRow, ObjectRow, PeerRow, QuarantineRow, RequestRow } from './storage.ts'

export interface BlockColumns {
  readonly id: number
  readonly address: string
  readonly scope: string
  readonly label: string
  readonly generation: number
  readonly schema: string
  readonly meta: string
  readonly owner: string
  readonly created_at_ms: number
  readonly created_seq: number
  readonly meta_seq: number
  readonly visible_seq: number
  readonly deleted_seq: number
  readonly max_op: number
  readonly ops: number
  readonly gaps: number
  readonly changes: number
  readonly heads: Uint8Array
  readonly horizon_seq: number
  readonly meta_at_ms: number
  readonly sum: number
}

export const blockRow = (row: BlockColumns): BlockRow => ({
  id: row.id,
  address: row.address as BlockRow['address'],
  scope: row.scope as BlockRow['scope'],
  label: row.label as BlockRow['label'],
  generation: row.generation,
  schema: row.schema,
  meta: JSON.parse(row.meta) as BlockRow['meta'],
  owner: row.owner as BlockRow['owner'],
  createdAtMs: row.created_at_ms,
  createdSeq: row.created_seq,
  metaSeq: row.meta_seq,
  metaAtMs: row.meta_at_ms,
  visibleSeq: row.visible_seq,
  deletedSeq: row.deleted_seq,
  maxOp: row.max_op,
  ops: row.ops,
  gaps: row.gaps,
  changes: row.changes,
  heads: unpackHashes(row.heads),
  horizonSeq: row.horizon_seq,
})

/** The row as it is stored, without its checksum. */
export const blockColumns = (row: BlockRow): Omit<BlockColumns, 'sum'> => ({
  id: row.id,
  address: row.address,
  scope: row.scope,
  label: row.label,
  generation: row.generation,
  schema: row.schema,
  meta: json(row.meta),
  owner: row.owner,
  created_at_ms: row.createdAtMs,
  created_seq: row.createdSeq,
  meta_seq: row.metaSeq,
  visible_seq: row.visibleSeq,
  deleted_seq: row.deletedSeq,
  max_op: row.maxOp,
  ops: row.ops,
  gaps: row.gaps,
  changes: row.changes,
  heads: packHashes(row.heads),
  horizon_seq: row.horizonSeq,
  meta_at_ms: row.metaAtMs,
})

export interface ClockColumns {
  readonly block: number
  readonly actor: Buffer
  readonly seq: number
  readonly hash: Buffer
  readonly max_op: number
  readonly signature: Buffer
  readonly sum: number
}

export interface ObjectColumns {
  readonly block: number
  readonly id: string
  readonly type: ObjectRow['type']
  readonly depth: number
  readonly sum: number
}

export const clockRow = (row: ClockColumns): ClockRow => ({
  actor: row.actor.toString('hex') as ClockRow['actor'],
  seq: row.seq,
  hash: row.hash.toString('hex') as ClockRow['hash'],
  maxOp: row.max_op,
  signature: new Uint8Array(row.signature),
})

export interface PeerColumns {
  readonly peer: string
  readonly name: string
  readonly state: PeerRow['state']
  readonly grant_version: number
  readonly asked: string
  readonly manifest: string
  readonly decided_at_ms: number
  readonly sum: number
}

export const peerRow = (row: PeerColumns, grants: readonly string[]): PeerRow => ({
  peer: row.peer as PeerRow['peer'],
  name: row.name,
  state: row.state,
  grantVersion: row.grant_version,
  grants,
  asked: JSON.parse(row.asked) as string[],
  manifest: JSON.parse(row.manifest) as unknown,
  decidedAtMs: row.decided_at_ms,
})

/** Of a row that nothing may be believed of: enough to name it, and to decide about the key anew. */
export const damagedPeerRow = (row: PeerColumns): PeerRow => ({
  peer: String(row.peer) as PeerRow['peer'],
  name: String(row.name),
  state: row.state === 'approved' ? 'denied' : 'revoked',
  grantVersion: Number.isSafeInteger(row.grant_version) ? row.grant_version : 0,
  grants: [],
  asked: [],
  manifest: undefined,
  decidedAtMs: 0,
  isDamaged: true,
})

export interface RequestColumns {
  readonly n: number
  readonly code: string
  readonly digest: string
  readonly peer: string
  readonly manifest: string
  readonly wants: string
  readonly nonce: string
  readonly from_address: string
  readonly state: RequestRow['state']
  readonly created_at_ms: number
  readonly expires_at_ms: number
  readonly sum: number
}

export const requestRow = (row: RequestColumns): RequestRow => ({
  code: row.code,
  digest: row.digest,
  peer: row.peer as RequestRow['peer'],
  manifest: JSON.parse(row.manifest) as unknown,
  wants: JSON.parse(row.wants) as string[],
  nonce: row.nonce,
  from: row.from_address,
  state: row.state,
  createdAtMs: row.created_at_ms,
  expiresAtMs: row.expires_at_ms,
})

export interface InviteColumns {
  readonly hash: string
  readonly grants: string
  readonly name: string | null
  readonly expires_at_ms: number
  readonly claimed_by: string | null
  readonly sum: number
}

export const inviteRow = (row: InviteColumns): InviteRow => ({
  hash: row.hash,
  grants: JSON.parse(row.grants) as string[],
  name: row.name ?? undefined,
  expiresAtMs: row.expires_at_ms,
  claimedBy: (row.claimed_by ?? undefined) as InviteRow['claimedBy'],
})

export interface SuspensionColumns {
  readonly peer: string
  readonly reason: string
  readonly at_ms: number
  readonly sum: number
}

export interface QuarantineColumns {
  readonly block: number
  readonly hash: Buffer
  readonly seq: number
  readonly event_seq: number
  readonly actor: Buffer
  readonly actor_seq: number
  readonly peer: string
  readonly cause: Buffer
  readonly reason: string
  readonly at_ms: number
  readonly sum: number
}

export const quarantineRow = (row: QuarantineColumns): QuarantineRow => ({
  block: row.block,
  hash: row.hash.toString('hex') as QuarantineRow['hash'],
  seq: row.seq,
  eventSeq: row.event_seq,
  actor: row.actor.toString('hex') as QuarantineRow['actor'],
  actorSeq: row.actor_seq,
  peer: row.peer as QuarantineRow['peer'],
  cause: row.cause.length === 0 ? undefined : (row.cause.toString('hex') as QuarantineRow['hash']),
  reason: row.reason,
  atMs: row.at_ms,
})

/** The row as it is stored, without its checksum. */
export const quarantineColumns = (row: QuarantineRow): Omit<QuarantineColumns, 'sum'> => ({
  block: row.block,
  hash: Buffer.from(row.hash, 'hex'),
  seq: row.seq,
  event_seq: row.eventSeq,
  actor: Buffer.from(row.actor, 'hex'),
  actor_seq: row.actorSeq,
  peer: row.peer,
  cause: Buffer.from(row.cause ?? '', 'hex'),
  reason: row.reason,
  at_ms: row.atMs,
})

/** JSON text of a value; `undefined` has none of its own and becomes null. */
export const json = (value: unknown): string => JSON.stringify(value ?? null)
