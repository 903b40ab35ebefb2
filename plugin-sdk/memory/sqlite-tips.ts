/** The table of other authors' signatures. Keeps: those of each actor are apart as far as {@link nextTip} says. */
import type Database from 'better-sqlite3'
import type { StoredTip } from './store.ts'
import { nextTip, type Span } from './tip-spans.ts'

export class TipTable {
  readonly #sql: ReturnType<typeof prepare>

  constructor(db: Database.Database) {
    this.#sql = prepare(db)
  }

  of(block: number): StoredTip[] {
    return this.#sql.all.all(block)
  }

  put(block: number, tips: readonly StoredTip[]): void {
    for (const next of tips) {
      const last = this.#sql.newest.get(block, next.actor)
      if (last !== undefined && last.seq >= next.seq) continue
      const { drops, tip } = nextTip(last, next)
      const { actor, seq, hash, signature, peer, from, weight } = tip
      if (drops && last !== undefined) this.#sql.drop.run(block, actor, last.seq)
      this.#sql.put.run(block, actor, seq, hash, signature, peer, from, weight)
    }
  }

  clear(block: number): void {
    this.#sql.clear.run(block)
  }
}

function prepare(db: Database.Database) {
  return {
    all: db.prepare<[number], StoredTip>(
      'SELECT actor, seq, hash, signature, peer, from_seq AS "from", weight FROM tip WHERE block = ? ORDER BY actor, seq',
    ),
    newest: db.prepare<[number, string], Span>(
      'SELECT seq, from_seq AS "from", weight FROM tip WHERE block = ? AND actor = ? ORDER BY seq DESC LIMIT 1',
    ),
    put: db.prepare(
      'INSERT INTO tip (block, actor, seq, hash, signature, peer, from_seq, weight) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    drop: db.prepare('DELETE FROM tip WHERE block = ? AND actor = ? AND seq = ?'),
    clear: db.prepare('DELETE FROM tip WHERE block = ?'),
  }
}
