/**
 * Reads of the log, on a connection that cannot write. Keeps: a call sees one state of the database, and a row whose
 * checksum does not fit is reported and never handed out.
 */
import type Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId } from '../../protocol/ids.ts'
import { clockOfRows } from './log-clock.ts'
import { FactReader, type ReportDamage } from './sqlite-facts.ts'
import type { PackedRows, StoredChange } from './sqlite-pack.ts'
import { packRows, unpackHashes } from './sqlite-pack.ts'
import type { BlockColumns, ClockColumns, ObjectColumns } from './sqlite-rows.ts'
import { blockRow, clockRow } from './sqlite-rows.ts'
import { type PackedKnown, type PackedState, packState } from './sqlite-state.ts'
import { isSoundChange, isSoundSnapshot, type SummedSnapshot } from './sqlite-sum.ts'
import type {
  BlockId,
  ChangeRow,
  ClockRow,
  FoldableRows,
  LogPage,
  LogQuery,
  Origin,
  Seq,
  Snapshot,
  SnapshotCard,
} from './storage.ts'

/** A page of the log on its way to the main thread. */
export interface PackedPage extends PackedRows, Pick<LogPage, 'next' | 'clock'> {}

export class Reader {
  /** What is read beside the log. */
  readonly facts: FactReader
  readonly #db: Database.Database
  readonly #sql: ReturnType<typeof prepare>
  readonly #report: ReportDamage

  constructor(db: Database.Database, report: ReportDamage) {
    this.#db = db
    this.#sql = prepare(db)
    this.#report = report
    this.facts = new FactReader(db, report)
  }

  clock(block: BlockId, actors?: readonly ActorId[]): readonly ClockRow[] {
    return this.#db.transaction(() => {
      const rows =
        actors === undefined
          ? this.#sql.clock.all(block)
          : actors.flatMap((actor) => this.#sql.clockOf.get(block, Buffer.from(actor, 'hex')) ?? [])
      return (rows as ClockColumns[]).filter((row) => this.#isSoundClock(row)).map(clockRow)
    })()
  }

  /** Of a block of which any row is damaged nothing is said: whoever builds on it would build on a hole. */
  blockState(block: BlockId): PackedState {
    return this.#db.transaction(() => {
      const row = this.#sql.block.get(block) as BlockColumns | undefined
      if (row === undefined) throw new MooringError('block-not-found')
      const clock = this.#sql.clock.all(block) as ClockColumns[]
      const objects = this.#sql.objects.all(block) as ObjectColumns[]
      const sound = [
        this.facts.isSound('block', row, block, block),
        ...clock.map((each) => this.#isSoundClock(each)),
        ...objects.map((each) => this.facts.isSound('object', each, `${block} ${each.id}`, block)),
      ]
      const known = this.#known(block)
      if (known === undefined || sound.includes(false)) {
        throw new MooringError('block-damaged', { detail: `block ${block}` })
      }
      return packState(blockRow(row), this.facts.contentOf(block), { clock, objects, known })
    })()
  }

  /** Undefined when a row is damaged: its hash may be that of another change, or of none. */
  #known(block: BlockId): PackedKnown | undefined {
    const count = Number(this.#sql.count.get(block))
    const hashes = new Uint8Array(count * 32)
    const maxOps = new Float64Array(count)
    let isWhole = true
    let index = 0
    for (const row of this.#sql.blockLog.iterate(0, endless, block) as IterableIterator<StoredChange>) {
      if (!isSoundChange(row)) {
        this.#damaged({ table: 'change', key: String(row.seq), block })
        isWhole = false
        continue
      }
      hashes.set(row.hash, index * 32)
      maxOps[index++] = row.max_op
    }
    return isWhole ? { hashes, maxOps } : undefined
  }

  readLog({ after, until, block, maxBytes }: LogQuery): PackedPage {
    const { sql, values } =
      block === undefined
        ? { sql: this.#sql.log, values: [after, until] }
        : typeof block === 'number'
          ? { sql: this.#sql.blockLog, values: [after, until, block] }
          : { sql: this.#sql.blocksLog, values: [after, until, JSON.stringify(block)] }
    const rows: StoredChange[] = []
    let bytes = 0
    // The iterator ends with the loop, so no read stays open that would keep the write-ahead log from shrinking.
    for (const row of sql.iterate(...values) as IterableIterator<StoredChange>) {
      const last = rows.at(-1)
      if (last !== undefined && bytes >= maxBytes) return this.#page(rows, last.seq)
      if (!isSoundChange(row)) {
        if (last !== undefined) return this.#page(rows, last.seq)
        throw this.#damaged({ table: 'change', key: String(row.seq), block: row.block })
      }
      rows.push(row)
      bytes += row.bytes.length
    }
    return this.#page(rows, until)
  }

  snapshot(block: BlockId): Snapshot | undefined {
    const row = this.#sql.snapshot.get(block) as (SummedSnapshot & { readonly sum: Uint8Array }) | undefined
    if (row === undefined) return undefined
    if (!isSoundSnapshot(row)) throw this.#damaged({ table: 'snapshot', key: String(block), block })
    const { seq, changes, heads, bytes } = row
    return { block, seq, changes, heads: unpackHashes(heads), bytes: new Uint8Array(bytes) }
  }

  snapshots(): SnapshotCard[] {
    const rows = this.#sql.snapshots.all() as (Omit<SnapshotCard, 'isFoldable'> & { isFoldable: number })[]
    return rows.map((row) => ({ ...row, isFoldable: row.isFoldable !== 0 }))
  }

  foldable(block: BlockId, until: Seq): FoldableRows {
    return this.#sql.foldable.get(block, until) as FoldableRows
  }

  /** The rows that are named are looked at; that one which is damaged hides is not said to be there does no harm. */
  firstAfter(block: BlockId, after: Seq): Pick<ChangeRow, 'actor' | 'actorSeq'>[] {
    const rows = this.#sql.firstAfter.all(block, after) as (StoredChange & { first: number })[]
    return rows.flatMap((row) => {
      if (isSoundChange(row)) {
        return [{ actor: Buffer.from(row.actor).toString('hex') as ChangeRow['actor'], actorSeq: row.actor_seq }]
      }
      this.#damaged({ table: 'change', key: String(row.seq), block })
      return []
    })
  }

  #isSoundClock(row: ClockColumns): boolean {
    return this.facts.isSound('clock', row, `${row.block} ${row.actor.toString('hex')}`, row.block)
  }

  #page(rows: readonly StoredChange[], next: Seq): PackedPage {
    const clock = clockOfRows(rows, (block, actor) => {
      const row = this.#sql.clockOf.get(block, actor) as ClockColumns | undefined
      return row === undefined || !this.#isSoundClock(row) ? undefined : clockRow(row)
    })
    return { ...packRows(rows, (id) => this.#origin(id)), next, clock }
  }

  #origin(id: number): Origin {
    const origin = this.facts.origin(id)
    if (origin === undefined) throw new MooringError('database-corrupt', { detail: `origin ${id} is missing` })
    return origin
  }

  #damaged(damaged: Parameters<ReportDamage>[0]): MooringError {
    this.#report(damaged)
    const { table, block, key } = damaged
    return new MooringError('database-corrupt', { detail: `damaged ${table} row ${key} of block ${block}` })
  }
}

/** Greater than every position. */
const endless = Number.MAX_SAFE_INTEGER

function prepare(db: Database.Database) {
  const log = (filter: string, index = '') =>
    db.prepare(
      `SELECT seq, block, hash, max_op, actor, actor_seq, origin, sum, bytes FROM change ${index}
       WHERE seq > ? AND seq <= ? ${filter} ORDER BY seq`,
    )
  return {
    block: db.prepare('SELECT * FROM block WHERE id = ?'),
    clock: db.prepare(
      'SELECT block, actor, seq, hash, max_op, signature, sum FROM clock WHERE block = ? ORDER BY actor',
    ),
    clockOf: db.prepare(
      'SELECT block, actor, seq, hash, max_op, signature, sum FROM clock WHERE block = ? AND actor = ?',
    ),
    objects: db.prepare('SELECT block, id, type, depth, sum FROM object WHERE block = ?'),
    count: db.prepare('SELECT count(*) FROM change WHERE block = ?').pluck(),
    log: log(''),
    blockLog: log('AND block = ?'),
    // Named: a plan that walks the log from its beginning would cost what is in it of all other blocks.
    blocksLog: log('AND block IN (SELECT value FROM json_each(?))', 'INDEXED BY change_by_block'),
    snapshot: db.prepare('SELECT block, seq, changes, heads, sum, bytes FROM snapshot WHERE block = ?'),
    snapshots: db.prepare(
      `SELECT block, seq, changes, EXISTS (SELECT 1 FROM change WHERE block = snapshot.block AND seq <= snapshot.seq
         AND seq > (SELECT horizon_seq FROM block WHERE id = snapshot.block)
         AND seq NOT IN (SELECT seq FROM quarantine)) AS isFoldable FROM snapshot`,
    ),
    foldable: db.prepare(
      `SELECT count(*) AS rows, coalesce(sum(length(bytes)), 0) AS bytes, coalesce(max(seq), 0) AS lastSeq FROM change
       WHERE block = ? AND seq <= ? AND seq > (SELECT horizon_seq FROM block WHERE id = change.block)
         AND seq NOT IN (SELECT seq FROM quarantine)`,
    ),
    // The other columns are those of the row that has the least.
    firstAfter: db.prepare(
      `SELECT min(actor_seq) AS first, seq, block, hash, max_op, actor, actor_seq, origin, sum, bytes FROM change
       WHERE block = ? AND seq > ? GROUP BY actor`,
    ),
  }
}
