/**
 * Looks through what is stored for damage that nobody has met yet, a piece at a time. Keeps: what it finds is reported like
 * what a reader meets, and a piece takes a few milliseconds.
 */
import type Database from 'better-sqlite3'
import type { ArchiveColumns } from './sqlite-archive-rows.ts'
import type { FactReader, ReportDamage } from './sqlite-facts.ts'
import type { StoredChange } from './sqlite-pack.ts'
import type { EventColumns } from './sqlite-remain-rows.ts'
import type { BlockColumns, ClockColumns, ObjectColumns } from './sqlite-rows.ts'
import {
  isSoundChange,
  isSoundSnapshot,
  isSoundWaiting,
  type StoredWaiting,
  type SummedSnapshot,
  sizeOf,
} from './sqlite-sum.ts'
import type { ArchiveNumber, BlockId, CheckPosition, Seq } from './storage.ts'

/** Of content in one piece. */
const maxBytes = 512 * 1024
/** Rows of a table in one piece. */
const maxRows = 2_000

export class Checker {
  readonly #sql: ReturnType<typeof prepare>
  readonly #facts: FactReader
  readonly #report: ReportDamage
  readonly #reportChange: (row: StoredChange) => void

  constructor(
    db: Database.Database,
    {
      facts,
      report,
      reportChange,
    }: { facts: FactReader; report: ReportDamage; reportChange: (row: StoredChange) => void },
  ) {
    this.#sql = prepare(db)
    this.#facts = facts
    this.#report = report
    this.#reportChange = reportChange
  }

  /** One piece, from a position on. Answers where the next begins; undefined when all was looked at. */
  check({ part, after }: CheckPosition): CheckPosition | undefined {
    if (part === 'log') return next('log', this.#log(after)) ?? { part: 'events', after: 0 }
    if (part === 'events') return next('events', this.#events(after)) ?? { part: 'blocks', after: 0 }
    if (part === 'blocks') return next('blocks', this.#block(after)) ?? { part: 'archive', after: 0 }
    return next('archive', this.#archive(after))
  }

  #log(after: Seq): Seq | undefined {
    let bytes = 0
    for (const row of this.#sql.log.iterate(after) as IterableIterator<StoredChange>) {
      if (!isSoundChange(row)) this.#reportChange(row)
      bytes += sizeOf(row) + 64
      if (bytes >= maxBytes) return row.seq
    }
    return undefined
  }

  #events(after: Seq): Seq | undefined {
    const rows = this.#sql.events.all(after, maxRows) as EventColumns[]
    for (const row of rows) this.#facts.isSound('event', row, row.seq)
    return rows.length < maxRows ? undefined : rows.at(-1)?.seq
  }

  #archive(after: ArchiveNumber): ArchiveNumber | undefined {
    let bytes = 0
    for (const row of this.#sql.archive.iterate(after) as IterableIterator<ArchiveColumns>) {
      this.#facts.isSound('archive', row, row.id)
      bytes += row.disk
      if (bytes >= maxBytes) return row.n
    }
    return undefined
  }

  /** All of the next block that is no change of the log. */
  #block(after: BlockId): BlockId | undefined {
    const row = this.#sql.nextBlock.get(after) as BlockColumns | undefined
    if (row === undefined) return undefined
    const block = row.id
    this.#facts.isSound('block', row, block, block)
    for (const row of this.#sql.clock.iterate(block) as IterableIterator<ClockColumns>) this.#facts.isSoundClock(row)
    for (const row of this.#sql.objects.iterate(block) as IterableIterator<ObjectColumns>) {
      this.#facts.isSound('object', row, `${block} ${row.id}`, block)
    }
    const snapshot = this.#sql.snapshot.get(block) as (SummedSnapshot & { readonly sum: Uint8Array }) | undefined
    if (snapshot !== undefined && !isSoundSnapshot(snapshot)) {
      this.#report({ table: 'snapshot', key: String(block), block })
    }
    for (const row of this.#sql.waiting.iterate(block) as IterableIterator<StoredWaiting>) {
      if (!isSoundWaiting(row)) this.#report({ table: 'waiting', key: `${block} ${row.seq}`, block: undefined })
    }
    return block
  }
}

const next = (part: CheckPosition['part'], after: number | undefined): CheckPosition | undefined =>
  after === undefined ? undefined : { part, after }

function prepare(db: Database.Database) {
  return {
    log: db.prepare(
      `SELECT seq, block, hash, max_op, actor, actor_seq, origin, sum, bytes FROM change WHERE seq > ? ORDER BY seq`,
    ),
    events: db.prepare('SELECT seq, block, kind, origin, data, sum FROM event WHERE seq > ? ORDER BY seq LIMIT ?'),
    archive: db.prepare('SELECT * FROM archive WHERE n > ? ORDER BY n'),
    nextBlock: db.prepare('SELECT * FROM block WHERE id > ? ORDER BY id LIMIT 1'),
    clock: db.prepare('SELECT block, actor, seq, hash, max_op, signature, sum FROM clock WHERE block = ?'),
    objects: db.prepare('SELECT block, id, type, depth, sum FROM object WHERE block = ?'),
    snapshot: db.prepare('SELECT block, seq, changes, heads, sum, bytes FROM snapshot WHERE block = ?'),
    waiting: db.prepare(
      'SELECT seq, block, hash, max_op, actor, actor_seq, origin, sum, bytes, signature FROM waiting WHERE block = ?',
    ),
  }
}
