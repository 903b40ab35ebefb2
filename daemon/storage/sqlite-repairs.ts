/**
 * Writes about blocks of which something was damaged. Keeps: a sound change is never removed, it waits apart from the log
 * with the signature that there was over it.
 */
import type Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { AppendPlan } from './append-plan.ts'
import type { StoredChange } from './sqlite-pack.ts'
import { lostColumns } from './sqlite-remain-rows.ts'
import { sealed } from './sqlite-row-sum.ts'
import { changeSum, isSoundChange, isSoundWaiting, type StoredWaiting, sizeOf, waitingSum } from './sqlite-sum.ts'
import type { UsageTable } from './sqlite-usage.ts'
import type { BlockId, LostChanges, Seq, SetBackEntry } from './storage.ts'
import { rowBytes } from './usage-rows.ts'

export class RepairWriter {
  readonly #sql: ReturnType<typeof prepare>
  readonly #usage: UsageTable

  constructor(db: Database.Database, usage: UsageTable) {
    this.#sql = prepare(db)
    this.#usage = usage
  }

  /** Whether there is no sound row at a position. */
  isDamaged(seq: Seq): boolean {
    const row = this.#sql.change.get(seq) as StoredChange | undefined
    return row === undefined || !isSoundChange(row)
  }

  /** Before block and clock are written as they are from then on. */
  setBack(entry: SetBackEntry): void {
    const { row, objects, content, damaged, waiting, lost, dropsSnapshot } = entry
    const { id, horizonSeq } = row
    const sql = this.#sql
    let gone = 0
    sql.clearClock.run(id)
    sql.clearObjects.run(id)
    for (const object of objects) sql.putObject.run(sealed('object', { block: id, ...object }))
    for (const { seq, signature } of waiting) this.#wait(seq, signature)
    for (const seq of [...damaged, ...(sql.folded.all(id, horizonSeq) as Seq[])]) {
      const bytes = sql.sizeOf.get(seq) as number | undefined
      if (bytes !== undefined) gone += bytes + rowBytes
      sql.deleteChange.run(seq)
    }
    if (dropsSnapshot) {
      gone += Number(sql.snapshotSize.get(id) ?? 0)
      sql.deleteSnapshot.run(id)
    }
    this.#usage.setBack(id, gone, content)
    for (const each of lost) sql.putLost.run(sealed('lost', lostColumns(each)))
  }

  #wait(seq: Seq, signature: Uint8Array): void {
    const row = this.#sql.change.get(seq) as (StoredChange & { readonly ops: number }) | undefined
    // It was sound when it was read: what turned since then is gone.
    if (row !== undefined && isSoundChange(row)) {
      const { block, hash, max_op: maxOp, actor, actor_seq: actorSeq, ops, origin, bytes } = row
      const sum = waitingSum({ ...row, signature })
      this.#sql.putWaiting.run(block, seq, hash, maxOp, actor, actorSeq, ops, origin, sum, bytes, signature)
    }
    this.#sql.deleteChange.run(seq)
  }

  return({ block, from, to, ops, content }: AppendPlan['returned'][number]): void {
    const row = this.#sql.waiting.get(block, from) as StoredWaiting | undefined
    if (row === undefined || !isSoundWaiting(row)) {
      throw new MooringError('database-corrupt', { detail: `damaged waiting row ${from} of block ${block}` })
    }
    const { hash, max_op: maxOp, actor, actor_seq: actorSeq, origin, bytes } = row
    const sum = changeSum({ ...row, seq: to })
    this.#sql.insertChange.run(to, block, hash, maxOp, actor, actorSeq, ops, origin, sum, bytes)
    this.#sql.deleteWaiting.run(block, from)
    const peer = this.#sql.peer.get(origin) as PeerId | undefined
    if (peer !== undefined) this.#usage.add([{ block, peer, disk: 0, content }])
  }

  endWaiting(block: BlockId, seqs: readonly Seq[]): void {
    let gone = 0
    for (const seq of seqs) {
      const row = this.#sql.waiting.get(block, seq) as StoredWaiting | undefined
      if (row !== undefined) gone += sizeOf(row) + rowBytes
      this.#sql.deleteWaiting.run(block, seq)
    }
    this.#usage.resize(block, -gone)
  }

  endLost({ block, actor, to }: Pick<LostChanges, 'block' | 'actor' | 'to'>): void {
    this.#sql.deleteLost.run(block, Buffer.from(actor, 'hex'), to)
  }
}

function prepare(db: Database.Database) {
  return {
    change: db.prepare(
      'SELECT seq, block, hash, max_op, actor, actor_seq, ops, origin, sum, bytes FROM change WHERE seq = ?',
    ),
    sizeOf: db.prepare('SELECT length(bytes) FROM change WHERE seq = ?').pluck(),
    snapshotSize: db.prepare('SELECT length(bytes) FROM snapshot WHERE block = ?').pluck(),
    peer: db.prepare('SELECT peer FROM replica WHERE id = ?').pluck(),
    clearClock: db.prepare('DELETE FROM clock WHERE block = ?'),
    clearObjects: db.prepare('DELETE FROM object WHERE block = ?'),
    putObject: db.prepare('INSERT INTO object (block, id, type, depth, sum) VALUES (@block, @id, @type, @depth, @sum)'),
    putWaiting: db.prepare(
      `INSERT INTO waiting (block, seq, hash, max_op, actor, actor_seq, ops, origin, sum, bytes, signature)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    waiting: db.prepare(
      `SELECT seq, block, hash, max_op, actor, actor_seq, origin, sum, bytes, signature FROM waiting
       WHERE block = ? AND seq = ?`,
    ),
    deleteWaiting: db.prepare('DELETE FROM waiting WHERE block = ? AND seq = ?'),
    insertChange: db.prepare(
      `INSERT INTO change (seq, block, hash, max_op, actor, actor_seq, ops, origin, sum, bytes)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    deleteChange: db.prepare('DELETE FROM change WHERE seq = ?'),
    folded: db
      .prepare('SELECT seq FROM change WHERE block = ? AND seq <= ? AND seq NOT IN (SELECT seq FROM quarantine)')
      .pluck(),
    deleteSnapshot: db.prepare('DELETE FROM snapshot WHERE block = ?'),
    putLost: db.prepare(
      `INSERT OR REPLACE INTO lost (block, actor, from_seq, to_seq, hash, at_ms, sum)
       VALUES (@block, @actor, @from_seq, @to_seq, @hash, @at_ms, @sum)`,
    ),
    deleteLost: db.prepare('DELETE FROM lost WHERE block = ? AND actor = ? AND to_seq <= ?'),
  }
}
