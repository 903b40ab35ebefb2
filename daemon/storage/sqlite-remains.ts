/**
 * Reads of what is left of blocks of which something was damaged. Keeps: only what fits its own checksum is believed.
 */
import type Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import type { FactReader, ReportDamage } from './sqlite-facts.ts'
import { createdBlock, type EventColumns, type LostColumns, lostRow, waitingRow } from './sqlite-remain-rows.ts'
import type { BlockColumns, ClockColumns, ObjectColumns } from './sqlite-rows.ts'
import { blockRow, clockRow } from './sqlite-rows.ts'
import { isSoundWaiting, type StoredWaiting, sizeOf } from './sqlite-sum.ts'
import type {
  BlockId,
  BlockRemains,
  BlockRow,
  LostChanges,
  Seq,
  SetBackRow,
  WaitingCard,
  WaitingPage,
  WaitingRow,
} from './storage.ts'

export class RemainsReader {
  readonly #db: Database.Database
  readonly #facts: FactReader
  readonly #sql: ReturnType<typeof prepare>
  readonly #report: ReportDamage

  constructor(db: Database.Database, facts: FactReader, report: ReportDamage) {
    this.#db = db
    this.#facts = facts
    this.#sql = prepare(db)
    this.#report = report
  }

  remains(block: BlockId): BlockRemains {
    return this.#db.transaction(() => {
      const columns = this.#sql.block.get(block) as BlockColumns | undefined
      if (columns === undefined) throw new MooringError('block-not-found')
      const isOwn = this.#facts.isSound('block', columns, block, block)
      const clock = this.#sql.clock.all(block) as ClockColumns[]
      const objects = this.#sql.objects.all(block) as ObjectColumns[]
      const sound = clock.filter((row) => this.#facts.isSoundClock(row))
      const areObjects = objects.map((row) => this.#facts.isSound('object', row, `${block} ${row.id}`, block))
      return {
        row: isOwn ? blockRow(columns) : this.#created(block),
        clock: sound.map(clockRow),
        isSound: isOwn && sound.length === clock.length && !areObjects.includes(false),
      }
    })()
  }

  setBacks(): SetBackRow[] {
    const rows = this.#sql.setBacks.all() as EventColumns[]
    const last = new Map<BlockId, Seq>()
    for (const row of rows) if (this.#facts.isSound('event', row, row.seq, row.block)) last.set(row.block, row.seq)
    return [...last].map(([block, seq]) => ({ block, seq }))
  }

  waiting(): WaitingCard[] {
    const rows = this.#sql.waitingCards.all() as { block: BlockId; seq: Seq; hash: Buffer }[]
    return rows.map(({ block, seq, hash }) => ({ block, seq, hash: hash.toString('hex') as WaitingCard['hash'] }))
  }

  readWaiting({ block, after, maxBytes }: { block: BlockId; after: Seq; maxBytes: number }): WaitingPage {
    const rows: WaitingRow[] = []
    let bytes = 0
    for (const row of this.#sql.waiting.iterate(block, after) as IterableIterator<StoredWaiting>) {
      const last = rows.at(-1)
      if (last !== undefined && bytes >= maxBytes) return { rows, next: last.seq }
      if (isSoundWaiting(row)) rows.push(waitingRow(row))
      else this.#report({ table: 'waiting', key: `${block} ${row.seq}`, block: undefined })
      bytes += sizeOf(row)
    }
    return { rows, next: undefined }
  }

  lost(): LostChanges[] {
    const rows = this.#sql.lost.all() as LostColumns[]
    return rows.filter((row) => this.#facts.isSound('lost', row, `${row.block} ${row.from_seq}`)).map(lostRow)
  }

  /** A block by the events of it, all of which have to be sound: one may be its deletion. */
  #created(block: BlockId): BlockRow | undefined {
    const events = this.#sql.events.all(block) as EventColumns[]
    if (!events.every((row) => this.#facts.isSound('event', row, row.seq))) return undefined
    const created = events.find(({ kind }) => kind === 'create')
    const deleted = events.find(({ kind }) => kind === 'delete')
    const described = events.findLast(({ kind }) => kind === 'meta')
    return created === undefined ? undefined : createdBlock(created, described, deleted?.seq ?? 0)
  }
}

function prepare(db: Database.Database) {
  return {
    block: db.prepare('SELECT * FROM block WHERE id = ?'),
    clock: db.prepare('SELECT block, actor, seq, hash, max_op, signature, sum FROM clock WHERE block = ?'),
    objects: db.prepare('SELECT block, id, type, depth, sum FROM object WHERE block = ?'),
    events: db.prepare('SELECT seq, block, kind, origin, data, sum FROM event WHERE block = ? ORDER BY seq'),
    setBacks: db.prepare("SELECT seq, block, kind, origin, data, sum FROM event WHERE kind = 'set-back' ORDER BY seq"),
    waitingCards: db.prepare('SELECT block, seq, hash FROM waiting ORDER BY block, seq'),
    waiting: db.prepare(
      `SELECT seq, block, hash, max_op, actor, actor_seq, origin, sum, bytes, signature FROM waiting
       WHERE block = ? AND seq > ? ORDER BY seq`,
    ),
    lost: db.prepare(
      'SELECT block, actor, from_seq, to_seq, hash, at_ms, sum FROM lost ORDER BY block, actor, from_seq',
    ),
  }
}
