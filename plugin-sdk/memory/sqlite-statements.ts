/** The statements of a replica's file, apart from what is done with them. Keeps: no SQL is put together from values. */
import type Database from 'better-sqlite3'
import type { BlockAddress, PeerId } from '../../protocol/ids.ts'
import type { AsideRow } from './sqlite-aside.ts'

export interface BlockRow {
  readonly id: number
  readonly address: BlockAddress
  readonly schema: string
  readonly generation: number | null
  readonly gone: string | null
  readonly owner: PeerId | null
  readonly created_at_ms: number | null
  readonly meta: string | null
  readonly meta_at_ms: number | null
  readonly seal: Uint8Array | null
}

type ChangeRow = { position: number; unsettled: number; bytes: Uint8Array }

/** Named, so that the compiled types can be. */
interface Statements {
  readonly getMeta: Database.Statement<[string], { value: unknown }>
  readonly setMeta: Database.Statement
  readonly setSeen: Database.Statement
  readonly blocks: Database.Statement<[], BlockRow>
  readonly blockId: Database.Statement<[string], { id: number }>
  readonly schemaOf: Database.Statement<[number], { schema: string }>
  readonly putBlock: Database.Statement
  readonly setSealed: Database.Statement
  readonly setWanted: Database.Statement
  readonly dropBlock: Database.Statement
  readonly unmake: Database.Statement
  readonly setGone: Database.Statement
  readonly lastPosition: Database.Statement<[], { position: number }>
  readonly firstUnsettled: Database.Statement<[number], object>
  readonly changes: Database.Statement<[number], ChangeRow>
  readonly settled: Database.Statement<[number], ChangeRow>
  readonly tails: Database.Statement<[], { block: number; changes: number }>
  readonly putChange: Database.Statement
  readonly settle: Database.Statement
  readonly dropChange: Database.Statement
  readonly dropSettled: Database.Statement
  readonly dropUnsettled: Database.Statement
  readonly dropChanges: Database.Statement
  readonly snapshot: Database.Statement<[number], { bytes: Uint8Array; changes: number }>
  readonly putSnapshot: Database.Statement
  readonly dropSnapshot: Database.Statement
  readonly own: Database.Statement<[number], object>
  readonly allOwn: Database.Statement<[], object>
  readonly putOwn: Database.Statement
  readonly trimOwn: Database.Statement
  readonly dropOwn: Database.Statement
  readonly aside: Database.Statement<[number], AsideRow>
  readonly putAside: Database.Statement
  readonly dropAside: Database.Statement
  readonly asideSize: Database.Statement<[], { bytes: number; parts: number }>
  readonly dropOldestAside: Database.Statement
  readonly setAside: Database.Statement
}

/** Compiled once, when the file is opened. */
export function prepareStatements(db: Database.Database): Statements {
  return {
    getMeta: db.prepare<[string], { value: unknown }>('SELECT value FROM meta WHERE key = ?'),
    setMeta: db.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)'),
    setSeen: db.prepare(
      `INSERT INTO meta (key, value) VALUES ('seen', ?)
       ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)`,
    ),
    blocks: db.prepare<[], BlockRow>('SELECT * FROM block ORDER BY id'),
    blockId: db.prepare<[string], { id: number }>('SELECT id FROM block WHERE address = ?'),
    schemaOf: db.prepare<[number], { schema: string }>('SELECT schema FROM block WHERE id = ?'),
    putBlock: db.prepare(
      `INSERT INTO block (address, schema, generation) VALUES (?, ?, ?)
       ON CONFLICT (address) DO UPDATE SET schema = excluded.schema, gone = NULL,
         generation = coalesce(excluded.generation, generation)`,
    ),
    setSealed: db.prepare(
      'UPDATE block SET owner = ?, created_at_ms = ?, meta = ?, meta_at_ms = ?, seal = ? WHERE address = ?',
    ),
    setWanted: db.prepare('UPDATE block SET meta = ? WHERE address = ? AND owner IS NULL'),
    dropBlock: db.prepare('DELETE FROM block WHERE id = ?'),
    unmake: db.prepare('UPDATE block SET generation = NULL, gone = NULL, seal = NULL WHERE id = ?'),
    setGone: db.prepare('UPDATE block SET gone = ? WHERE id = ?'),
    lastPosition: db.prepare<[], { position: number }>(
      'SELECT max(coalesce((SELECT max(position) FROM change), 0), coalesce((SELECT max(position) FROM aside), 0)) AS position',
    ),
    firstUnsettled: db.prepare<[number], object>('SELECT 1 FROM change WHERE block = ? AND unsettled = 1 LIMIT 1'),
    changes: db.prepare<[number], ChangeRow>(
      'SELECT position, unsettled, bytes FROM change WHERE block = ? ORDER BY position',
    ),
    settled: db.prepare<[number], ChangeRow>(
      'SELECT position, unsettled, bytes FROM change WHERE block = ? AND unsettled = 0 ORDER BY position',
    ),
    tails: db.prepare<[], { block: number; changes: number }>(
      'SELECT block, count(*) AS changes FROM change GROUP BY block',
    ),
    putChange: db.prepare('INSERT INTO change (position, block, unsettled, bytes) VALUES (?, ?, ?, ?)'),
    settle: db.prepare(
      'UPDATE change SET unsettled = 0 WHERE block = ? AND unsettled = 1 AND position BETWEEN ? AND ?',
    ),
    dropChange: db.prepare('DELETE FROM change WHERE position = ?'),
    dropSettled: db.prepare('DELETE FROM change WHERE block = ? AND unsettled = 0'),
    dropUnsettled: db.prepare('DELETE FROM change WHERE block = ? AND unsettled = 1 AND position BETWEEN ? AND ?'),
    dropChanges: db.prepare('DELETE FROM change WHERE block = ?'),
    snapshot: db.prepare<[number], { bytes: Uint8Array; changes: number }>(
      'SELECT bytes, changes FROM snapshot WHERE block = ?',
    ),
    putSnapshot: db.prepare('INSERT OR REPLACE INTO snapshot (block, changes, bytes) VALUES (?, ?, ?)'),
    dropSnapshot: db.prepare('DELETE FROM snapshot WHERE block = ?'),
    own: db.prepare<[number], object>('SELECT actor, seq, hash FROM own WHERE block = ? ORDER BY position'),
    allOwn: db.prepare<[], object>(
      `SELECT b.address, b.generation, o.actor, o.seq, o.hash FROM own o JOIN block b ON b.id = o.block
       WHERE b.generation IS NOT NULL ORDER BY o.position DESC`,
    ),
    // An older one may come again, after one that was newer.
    putOwn: db.prepare(
      `INSERT INTO own (block, actor, seq, hash, position) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (block, actor) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, position = excluded.position
       WHERE excluded.seq > seq`,
    ),
    trimOwn: db.prepare(
      `DELETE FROM own WHERE block = ? AND actor IN
         (SELECT actor FROM own WHERE block = ? ORDER BY position DESC LIMIT -1 OFFSET ?)`,
    ),
    dropOwn: db.prepare('DELETE FROM own WHERE block = ?'),
    aside: db.prepare<[number], AsideRow>(
      'SELECT part, code, detail, bytes FROM aside WHERE block = ? ORDER BY part, position',
    ),
    putAside: db.prepare('INSERT INTO aside (position, block, part, code, detail, bytes) VALUES (?, ?, ?, ?, ?, ?)'),
    dropAside: db.prepare('DELETE FROM aside WHERE block = ? AND part = ?'),
    asideSize: db.prepare<[], { bytes: number; parts: number }>(
      'SELECT coalesce(sum(length(bytes)), 0) AS bytes, count(DISTINCT part) AS parts FROM aside',
    ),
    dropOldestAside: db.prepare('DELETE FROM aside WHERE part = (SELECT min(part) FROM aside)'),
    setAside: db.prepare(
      `INSERT INTO aside (position, block, part, code, detail, bytes)
       SELECT position, block, @from, @code, @detail, bytes FROM change
       WHERE block = @id AND unsettled = 1 AND position >= @from`,
    ),
  }
}
