/**
 * Writes to the log: append, snapshots, epochs. Keeps: what is in memory here (the last seq, block rows, origin ids)
 * changes only after the commit that made it true.
 */
import { randomBytes } from 'node:crypto'
import type Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import type { BlockAddress, ChangeHash, PeerId } from '../../protocol/ids.ts'
import { AppendPlan } from './append-plan.ts'
import { type AppendTables, type PlannedBlock, toRow } from './planned.ts'
import type { PackedBatch, StoredChange, UnpackedChange } from './sqlite-pack.ts'
import { packHashes, unpackBatch } from './sqlite-pack.ts'
import { RepairWriter } from './sqlite-repairs.ts'
import { isSound, sealed } from './sqlite-row-sum.ts'
import type { BlockColumns } from './sqlite-rows.ts'
import { blockColumns, blockRow, json, quarantineColumns } from './sqlite-rows.ts'
import { changeSum, isSoundSnapshot, type SummedSnapshot, snapshotSum } from './sqlite-sum.ts'
import type { Transact } from './sqlite-transaction.ts'
import { UsageTable } from './sqlite-usage.ts'
import type { WriteStatements } from './sqlite-write-statements.ts'
import { prepareWrites } from './sqlite-write-statements.ts'
import type {
  AppendOutcome,
  BlockId,
  BlockRow,
  Epoch,
  Folded,
  FoldQuery,
  LostChanges,
  Origin,
  PeerUsage,
  Seq,
  Snapshot,
  VerifiedRow,
} from './storage.ts'
import { addedBy, rowBytes } from './usage-rows.ts'

/** A stored change is only its seq: a number crosses threads far cheaper than an object. */
export type PackedOutcome = Seq | AppendOutcome

/** Block rows kept in memory. One is a few hundred bytes plus its heads. */
const maxCachedBlocks = 4_096
/** Origin ids kept in memory: known replicas of all peers. */
const maxCachedOrigins = 4_096

export class LogWriter {
  readonly #transact: Transact
  readonly #self: PeerId | undefined
  readonly #sql: WriteStatements
  readonly #repairs: RepairWriter
  readonly #blocks = new Map<BlockId, BlockRow>()
  readonly #origins = new Map<string, number>()
  readonly #usage: UsageTable
  #lastSeq: Seq
  #lastBlock: BlockId

  constructor(db: Database.Database, transact: Transact, self: PeerId | undefined) {
    this.#transact = transact
    this.#self = self
    this.#sql = prepareWrites(db)
    this.#usage = new UsageTable(db)
    this.#repairs = new RepairWriter(db, this.#usage)
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
      const row = this.#mustBlock(block)
      if (this.#verifiedSeq(block) < seq) this.#sql.putVerified.run(sealed('verified', { block, seq }))
      if (row.visibleSeq <= seq) this.#putBlock({ ...row, heads })
    })
    this.#blocks.delete(block)
  }

  unsuspend(peer: PeerId): void {
    this.#transact(() => this.#sql.unsuspend.run(peer))
  }

  endWaiting(block: BlockId, seqs: readonly Seq[]): void {
    this.#transact(() => this.#repairs.endWaiting(block, seqs))
  }

  endLost(lost: Pick<LostChanges, 'block' | 'actor' | 'to'>): void {
    this.#transact(() => this.#repairs.endLost(lost))
  }

  putSnapshot({ block, seq, changes, heads, bytes }: Snapshot): PeerUsage[] {
    return this.#transact(() => {
      this.#mustBlock(block)
      const stored = this.#sql.snapshot.get(block) as StoredSnapshot | undefined
      if (stored !== undefined && stored.seq > seq && isSoundSnapshot(stored)) return []
      const packed = packHashes(heads)
      const sum = snapshotSum({ block, seq, changes, heads: packed, bytes })
      this.#sql.putSnapshot.run(block, seq, changes, packed, sum, bytes)
      return this.#usage.resize(block, bytes.length - (stored?.bytes.length ?? 0))
    })
  }

  /** As with {@link putVerified}, the cached row of the block is outdated. */
  fold({ block, until, maxRows }: FoldQuery): Folded {
    const gone = this.#transact(() => {
      const stored = this.#mustBlock(block)
      for (const [reached, detail] of [
        [this.#snapshotCard(block).seq, 'the snapshot does not reach'],
        [this.#verifiedSeq(block), 'not verified'],
      ] as const) {
        if (reached < until) throw new MooringError('wrong-state', { detail })
      }
      const rows = this.#sql.foldable.all(block, until, maxRows) as { seq: Seq; bytes: number }[]
      for (const { seq } of rows) this.#sql.deleteChange.run(seq)
      const last = rows.at(-1)
      if (last !== undefined) this.#putBlock({ ...stored, horizonSeq: Math.max(stored.horizonSeq, last.seq) })
      const bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
      const usage = this.#usage.resize(block, -bytes - rowBytes * rows.length)
      return { rows: rows.length, bytes, usage }
    })
    this.#blocks.delete(block)
    return gone
  }

  openEpoch(): Epoch {
    const epoch = { id: randomBytes(8).toString('hex'), startSeq: this.#lastSeq }
    this.#transact(() => {
      const n = 1 + Number(this.#sql.lastEpoch.get())
      this.#sql.insertEpoch.run(sealed('epoch', { n, id: epoch.id, start_seq: epoch.startSeq }))
    })
    return { ...epoch, endSeq: undefined }
  }

  #write(plan: AppendPlan<UnpackedChange>, newOrigins: Map<string, number>): void {
    const sql = this.#sql
    for (const entry of plan.setBacks) this.#repairs.setBack(entry)
    for (const block of plan.blocks.values()) this.#writeBlock(block)
    for (const { seq, block, kind, origin, data, supersedes } of plan.events) {
      const row = { seq, block, kind, origin: this.#origin(origin, newOrigins), data: json(data) }
      sql.insertEvent.run(sealed('event', row))
      if (supersedes !== undefined) sql.deleteEvent.run(supersedes)
    }
    for (const { block, row } of plan.objects) sql.putObject.run(sealed('object', { block, ...row }))
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
    this.#usage.add(addedBy(plan.changes.map(({ entry }) => entry)))
    for (const each of plan.returned) this.#repairs.return(each)
    this.#writeQuarantine(plan)
  }

  #writeQuarantine(plan: AppendPlan<UnpackedChange>): void {
    const sql = this.#sql
    for (const row of plan.quarantined) sql.insertQuarantine.run(sealed('quarantine', quarantineColumns(row)))
    for (const { peer, reason, atMs } of plan.suspended) {
      sql.suspend.run(sealed('suspension', { peer, reason, at_ms: atMs }))
    }
    for (const { block, hash, from, to } of plan.released) {
      const row = sql.change.get(from, block) as StoredChange | undefined
      if (row === undefined) throw new MooringError('database-corrupt', { detail: `row ${from} is missing` })
      const sum = changeSum({ ...row, seq: to })
      sql.moveChange.run(to, sum, from)
      sql.deleteQuarantine.run(block, Buffer.from(hash, 'hex'))
    }
  }

  #writeBlock(block: PlannedBlock): void {
    if (block.isNew || Math.max(block.visibleSeq, block.metaSeq) > this.#lastSeq) this.#putBlock(toRow(block))
    for (const { actor, seq, hash, maxOp, signature } of block.clock.values()) {
      const row = { block: block.id, actor: Buffer.from(actor, 'hex'), seq, hash: Buffer.from(hash, 'hex') }
      this.#sql.putClock.run(sealed('clock', { ...row, max_op: maxOp, signature }))
    }
  }

  #putBlock(row: BlockRow): void {
    this.#sql.putBlock.run(sealed('block', blockColumns(row)))
  }

  #tables(): AppendTables {
    return {
      lastSeq: this.#lastSeq,
      lastBlock: this.#lastBlock,
      approvedVersion: (peer) => this.#sql.approvedVersion.get(peer) as number | undefined,
      block: (id) => this.#block(id),
      newestAt: (address) => this.#newestAt(address),
      isQuarantined: (block, hash) => this.#sql.isQuarantined.get(block, Buffer.from(hash, 'hex')) !== undefined,
      isDamaged: (seq) => this.#repairs.isDamaged(seq),
    }
  }

  /** @throws `block-damaged` */
  #block(id: BlockId): BlockRow | undefined {
    const cached = this.#blocks.get(id)
    if (cached !== undefined) return cached
    const columns = this.#sql.block.get(id) as BlockColumns | undefined
    if (columns === undefined) return undefined
    if (!isSound('block', columns)) throw new MooringError('block-damaged', { detail: `block ${id}` })
    return blockRow(columns)
  }

  /** @throws `block-not-found`, `block-damaged` */
  #mustBlock(id: BlockId): BlockRow {
    const row = this.#block(id)
    if (row === undefined) throw new MooringError('block-not-found')
    return row
  }

  /** 0 for a block whose row says nothing that could be believed: verified anew, it gets another. */
  #verifiedSeq(block: BlockId): Seq {
    const row = this.#sql.verified.get(block) as VerifiedColumns | undefined
    return row !== undefined && isSound('verified', row) ? row.seq : 0
  }

  #snapshotCard(block: BlockId): { readonly seq: Seq; readonly bytes: number } {
    return (this.#sql.snapshotCard.get(block) as { seq: Seq; bytes: number } | undefined) ?? { seq: 0, bytes: 0 }
  }

  #newestAt(address: BlockAddress): BlockRow | undefined {
    const id = this.#sql.newestAt.get(address)
    return id === undefined ? undefined : this.#block(Number(id))
  }

  #origin({ peer, replica }: Origin, newOrigins: Map<string, number>): number {
    const key = `${peer} ${replica}`
    const cached = this.#origins.get(key) ?? newOrigins.get(key)
    if (cached !== undefined) return cached
    const id = Number(this.#sql.origin.get(peer, replica) ?? this.#insertOrigin(peer, replica))
    newOrigins.set(key, id)
    return id
  }

  #insertOrigin(peer: PeerId, replica: string): number {
    const id = 1 + Number(this.#sql.lastOrigin.get())
    this.#sql.insertOrigin.run(sealed('replica', { id, peer, replica }))
    return id
  }
}

type StoredSnapshot = SummedSnapshot & { readonly sum: Uint8Array }
type VerifiedColumns = { readonly block: BlockId; readonly seq: Seq; readonly sum: number }

/** The newest entries stay: a Map keeps its order, so the first key is the one that was set longest ago. */
function remember<Key, Value>(cache: Map<Key, Value>, key: Key, value: Value, max: number): void {
  cache.delete(key)
  cache.set(key, value)
  if (cache.size <= max) return
  const oldest = cache.keys().next()
  if (!oldest.done) cache.delete(oldest.value)
}
