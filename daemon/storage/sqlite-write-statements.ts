/** The statements that write the log, apart from what is done with them. Keeps: no SQL is put together from values. */
import type Database from 'better-sqlite3'
import { lastSeqSql } from './sqlite-facts.ts'

/** Named, so that the compiled types can be. */
export type WriteStatements = Readonly<Record<WriteStatement, Database.Statement>>

type WriteStatement =
  | 'lastSeq'
  | 'lastBlock'
  | 'approvedVersion'
  | 'block'
  | 'newestAt'
  | 'putBlock'
  | 'putClock'
  | 'insertEvent'
  | 'deleteEvent'
  | 'putObject'
  | 'insertChange'
  | 'origin'
  | 'lastOrigin'
  | 'insertOrigin'
  | 'isQuarantined'
  | 'insertQuarantine'
  | 'deleteQuarantine'
  | 'change'
  | 'moveChange'
  | 'suspend'
  | 'unsuspend'
  | 'verified'
  | 'putVerified'
  | 'foldable'
  | 'deleteChange'
  | 'snapshotCard'
  | 'snapshot'
  | 'putSnapshot'
  | 'lastEpoch'
  | 'insertEpoch'

/** Compiled once, when the database is opened. */
export function prepareWrites(db: Database.Database): WriteStatements {
  return {
    lastSeq: db.prepare(lastSeqSql).pluck(),
    lastBlock: db.prepare('SELECT coalesce(max(id), 0) FROM block').pluck(),
    approvedVersion: db.prepare("SELECT grant_version FROM peer WHERE peer = ? AND state = 'approved'").pluck(),
    block: db.prepare('SELECT * FROM block WHERE id = ?'),
    newestAt: db.prepare('SELECT id FROM block WHERE address = ? ORDER BY generation DESC LIMIT 1').pluck(),
    putBlock: db.prepare(
      `INSERT INTO block (id, address, scope, label, generation, schema, meta, owner, created_at_ms, created_seq,
         meta_seq, visible_seq, deleted_seq, max_op, ops, gaps, changes, heads, horizon_seq,
         meta_at_ms, sum)
       VALUES (@id, @address, @scope, @label, @generation, @schema, @meta, @owner, @created_at_ms, @created_seq,
         @meta_seq, @visible_seq, @deleted_seq, @max_op, @ops, @gaps, @changes, @heads, @horizon_seq,
         @meta_at_ms, @sum)
       ON CONFLICT (id) DO UPDATE SET address = excluded.address, scope = excluded.scope, label = excluded.label,
         generation = excluded.generation, schema = excluded.schema, meta = excluded.meta, owner = excluded.owner,
         created_at_ms = excluded.created_at_ms, created_seq = excluded.created_seq, meta_seq = excluded.meta_seq,
         visible_seq = excluded.visible_seq, deleted_seq = excluded.deleted_seq, max_op = excluded.max_op, ops = excluded.ops, gaps = excluded.gaps,
         changes = excluded.changes, heads = excluded.heads, horizon_seq = excluded.horizon_seq,
         meta_at_ms = excluded.meta_at_ms, sum = excluded.sum`,
    ),
    putClock: db.prepare(
      `INSERT INTO clock (block, actor, seq, hash, max_op, signature, sum)
       VALUES (@block, @actor, @seq, @hash, @max_op, @signature, @sum)
       ON CONFLICT (block, actor) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, max_op = excluded.max_op,
         signature = excluded.signature, sum = excluded.sum`,
    ),
    insertEvent: db.prepare(
      'INSERT INTO event (seq, block, kind, origin, data, sum) VALUES (@seq, @block, @kind, @origin, @data, @sum)',
    ),
    deleteEvent: db.prepare('DELETE FROM event WHERE seq = ?'),
    putObject: db.prepare(
      `INSERT INTO object (block, id, type, depth, sum) VALUES (@block, @id, @type, @depth, @sum)
       ON CONFLICT (block, id) DO UPDATE SET type = excluded.type, depth = excluded.depth, sum = excluded.sum`,
    ),
    insertChange: db.prepare(
      `INSERT INTO change (seq, block, hash, max_op, actor, actor_seq, ops, origin, sum, bytes)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    origin: db.prepare('SELECT id FROM replica WHERE peer = ? AND replica = ?').pluck(),
    lastOrigin: db.prepare('SELECT coalesce(max(id), 0) FROM replica').pluck(),
    insertOrigin: db.prepare('INSERT INTO replica (id, peer, replica, sum) VALUES (@id, @peer, @replica, @sum)'),
    isQuarantined: db.prepare('SELECT 1 FROM quarantine WHERE block = ? AND hash = ?').pluck(),
    insertQuarantine: db.prepare(
      `INSERT INTO quarantine (block, hash, seq, event_seq, actor, actor_seq, peer, cause, reason, at_ms, sum)
       VALUES (@block, @hash, @seq, @event_seq, @actor, @actor_seq, @peer, @cause, @reason, @at_ms, @sum)`,
    ),
    deleteQuarantine: db.prepare('DELETE FROM quarantine WHERE block = ? AND hash = ?'),
    change: db.prepare(
      `SELECT seq, block, hash, max_op, actor, actor_seq, origin, sum, bytes FROM change WHERE seq = ? AND block = ?`,
    ),
    moveChange: db.prepare('UPDATE change SET seq = ?, sum = ? WHERE seq = ?'),
    suspend: db.prepare(
      `INSERT INTO suspension (peer, reason, at_ms, sum) VALUES (@peer, @reason, @at_ms, @sum)
       ON CONFLICT (peer) DO NOTHING`,
    ),
    unsuspend: db.prepare('DELETE FROM suspension WHERE peer = ?'),
    verified: db.prepare('SELECT block, seq, sum FROM verified WHERE block = ?'),
    putVerified: db.prepare('INSERT OR REPLACE INTO verified (block, seq, sum) VALUES (@block, @seq, @sum)'),
    // Below the horizon nothing is left but what is in quarantine: it would be passed over again each time.
    foldable: db.prepare(
      `SELECT seq, length(bytes) AS bytes FROM change
       WHERE block = ? AND seq > (SELECT horizon_seq FROM block WHERE id = change.block) AND seq <= ?
         AND seq NOT IN (SELECT seq FROM quarantine) ORDER BY seq LIMIT ?`,
    ),
    deleteChange: db.prepare('DELETE FROM change WHERE seq = ?'),
    snapshotCard: db.prepare('SELECT seq, length(bytes) AS bytes FROM snapshot WHERE block = ?'),
    snapshot: db.prepare('SELECT block, seq, changes, heads, sum, bytes FROM snapshot WHERE block = ?'),
    putSnapshot: db.prepare(
      `INSERT INTO snapshot (block, seq, changes, heads, sum, bytes) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (block) DO UPDATE SET seq = excluded.seq, changes = excluded.changes, heads = excluded.heads,
         sum = excluded.sum, bytes = excluded.bytes`,
    ),
    lastEpoch: db.prepare('SELECT coalesce(max(n), 0) FROM epoch').pluck(),
    insertEpoch: db.prepare('INSERT INTO epoch (n, id, start_seq, sum) VALUES (@n, @id, @start_seq, @sum)'),
  }
}
