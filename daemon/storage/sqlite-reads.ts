/**
 * Reads, on a connection that cannot write. Keeps: a call sees one state of the database, and a row whose checksum
 * does not fit is reported and never handed out.
 */
import type Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId, PeerId, ReplicaId } from '../../protocol/ids.ts'
import type { PackedRows, StoredChange } from './sqlite-pack.ts'
import { packRows, unpackHashes } from './sqlite-pack.ts'
import type {
  BlockColumns,
  ClockColumns,
  InviteColumns,
  PeerColumns,
  QuarantineColumns,
  RequestColumns,
} from './sqlite-rows.ts'
import { blockRow, clockRow, inviteRow, peerRow, quarantineRow, requestRow } from './sqlite-rows.ts'
import type { SummedSnapshot } from './sqlite-sum.ts'
import { changeSum, snapshotSum } from './sqlite-sum.ts'
import type {
  BlockId,
  BlockRow,
  BlockState,
  ChangeRow,
  ClockRow,
  Epoch,
  FoldableRows,
  InviteRow,
  LogQuery,
  ObjectRow,
  Origin,
  PeerRow,
  QuarantineRow,
  RequestRow,
  Seq,
  Snapshot,
  SnapshotCard,
  SuspensionRow,
  VerifiedRow,
} from './storage.ts'

/** A row that was found damaged, for the log. */
export interface DamagedRow {
  readonly table: 'change' | 'snapshot'
  readonly block: BlockId
  readonly seq: Seq
}

/** A page of the log on its way to the main thread. */
export interface PackedPage extends PackedRows {
  readonly next: Seq
}

/** The known changes of a block, which may be hundreds of thousands: 32 bytes of hash and one number each. */
export interface PackedState extends Omit<BlockState, 'known'> {
  readonly hashes: Uint8Array<ArrayBuffer>
  readonly maxOps: Float64Array<ArrayBuffer>
}

export class Reader {
  readonly #db: Database.Database
  readonly #sql: ReturnType<typeof prepare>
  readonly #report: (damaged: DamagedRow) => void
  readonly #origins = new Map<number, Origin>()

  constructor(db: Database.Database, report: (damaged: DamagedRow) => void) {
    this.#db = db
    this.#sql = prepare(db)
    this.#report = report
  }

  lastSeq(): Seq {
    return Number(this.#sql.lastSeq.get())
  }

  epochs(): Epoch[] {
    const rows = this.#sql.epochs.all() as { id: string; startSeq: Seq; endSeq: Seq | null }[]
    return rows.map(({ id, startSeq, endSeq }) => ({ id, startSeq, endSeq: endSeq ?? undefined }))
  }

  blocks(): BlockRow[] {
    return (this.#sql.blocks.all() as BlockColumns[]).map(blockRow)
  }

  clock(block: BlockId, actors?: readonly ActorId[]): readonly ClockRow[] {
    if (actors === undefined) return (this.#sql.clock.all(block) as ClockColumns[]).map(clockRow)
    return this.#db.transaction(() =>
      actors.flatMap((actor) => {
        const row = this.#sql.clockOf.get(block, Buffer.from(actor, 'hex')) as ClockColumns | undefined
        return row === undefined ? [] : [clockRow(row)]
      }),
    )()
  }

  blockState(block: BlockId): PackedState {
    return this.#db.transaction(() => {
      const row = this.#sql.block.get(block)
      if (row === undefined) throw new MooringError('block-not-found')
      const known = this.#sql.known.all(block) as [Uint8Array, number][]
      const hashes = new Uint8Array(known.length * 32)
      const maxOps = new Float64Array(known.length)
      for (const [index, [hash, maxOp]] of known.entries()) {
        hashes.set(hash, index * 32)
        maxOps[index] = maxOp
      }
      return {
        row: blockRow(row as BlockColumns),
        clock: (this.#sql.clock.all(block) as ClockColumns[]).map(clockRow),
        objects: this.#sql.objects.all(block) as ObjectRow[],
        hashes,
        maxOps,
      }
    })()
  }

  readLog({ after, until, block, maxBytes }: LogQuery): PackedPage {
    const { sql, values } =
      block === undefined
        ? { sql: this.#sql.log, values: [after, until] }
        : { sql: this.#sql.blockLog, values: [after, until, block] }
    const rows: StoredChange[] = []
    let bytes = 0
    // The iterator ends with the loop, so no read stays open that would keep the write-ahead log from shrinking.
    for (const row of sql.iterate(...values) as IterableIterator<StoredChange>) {
      const last = rows.at(-1)
      if (last !== undefined && bytes >= maxBytes) return this.#page(rows, last.seq)
      if (!changeSum(row).equals(row.sum)) {
        if (last !== undefined) return this.#page(rows, last.seq)
        throw this.#damaged({ table: 'change', block: row.block, seq: row.seq })
      }
      rows.push(row)
      bytes += row.bytes.length
    }
    return this.#page(rows, until)
  }

  snapshot(block: BlockId): Snapshot | undefined {
    const row = this.#sql.snapshot.get(block) as (SummedSnapshot & { readonly sum: Uint8Array }) | undefined
    if (row === undefined) return undefined
    if (!snapshotSum(row).equals(row.sum)) throw this.#damaged({ table: 'snapshot', block, seq: row.seq })
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

  firstAfter(block: BlockId, after: Seq): Pick<ChangeRow, 'actor' | 'actorSeq'>[] {
    const rows = this.#sql.firstAfter.all(block, after) as { actor: Buffer; actorSeq: number }[]
    return rows.map(({ actor, actorSeq }) => ({ actor: actor.toString('hex') as ChangeRow['actor'], actorSeq }))
  }

  quarantined(): QuarantineRow[] {
    return (this.#sql.quarantined.all() as QuarantineColumns[]).map(quarantineRow)
  }

  suspensions(): SuspensionRow[] {
    return this.#sql.suspensions.all() as SuspensionRow[]
  }

  verified(): VerifiedRow[] {
    return this.#sql.verified.all() as VerifiedRow[]
  }

  peers(): PeerRow[] {
    return this.#db.transaction(() => {
      const grants = Map.groupBy(this.#sql.grants.all() as { peer: string; text: string }[], ({ peer }) => peer)
      return (this.#sql.peers.all() as PeerColumns[]).map((row) =>
        peerRow(
          row,
          (grants.get(row.peer) ?? []).map(({ text }) => text),
        ),
      )
    })()
  }

  requests(): RequestRow[] {
    return (this.#sql.requests.all() as RequestColumns[]).map(requestRow)
  }

  invite(hash: string): InviteRow | undefined {
    const row = this.#sql.invite.get(hash)
    return row === undefined ? undefined : inviteRow(row as InviteColumns)
  }

  #page(rows: readonly StoredChange[], next: Seq): PackedPage {
    return { ...packRows(rows, (id) => this.#origin(id)), next }
  }

  #origin(id: number): Origin {
    const cached = this.#origins.get(id)
    if (cached !== undefined) return cached
    const row = this.#sql.origin.get(id) as { peer: PeerId; replica: ReplicaId } | undefined
    if (row === undefined) throw new MooringError('database-corrupt', { detail: `origin ${id} is missing` })
    this.#origins.set(id, row)
    return row
  }

  #damaged(damaged: DamagedRow): MooringError {
    this.#report(damaged)
    const { table, block, seq } = damaged
    return new MooringError('database-corrupt', { detail: `damaged ${table} row: block ${block}, seq ${seq}` })
  }
}

function prepare(db: Database.Database) {
  const log = (filter: string) =>
    db.prepare(
      `SELECT seq, block, hash, max_op, actor, actor_seq, origin, sum, bytes FROM change
       WHERE seq > ? AND seq <= ? ${filter} ORDER BY seq`,
    )
  return {
    lastSeq: db.prepare('SELECT coalesce(max(visible_seq), 0) FROM block').pluck(),
    epochs: db.prepare(
      'SELECT id, start_seq AS startSeq, lead(start_seq) OVER (ORDER BY n) AS endSeq FROM epoch ORDER BY n',
    ),
    blocks: db.prepare('SELECT * FROM block ORDER BY id'),
    block: db.prepare('SELECT * FROM block WHERE id = ?'),
    clock: db.prepare('SELECT actor, seq, hash, max_op, signature FROM clock WHERE block = ? ORDER BY actor'),
    clockOf: db.prepare('SELECT actor, seq, hash, max_op, signature FROM clock WHERE block = ? AND actor = ?'),
    objects: db.prepare('SELECT id, type, depth FROM object WHERE block = ?'),
    known: db.prepare('SELECT hash, max_op FROM change WHERE block = ? ORDER BY seq').raw(),
    log: log(''),
    blockLog: log('AND block = ?'),
    origin: db.prepare('SELECT peer, replica FROM replica WHERE id = ?'),
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
    firstAfter: db.prepare(
      'SELECT actor, min(actor_seq) AS actorSeq FROM change WHERE block = ? AND seq > ? GROUP BY actor',
    ),
    quarantined: db.prepare('SELECT * FROM quarantine ORDER BY seq'),
    suspensions: db.prepare('SELECT peer, reason, at_ms AS atMs FROM suspension ORDER BY peer'),
    verified: db.prepare('SELECT block, seq FROM verified'),
    peers: db.prepare('SELECT * FROM peer ORDER BY peer'),
    grants: db.prepare('SELECT peer, text FROM grant_ ORDER BY peer, n'),
    requests: db.prepare('SELECT * FROM request ORDER BY n'),
    invite: db.prepare('SELECT * FROM invite WHERE hash = ?'),
  }
}
