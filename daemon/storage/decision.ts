/**
 * The rules of `decide`, in one place for all backends: a decision is compared with the rows as they stand, and the
 * first part that no longer holds names its code. The caller runs it inside the transaction that writes.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Decision, InviteRow, RequestRow } from './storage.ts'

/** The rows that a decision is compared with. */
export interface DecisionTables {
  request(code: string): Pick<RequestRow, 'state' | 'digest' | 'expiresAtMs'> | undefined
  invite(hash: string): Pick<InviteRow, 'expiresAtMs' | 'claimedBy'> | undefined
  /** 0 for a peer without a row. */
  grantVersion(peer: PeerId): number
  /** The approved peer that has the name. */
  approvedByName(name: string): PeerId | undefined
}

/** @throws the codes of {@link Decision} */
export function checkDecision(decision: Decision, tables: DecisionTables): void {
  if (decision.request !== undefined) checkRequest(decision.request, decision.atMs, tables)
  if (decision.invite !== undefined) checkInvite(decision.invite, decision.atMs, tables)
  if (decision.peer !== undefined) checkPeer(decision.peer, tables)
}

function checkRequest(wanted: NonNullable<Decision['request']>, atMs: number, tables: DecisionTables): void {
  const request = tables.request(wanted.code)
  if (request === undefined) throw new MooringError('request-not-found')
  if (request.state === 'superseded') throw new MooringError('request-superseded')
  if (request.state === 'expired') throw new MooringError('request-expired')
  if (request.state !== 'pending') throw new MooringError('request-decided', { detail: `it is ${request.state}` })
  if (request.digest !== wanted.digest) throw new MooringError('digest-mismatch')
  if (wanted.to !== 'expired' && atMs >= request.expiresAtMs) throw new MooringError('request-expired')
}

function checkInvite(wanted: NonNullable<Decision['invite']>, atMs: number, tables: DecisionTables): void {
  const invite = tables.invite(wanted.hash)
  // One code for all three: the one who claims learns nothing about invites that are not theirs.
  if (
    invite === undefined ||
    atMs >= invite.expiresAtMs ||
    (invite.claimedBy !== undefined && invite.claimedBy !== wanted.claimedBy)
  ) {
    throw new MooringError('invite-invalid')
  }
}

function checkPeer({ row, expectGrantVersion }: NonNullable<Decision['peer']>, tables: DecisionTables): void {
  const version = tables.grantVersion(row.peer)
  if (version !== expectGrantVersion) {
    throw new MooringError('wrong-state', { detail: `the grant version is ${version}, not ${expectGrantVersion}` })
  }
  if (row.state !== 'approved') return
  const holder = tables.approvedByName(row.name)
  if (holder !== undefined && holder !== row.peer) throw new MooringError('name-taken')
}
