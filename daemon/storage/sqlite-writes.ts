/**
 * Writes to the log: append, snapshots, epochs. Keeps: what is in memory here (the last seq, block rows, origin ids)
 * changes only after the commit that made it true.
 */
import { randomBytes } from 'node:crypto'
import type Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import type { BlockAddress, ChangeHash, PeerId } from '../../protocol/ids.ts'
import type { AppendTables, PlannedBlock } from './append-plan.ts'
import { AppendPlan, toRow } from './append-plan.ts'
import type { PackedBatch, StoredChange, UnpackedChange } from './sqlite-pack.ts'
import { packHashes, unpackBatch } from './sqlite-pack.ts'
import type { BlockColumns } from './sqlite-rows.ts'
import { blockRow, json } from './sqlite-rows.ts'
import { changeSum, snapshotSum } from './sqlite-sum.ts'
import type { Transact } from './sqlite-transaction.ts'
import type {
  AppendOutcome,
  BlockId,
  BlockRow,
  Epoch,
  FoldableRows,
  FoldQuery,
  Origin,
  Seq,
  Snapshot,
  VerifiedRow,
} from './storage.ts'

/** A stored change is only its seq: a number crosses threads far cheaper than an object. */
export type PackedOutcome = Seq | AppendOutcome

/** Block rows kept in memory. One is a few hundred bytes plus its heads. */
const maxCachedBlocks = 4_096
/** Origin ids kept in memory: known replicas of all peers. */
const maxCachedOrigins = 4_096

export class LogWriter {
  readonly #transact: Transact
  readonly #self: PeerId | undefined
  readonly #sql: ReturnType<typeof prepare>
  readonly #blocks = new Map<BlockId, BlockRow>()
  readonly #origins = new Map<string, number>()
  #lastSeq: Seq
  #lastBlock: BlockId

  constructor(db: Database.Database, transact: Transact, self: PeerId | undefined) {
    this.#transact = transact
    this.#self = self
    this.#sql = prepare(db)
    this.#lastSeq = Number(this.#sql.lastSeq.get())
    this.#lastBlock = Number(this.#sql.lastBlock.get())
  }

  append(batch: PackedBatch): PackedOutcome[] {
    const newOrigins = new Map<string, number>()
    const plan = this.#transact(() => {
      newOrigins.clear()
      const made = new AppendPlan<UnpackedChange>(unpackBatch(batch), this.#tables(), this.#self)
      if (!made.isEmpty) this.#write(made, newOrigins)
      return made
    })
    this.#lastSeq = plan.lastSeq
    this.#lastBlock = plan.lastBlock
    for (const block of plan.blocks.values()) remember(this.#blocks, block.id, toRow(block), maxCachedBlocks)
    for (const [key, id] of newOrigins) remember(this.#origins, key, id, maxCachedOrigins)
    return plan.outcomes.map((outcome) =>
      outcome.kind === 'stored' && outcome.block === undefined ? outcome.seq : outcome,
    )
  }

  /** The cached row of the block has other heads now: it is read again when it is needed. */
  putVerified({ block, seq, heads }: VerifiedRow & { readonly heads: readonly ChangeHash[] }): void {
    this.#transact(() => {
      if (this.#block(block) === undefined) throw new MooringError('block-not-found')
      this.#sql.putVerified.run(block, seq)
      this.#sql.putHeads.run(packHashes(heads), block, seq)
    })
    this.#blocks.delete(block)
  }

  unsuspend(peer: PeerId): void {
    this.#transact(() => this.#sql.unsuspend.run(peer))
  }

  putSnapshot({ block, seq, changes, heads, bytes }: Snapshot): void {
    this.#transact(() => {
      if (this.#block(block) === undefined) throw new MooringError('block-not-found')
      const stored = this.#sql.snapshotSeq.get(block)
      if (stored !== undefined && Number(stored) > seq) return
      const packed = packHashes(heads)
      const sum = snapshotSum({ block, seq, changes, heads: packed, bytes })
      this.#sql.putSnapshot.run(block, seq, changes, packed, sum, bytes)
    })
  }

  /** As with {@link putVerified}, the cached row of the block is outdated. */
  fold({ block, until, maxRows }: FoldQuery): Omit<FoldableRows, 'lastSeq'> {
    const gone = this.#transact(() => {
      if (this.#block(block) === undefined) throw new MooringError('block-not-found')
      for (const [reached, detail] of [
        [this.#sql.snapshotSeq.get(block), 'the snapshot does not reach'],
        [this.#sql.verifiedSeq.get(block), 'not verified'],
      ] as const) {
        if (Number(reached ?? 0) < until) throw new MooringError('wrong-state', { detail })
      }
      const rows = this.#sql.foldable.all(block, until, maxRows) as { seq: Seq; bytes: number }[]
      for (const { seq } of rows) this.#sql.deleteChange.run(seq)
      const last = rows.at(-1)
      if (last !== undefined) this.#sql.setHorizon.run(last.seq, block)
      return rows
    })
    this.#blocks.delete(block)
    return { rows: gone.length, bytes: gone.reduce((sum, { bytes }) => sum + bytes, 0) }
  }

  openEpoch(): Epoch {
    const epoch = { id: randomBytes(8).toString('hex'), startSeq: this.#lastSeq }
    this.#transact(() => this.#sql.insertEpoch.run(epoch.id, epoch.startSeq))
    return { ...epoch, endSeq: undefined }
  }

  #write(plan: AppendPlan<UnpackedChange>, newOrigins: Map<string, number>): void {
    const sql = this.#sql
    for (const block of plan.blocks.values()) this.#writeBlock(block)
    for (const { seq, block, kind, origin, data } of plan.events) {
      sql.insertEvent.run(seq, block, kind, this.#origin(origin, newOrigins), json(data))
    }
    for (const { block, row } of plan.objects) sql.insertObject.run(block, row.id, row.type, row.depth)
    let last: Origin | undefined
    let originId = 0
    for (const { seq, entry } of plan.changes) {
      if (entry.origin !== last) {
        originId = this.#origin(entry.origin, newOrigins)
        last = entry.origin
      }
      const { block, hashBytes, actorBytes, actorSeq, maxOp, bytes } = entry
      const sum = changeSum({
        seq,
        block,
        max_op: maxOp,
        actor_seq: actorSeq,
        origin: originId,
        hash: hashBytes,
        actor: actorBytes,
        bytes,
      })
      sql.insertChange.run(seq, block, hashBytes, maxOp, actorBytes, actorSeq, entry.ops, originId, sum, bytes)
    }
    this.#writeQuarantine(plan)
  }

  #writeQuarantine(plan: AppendPlan<UnpackedChange>): void {
    const sql = this.#sql
    for (const { block, hash, seq, eventSeq, actor, actorSeq, peer, cause, reason, atMs } of plan.quarantined) {
      const names = [block, Buffer.from(hash, 'hex'), seq, eventSeq, Buffer.from(actor, 'hex'), actorSeq, peer]
      sql.insertQuarantine.run(...names, Buffer.from(cause ?? '', 'hex'), reason, atMs)
    }
    for (const { peer, reason, atMs } of plan.suspended) sql.suspend.run(peer, reason, atMs)
    for (const { block, hash, from, to } of plan.released) {
      const row = sql.change.get(from, block) as StoredChange | undefined
      if (row === undefined) throw new MooringError('database-corrupt', { detail: `row ${from} is missing` })
      const sum = changeSum({ ...row, seq: to })
      sql.moveChange.run(to, sum, from)
      sql.deleteQuarantine.run(block, Buffer.from(hash, 'hex'))
    }
  }

  #writeBlock(block: PlannedBlock): void {
    const sql = this.#sql
    const heads = packHashes(block.heads)
    const { visibleSeq, deletedSeq, maxOp, ops, gaps, changes } = block
    if (block.isNew) {
      const { id, address, scope, label, generation, schema, owner, createdAtMs, createdSeq, metaSeq } = block
      const names = [id, address, scope, label, generation, schema, json(block.meta), owner]
      sql.insertBlock.run(
        ...names,
        createdAtMs,
        createdSeq,
        metaSeq,
        visibleSeq,
        deletedSeq,
        maxOp,
        ops,
        gaps,
        changes,
        heads,
      )
    } else if (visibleSeq > this.#lastSeq) {
      sql.updateBlock.run(visibleSeq, deletedSeq, maxOp, ops, gaps, changes, heads, block.id)
    }
    for (const { actor, seq, hash, maxOp: op, signature } of block.clock.values()) {
      sql.putClock.run(block.id, Buffer.from(actor, 'hex'), seq, Buffer.from(hash, 'hex'), op, signature)
    }
  }

  #tables(): AppendTables {
    return {
      lastSeq: this.#lastSeq,
      lastBlock: this.#lastBlock,
      approvedVersion: (peer) => this.#sql.approvedVersion.get(peer) as number | undefined,
      block: (id) => this.#block(id),
      newestAt: (address) => this.#newestAt(address),
      isQuarantined: (block, hash) => this.#sql.isQuarantined.get(block, Buffer.from(hash, 'hex')) !== undefined,
    }
  }

  #block(id: BlockId): BlockRow | undefined {
    const cached = this.#blocks.get(id)
    if (cached !== undefined) return cached
    const columns = this.#sql.block.get(id)
    return columns === undefined ? undefined : blockRow(columns as BlockColumns)
  }

  #newestAt(address: BlockAddress): BlockRow | undefined {
    const id = this.#sql.newestAt.get(address)
    return id === undefined ? undefined : this.#block(Number(id))
  }

  #origin({ peer, replica }: Origin, newOrigins: Map<string, number>): number {
    const key = `${peer} ${replica}`
    const cached = this.#origins.get(key) ?? newOrigins.get(key)
    if (cached !== undefined) return cached
    const id = Number(this.#sql.origin.get(peer, replica) ?? this.#sql.insertOrigin.get(peer, replica))
    newOrigins.set(key, id)
    return id
  }
}

/** The newest entries stay: a Map keeps its order, so the first key is the one that was set longest ago. */
function remember<Key, Value>(cache: Map<Key, Value>, key: Key, value: Value, max: number): void {
  cache.delete(key)
  cache.set(key, value)
  if (cache.size <= max) return
  const oldest = cache.keys().next()
  if (!oldest.done) cache.delete(oldest.value)
}

function prepare(db: Database.Database) {
  return {
    // Every row of the log raises the visible_seq of its block, so this is the last seq in use.
    lastSeq: db.prepare('SELECT coalesce(max(visible_seq), 0) FROM block').pluck(),
    lastBlock: db.prepare('SELECT coalesce(max(id), 0) FROM block').pluck(),
    approvedVersion: db.prepare("SELECT grant_version FROM peer WHERE peer = ? AND state = 'approved'").pluck(),
    block: db.prepare('SELECT * FROM block WHERE id = ?'),
    newestAt: db.prepare('SELECT id FROM block WHERE address = ? ORDER BY generation DESC LIMIT 1').pluck(),
    insertBlock: db.prepare(
      `INSERT INTO block (id, address, scope, label, generation, schema, meta, owner, created_at_ms, created_seq,
         meta_seq, visible_seq, deleted_seq, max_op, ops, gaps, changes, heads)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    updateBlock: db.prepare(
      'UPDATE block SET visible_seq = ?, deleted_seq = ?, max_op = ?, ops = ?, gaps = ?, changes = ?, heads = ? WHERE id = ?',
    ),
    putClock: db.prepare(
      `INSERT INTO clock (block, actor, seq, hash, max_op, signature) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (block, actor) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, max_op = excluded.max_op,
         signature = excluded.signature`,
    ),
    insertEvent: db.prepare('INSERT INTO event (seq, block, kind, origin, data) VALUES (?, ?, ?, ?, ?)'),
    insertObject: db.prepare(
      'INSERT INTO object (block, id, type, depth) VALUES (?, ?, ?, ?) ON CONFLICT (block, id) DO NOTHING',
    ),
    insertChange: db.prepare(
      `INSERT INTO change (seq, block, hash, max_op, actor, actor_seq, ops, origin, sum, bytes)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    origin: db.prepare('SELECT id FROM replica WHERE peer = ? AND replica = ?').pluck(),
    insertOrigin: db.prepare('INSERT INTO replica (peer, replica) VALUES (?, ?) RETURNING id').pluck(),
    isQuarantined: db.prepare('SELECT 1 FROM quarantine WHERE block = ? AND hash = ?').pluck(),
    insertQuarantine: db.prepare(
      `INSERT INTO quarantine (block, hash, seq, event_seq, actor, actor_seq, peer, cause, reason, at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    deleteQuarantine: db.prepare('DELETE FROM quarantine WHERE block = ? AND hash = ?'),
    change: db.prepare(
      `SELECT seq, block, hash, max_op, actor, actor_seq, origin, sum, bytes FROM change WHERE seq = ? AND block = ?`,
    ),
    moveChange: db.prepare('UPDATE change SET seq = ?, sum = ? WHERE seq = ?'),
    suspend: db.prepare('INSERT INTO suspension (peer, reason, at_ms) VALUES (?, ?, ?) ON CONFLICT (peer) DO NOTHING'),
    unsuspend: db.prepare('DELETE FROM suspension WHERE peer = ?'),
    putVerified: db.prepare(
      'INSERT INTO verified (block, seq) VALUES (?, ?) ON CONFLICT (block) DO UPDATE SET seq = max(seq, excluded.seq)',
    ),
    putHeads: db.prepare('UPDATE block SET heads = ? WHERE id = ? AND visible_seq <= ?'),
    verifiedSeq: db.prepare('SELECT seq FROM verified WHERE block = ?').pluck(),
    // Below the horizon nothing is left but what is in quarantine: it would be passed over again each time.
    foldable: db.prepare(
      `SELECT seq, length(bytes) AS bytes FROM change
       WHERE block = ? AND seq > (SELECT horizon_seq FROM block WHERE id = change.block) AND seq <= ?
         AND seq NOT IN (SELECT seq FROM quarantine) ORDER BY seq LIMIT ?`,
    ),
    deleteChange: db.prepare('DELETE FROM change WHERE seq = ?'),
    setHorizon: db.prepare('UPDATE block SET horizon_seq = max(horizon_seq, ?) WHERE id = ?'),
    snapshotSeq: db.prepare('SELECT seq FROM snapshot WHERE block = ?').pluck(),
    putSnapshot: db.prepare(
      `INSERT INTO snapshot (block, seq, changes, heads, sum, bytes) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (block) DO UPDATE SET seq = excluded.seq, changes = excluded.changes, heads = excluded.heads,
         sum = excluded.sum, bytes = excluded.bytes`,
    ),
    insertEpoch: db.prepare('INSERT INTO epoch (id, start_seq) VALUES (?, ?)'),
  }
}
