/**
 * Rows of the database as rows of the port. JSON columns hold only what this program wrote.
 */

import { unpackHashes } from './sqlite-pack.ts'
import type { BlockRow, ClockRow, InviteRow, PeerRow, QuarantineRow, RequestRow } from './storage.ts'

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
  visibleSeq: row.visible_seq,
  deletedSeq: row.deleted_seq,
  maxOp: row.max_op,
  ops: row.ops,
  gaps: row.gaps,
  changes: row.changes,
  heads: unpackHashes(row.heads),
  horizonSeq: row.horizon_seq,
})

export interface ClockColumns {
  readonly actor: Buffer
  readonly seq: number
  readonly hash: Buffer
  readonly max_op: number
  readonly signature: Buffer
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

export interface RequestColumns {
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
}

export const inviteRow = (row: InviteColumns): InviteRow => ({
  hash: row.hash,
  grants: JSON.parse(row.grants) as string[],
  name: row.name ?? undefined,
  expiresAtMs: row.expires_at_ms,
  claimedBy: (row.claimed_by ?? undefined) as InviteRow['claimedBy'],
})

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

/** JSON text of a value; `undefined` has none of its own and becomes null. */
export const json = (value: unknown): string => JSON.stringify(value ?? null)
