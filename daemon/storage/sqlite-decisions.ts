/**
 * Writes about peers: requests, invites, decisions. Keeps: what a decision is compared with and what it writes are in
 * one transaction, so of two decisions about the same thing exactly one wins.
 */
import type Database from 'better-sqlite3'
import type { DecisionTables } from './decision.ts'
import { checkDecision } from './decision.ts'
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
        const row = sql.request.get(code)
        return row === undefined ? undefined : requestRow(row as RequestColumns)
      },
      invite: (hash) => {
        const row = sql.invite.get(hash)
        return row === undefined ? undefined : inviteRow(row as InviteColumns)
      },
      grantVersion: (peer) => Number(sql.grantVersion.get(peer) ?? 0),
      approvedByName: (name) => sql.approvedByName.get(name) as PeerRow['peer'] | undefined,
    }
  }

  putRequest(request: RequestRow): void {
    this.#transact(() => {
      if (this.#sql.request.get(request.code) !== undefined) throw duplicateRow('the request code')
      this.#sql.supersede.run(request.peer)
      const { code, digest, peer, manifest, wants, nonce, from, createdAtMs, expiresAtMs } = request
      this.#sql.insertRequest.run(
        code,
        digest,
        peer,
        json(manifest),
        json(wants),
        nonce,
        from,
        createdAtMs,
        expiresAtMs,
      )
    })
  }

  putInvite({ hash, grants, name, expiresAtMs, claimedBy }: InviteRow): void {
    this.#transact(() => {
      if (this.#sql.invite.get(hash) !== undefined) throw duplicateRow('the invite')
      this.#sql.insertInvite.run(hash, json(grants), name ?? null, expiresAtMs, claimedBy ?? null)
    })
  }

  /** @throws the codes of {@link Decision} */
  decide(decision: Decision): void {
    this.#transact(() => {
      checkDecision(decision, this.#tables)
      const { request, invite, peer } = decision
      if (request !== undefined) this.#sql.setRequestState.run(request.to, request.code)
      if (invite !== undefined) this.#sql.claimInvite.run(invite.claimedBy, invite.hash)
      if (peer !== undefined) this.#putPeer(peer.row)
    })
  }

  prune(beforeMs: number): void {
    this.#transact(() => {
      this.#sql.pruneRequests.run(beforeMs)
      this.#sql.pruneInvites.run(beforeMs)
    })
  }

  #putPeer({ peer, name, state, grantVersion, grants, asked, manifest, decidedAtMs }: PeerRow): void {
    this.#sql.putPeer.run(peer, name, state, grantVersion, json(asked), json(manifest), decidedAtMs)
    this.#sql.clearGrants.run(peer)
    for (const [n, text] of grants.entries()) this.#sql.insertGrant.run(peer, n, text)
  }
}

function prepare(db: Database.Database) {
  return {
    request: db.prepare('SELECT * FROM request WHERE code = ?'),
    supersede: db.prepare("UPDATE request SET state = 'superseded' WHERE peer = ? AND state = 'pending'"),
    insertRequest: db.prepare(
      `INSERT INTO request (code, digest, peer, manifest, wants, nonce, from_address, state, created_at_ms, expires_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?)`,
    ),
    setRequestState: db.prepare('UPDATE request SET state = ? WHERE code = ?'),
    pruneRequests: db.prepare("DELETE FROM request WHERE state <> 'pending' AND expires_at_ms < ?"),
    invite: db.prepare('SELECT * FROM invite WHERE hash = ?'),
    insertInvite: db.prepare(
      'INSERT INTO invite (hash, grants, name, expires_at_ms, claimed_by) VALUES (?, ?, ?, ?, ?)',
    ),
    claimInvite: db.prepare('UPDATE invite SET claimed_by = ? WHERE hash = ?'),
    pruneInvites: db.prepare('DELETE FROM invite WHERE expires_at_ms < ?'),
    grantVersion: db.prepare('SELECT grant_version FROM peer WHERE peer = ?').pluck(),
    approvedByName: db.prepare("SELECT peer FROM peer WHERE name = ? AND state = 'approved'").pluck(),
    putPeer: db.prepare(
      `INSERT INTO peer (peer, name, state, grant_version, asked, manifest, decided_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (peer) DO UPDATE SET name = excluded.name, state = excluded.state,
         grant_version = excluded.grant_version, asked = excluded.asked, manifest = excluded.manifest,
         decided_at_ms = excluded.decided_at_ms`,
    ),
    clearGrants: db.prepare('DELETE FROM grant_ WHERE peer = ?'),
    insertGrant: db.prepare('INSERT INTO grant_ (peer, n, text) VALUES (?, ?, ?)'),
  }
}
