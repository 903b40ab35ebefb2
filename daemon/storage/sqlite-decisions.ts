/**
 * Writes about peers: requests, invites, decisions. Keeps: what a decision is compared with and what it writes are in
 * one transaction, so of two decisions about the same thing exactly one wins.
 */
import type Database from 'better-sqlite3'
import type { DecisionTables } from './decision.ts'
import { checkDecision } from './decision.ts'
import { grantsText, isSound, sealed } from './sqlite-row-sum.ts'
import type { InviteColumns, RequestColumns } from './sqlite-rows.ts'
import { inviteRow, json, requestRow } from './sqlite-rows.ts'
import type { Transact } from './sqlite-transaction.ts'
import type { Decision, InviteRow, PeerRow, RequestRow } from './storage.ts'
import { duplicateRow } from './storage-errors.ts'

export class PeerWriter {
  readonly #transact: Transact
  readonly #sql: ReturnType<typeof prepare>
  readonly #tables: DecisionTables

  constructor(db: Database.Database, transact: Transact) {
    this.#transact = transact
    const sql = prepare(db)
    this.#sql = sql
    this.#tables = {
      request: (code) => {
        const row = sql.request.get(code) as RequestColumns | undefined
        return row !== undefined && isSound('request', row) ? requestRow(row) : undefined
      },
      invite: (hash) => {
        const row = sql.invite.get(hash) as InviteColumns | undefined
        return row !== undefined && isSound('invite', row) ? inviteRow(row) : undefined
      },
      grantVersion: (peer) => Number(sql.grantVersion.get(peer) ?? 0),
      approvedByName: (name) => sql.approvedByName.get(name) as PeerRow['peer'] | undefined,
    }
  }

  putRequest(request: RequestRow): void {
    this.#transact(() => {
      if (this.#sql.request.get(request.code) !== undefined) throw duplicateRow('the request code')
      const open = this.#sql.pending.all(request.peer) as RequestColumns[]
      for (const row of open) {
        if (isSound('request', row)) this.#putRequest({ ...row, state: 'superseded' })
        else this.#sql.dropRequest.run(row.n)
      }
      const { code, digest, peer, manifest, wants, nonce, from, createdAtMs, expiresAtMs } = request
      this.#putRequest({
        n: 1 + Number(this.#sql.lastRequest.get()),
        code,
        digest,
        peer,
        manifest: json(manifest),
        wants: json(wants),
        nonce,
        from_address: from,
        state: 'pending',
        created_at_ms: createdAtMs,
        expires_at_ms: expiresAtMs,
      })
    })
  }

  putInvite({ hash, grants, name, expiresAtMs, claimedBy }: InviteRow): void {
    this.#transact(() => {
      if (this.#sql.invite.get(hash) !== undefined) throw duplicateRow('the invite')
      this.#putInvite({
        hash,
        grants: json(grants),
        name: name ?? null,
        expires_at_ms: expiresAtMs,
        claimed_by: claimedBy ?? null,
      })
    })
  }

  /** @throws the codes of {@link Decision} */
  decide(decision: Decision): void {
    this.#transact(() => {
      checkDecision(decision, this.#tables)
      const { request, invite, peer } = decision
      // Both were found sound a moment ago.
      const asked = request && (this.#sql.request.get(request.code) as RequestColumns)
      if (request && asked) this.#putRequest({ ...asked, state: request.to })
      const offered = invite && (this.#sql.invite.get(invite.hash) as InviteColumns)
      if (invite && offered) this.#putInvite({ ...offered, claimed_by: invite.claimedBy })
      if (peer !== undefined) this.#putPeer(peer.row)
    })
  }

  prune(beforeMs: number): void {
    this.#transact(() => {
      this.#sql.pruneRequests.run(beforeMs)
      this.#sql.pruneInvites.run(beforeMs)
    })
  }

  #putRequest(row: Omit<RequestColumns, 'sum'>): void {
    this.#sql.putRequest.run(sealed('request', row))
  }

  #putInvite(row: Omit<InviteColumns, 'sum'>): void {
    this.#sql.putInvite.run(sealed('invite', row))
  }

  #putPeer({ peer, name, state, grantVersion, grants, asked, manifest, decidedAtMs }: PeerRow): void {
    const row = { peer, name, state, grant_version: grantVersion, asked: json(asked), manifest: json(manifest) }
    const { grants: _grants, ...columns } = sealed('peer', {
      ...row,
      decided_at_ms: decidedAtMs,
      grants: grantsText(grants),
    })
    this.#sql.putPeer.run(columns)
    this.#sql.clearGrants.run(peer)
    for (const [n, text] of grants.entries()) this.#sql.insertGrant.run(peer, n, text)
  }
}

function prepare(db: Database.Database) {
  return {
    request: db.prepare('SELECT * FROM request WHERE code = ?'),
    pending: db.prepare("SELECT * FROM request WHERE peer = ? AND state = 'pending'"),
    dropRequest: db.prepare('DELETE FROM request WHERE n = ?'),
    lastRequest: db.prepare('SELECT coalesce(max(n), 0) FROM request').pluck(),
    putRequest: db.prepare(
      `INSERT INTO request (n, code, digest, peer, manifest, wants, nonce, from_address, state, created_at_ms,
         expires_at_ms, sum)
       VALUES (@n, @code, @digest, @peer, @manifest, @wants, @nonce, @from_address, @state, @created_at_ms,
         @expires_at_ms, @sum)
       ON CONFLICT (n) DO UPDATE SET state = excluded.state, sum = excluded.sum`,
    ),
    pruneRequests: db.prepare("DELETE FROM request WHERE state <> 'pending' AND expires_at_ms < ?"),
    invite: db.prepare('SELECT * FROM invite WHERE hash = ?'),
    putInvite: db.prepare(
      `INSERT INTO invite (hash, grants, name, expires_at_ms, claimed_by, sum)
       VALUES (@hash, @grants, @name, @expires_at_ms, @claimed_by, @sum)
       ON CONFLICT (hash) DO UPDATE SET claimed_by = excluded.claimed_by, sum = excluded.sum`,
    ),
    pruneInvites: db.prepare('DELETE FROM invite WHERE expires_at_ms < ?'),
    grantVersion: db.prepare('SELECT grant_version FROM peer WHERE peer = ?').pluck(),
    approvedByName: db.prepare("SELECT peer FROM peer WHERE name = ? AND state = 'approved'").pluck(),
    putPeer: db.prepare(
      `INSERT INTO peer (peer, name, state, grant_version, asked, manifest, decided_at_ms, sum)
       VALUES (@peer, @name, @state, @grant_version, @asked, @manifest, @decided_at_ms, @sum)
       ON CONFLICT (peer) DO UPDATE SET name = excluded.name, state = excluded.state,
         grant_version = excluded.grant_version, asked = excluded.asked, manifest = excluded.manifest,
         decided_at_ms = excluded.decided_at_ms, sum = excluded.sum`,
    ),
    clearGrants: db.prepare('DELETE FROM grant_ WHERE peer = ?'),
    insertGrant: db.prepare('INSERT INTO grant_ (peer, n, text) VALUES (?, ?, ?)'),
  }
}
