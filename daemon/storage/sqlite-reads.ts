/**
 * Reads of the log, on a connection that cannot write. Keeps: a call sees one state of the database, and a row whose
 * checksum does not fit is reported and never handed out.
 */
import type Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId } from '../../protocol/ids.ts'
import { clockOfRows } from './log-clock.ts'
import { Checker } from './sqlite-check.ts'
import { FactReader, type ReportDamage } from './sqlite-facts.ts'
import type { PackedRows, StoredChange } from './sqlite-pack.ts'
import { packRows, unpackHashes } from './sqlite-pack.ts'
import { RemainsReader } from './sqlite-remains.ts'
import type { BlockColumns, ClockColumns, ObjectColumns } from './sqlite-rows.ts'
import { blockRow, clockRow } from './sqlite-rows.ts'
import { type PackedKnown, type PackedState, packState } from './sqlite-state.ts'
import { hexOf, isSoundChange, isSoundSnapshot, type SummedSnapshot, sizeOf } from './sqlite-sum.ts'
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
export interface PackedPage extends PackedRows, Omit<LogPage, 'rows'> {}

export class Reader {
  /** What is read beside the log. */
  readonly facts: FactReader
  readonly remains: RemainsReader
  readonly checker: Checker
  readonly #db: Database.Database
  readonly #sql: ReturnType<typeof prepare>
  readonly #report: ReportDamage

  constructor(db: Database.Database, report: ReportDamage) {
    this.#db = db
    this.#sql = prepare(db)
    this.#report = report
    this.facts = new FactReader(db, report)
    this.remains = new RemainsReader(db, this.facts, report)
    const reportChange = (row: StoredChange): void => void this.#ownersOf(row)
    this.checker = new Checker(db, { facts: this.facts, report, reportChange })
  }

  clock(block: BlockId, actors?: readonly ActorId[]): readonly ClockRow[] {
    return this.#db.transaction(() => {
      const rows =
        actors === undefined
          ? this.#sql.clock.all(block)
          : actors.flatMap((actor) => this.#sql.clockOf.get(block, Buffer.from(actor, 'hex')) ?? [])
      return (rows as ClockColumns[]).filter((row) => this.facts.isSoundClock(row)).map(clockRow)
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
        ...clock.map((each) => this.facts.isSoundClock(each)),
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
      const hash = isSoundChange(row) ? row.hash : this.#asideHash(block, row.seq)
      if (hash === undefined) {
        isWhole = false
        continue
      }
      hashes.set(hash, index * 32)
      maxOps[index++] = row.max_op
    }
    return isWhole ? { hashes, maxOps } : undefined
  }

  /** What is set aside is known by its hash whatever becomes of its row. */
  #asideHash(block: BlockId, seq: Seq): Uint8Array | undefined {
    this.#report({ table: 'change', key: String(seq), block })
    return this.#sql.asideHash.get(block, seq) as Uint8Array | undefined
  }

  readLog({ after, until, block, maxBytes }: LogQuery): PackedPage {
    const { sql, values } =
      block === undefined
        ? { sql: this.#sql.log, values: [after, until] }
        : typeof block === 'number'
          ? { sql: this.#sql.blockLog, values: [after, until, block] }
          : { sql: this.#sql.blocksLog, values: [after, until, JSON.stringify(block)] }
    const rows: StoredChange[] = []
    const damaged: LogPage['damaged'][number][] = []
    const page = (next: Seq): PackedPage => {
      return { ...packRows(rows, (id) => this.#origin(id)), damaged, next, clock: this.#clockOf(rows) }
    }
    let bytes = 0
    let last = after
    // The iterator ends with the loop, so no read stays open that would keep the write-ahead log from shrinking.
    for (const row of sql.iterate(...values) as IterableIterator<StoredChange>) {
      if (last > after && bytes >= maxBytes) return page(last)
      if (isSoundChange(row)) rows.push(row)
      else for (const each of this.#ownersOf(row)) damaged.push({ ...asFound(row), block: each })
      bytes += sizeOf(row)
      last = row.seq
    }
    return page(until)
  }

  /** Which blocks a damaged row may be of: the column may be what is damaged, and the index says it once more. */
  #ownersOf({ seq, block }: StoredChange): BlockId[] {
    const owners = new Set([block, ...(this.#sql.owners.all(seq) as BlockId[])])
    for (const owner of owners) this.#report({ table: 'change', key: String(seq), block: owner })
    return [...owners]
  }

  snapshot(block: BlockId): Snapshot | undefined {
    const row = this.#sql.snapshot.get(block) as (SummedSnapshot & { readonly sum: Uint8Array }) | undefined
    if (row === undefined) return undefined
    if (!isSoundSnapshot(row)) {
      this.#report({ table: 'snapshot', key: String(block), block })
      throw new MooringError('block-damaged', { detail: `the snapshot of block ${block}` })
    }
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
      this.#report({ table: 'change', key: String(row.seq), block })
      return []
    })
  }

  #clockOf(rows: readonly StoredChange[]): LogPage['clock'] {
    return clockOfRows(rows, (block, actor) => {
      const row = this.#sql.clockOf.get(block, actor) as ClockColumns | undefined
      return row === undefined || !this.facts.isSoundClock(row) ? undefined : clockRow(row)
    })
  }

  #origin(id: number): Origin {
    const origin = this.facts.origin(id)
    if (origin === undefined) throw new MooringError('database-corrupt', { detail: `origin ${id} is missing` })
    return origin
  }
}

const asFound = ({ seq, hash, actor, actor_seq: actorSeq }: StoredChange) => ({
  seq,
  hash: hexOf(hash) as ChangeRow['hash'],
  actor: hexOf(actor) as ChangeRow['actor'],
  actorSeq: Number(actorSeq),
})
/** Greater than every position. */
const endless = Number.MAX_SAFE_INTEGER

function prepare(db: Database.Database) {
  const columns = 'c.seq, c.block, c.hash, c.max_op, c.actor, c.actor_seq, c.origin, c.sum, c.bytes'
  // Joined, so that every column comes from the table: the index has the block, too, and would hide that it turned there.
  const ofBlocks = (filter: string, index = '') =>
    db.prepare(
      `SELECT ${columns} FROM change i ${index} CROSS JOIN change c ON c.seq = i.seq
       WHERE i.seq > ? AND i.seq <= ? AND ${filter} ORDER BY i.seq`,
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
    log: db.prepare(`SELECT ${columns} FROM change c WHERE c.seq > ? AND c.seq <= ? ORDER BY c.seq`),
    blockLog: ofBlocks('i.block = ?'),
    // Named: a plan that walks the log from its beginning would cost what is in it of all other blocks.
    blocksLog: ofBlocks('i.block IN (SELECT value FROM json_each(?))', 'INDEXED BY change_by_block'),
    owners: db.prepare('SELECT block FROM change INDEXED BY change_by_block WHERE seq = ? AND block > 0').pluck(),
    asideHash: db.prepare('SELECT hash FROM quarantine WHERE block = ? AND seq = ?').pluck(),
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
