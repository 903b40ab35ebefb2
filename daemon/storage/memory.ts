/**
 * The storage port without a disk: the same rules and the same guarantees, except that nothing outlives the process.
 * Every row is copied on its way in and on its way out, so that no caller holds a part of the store.
 */
import { randomBytes } from 'node:crypto'
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId, BlockAddress, ChangeHash, PeerId } from '../../protocol/ids.ts'
import { AppendPlan } from './append-plan.ts'
import type { BackendInit } from './backend.ts'
import { clockOfRows } from './log-clock.ts'
import { MemoryFindings } from './memory-findings.ts'
import { cardOf, checkFold, type FoldTables, firstOfActors, foldableRows, measure } from './memory-fold.ts'
import { MemoryPeers } from './memory-peers.ts'
import { clearBlock, MemoryRepairs } from './memory-repairs.ts'
import { copyBytes, copyClock, copySnapshot, firstAfter } from './memory-rows.ts'
import { MemoryUsage } from './memory-usage.ts'
import { type AppendTables, type PlannedBlock, toRow } from './planned.ts'
import type {
  AppendOutcome,
  BlockId,
  BlockRemains,
  BlockRow,
  BlockState,
  ChangeRow,
  ClockRow,
  Epoch,
  FoldableRows,
  Folded,
  FoldQuery,
  LogEntry,
  LogPage,
  LogQuery,
  LostChanges,
  ObjectRow,
  PeerUsage,
  QuarantineRow,
  Seq,
  SetBackRow,
  Snapshot,
  SnapshotCard,
  Storage,
  SuspensionRow,
  VerifiedRow,
  WaitingCard,
  WaitingPage,
} from './storage.ts'
import { closedError } from './storage-errors.ts'
import { addedBy, rowBytes, totals } from './usage-rows.ts'

interface StoredBlock {
  row: BlockRow
  readonly clock: Map<ActorId, ClockRow>
  readonly objects: Map<string, ObjectRow>
  snapshot: Snapshot | undefined
}

/** Opens an empty store. */
export async function openMemory(init: Pick<BackendInit, 'self'>): Promise<Storage> {
  return new MemoryStorage(init.self)
}

class MemoryStorage extends MemoryPeers implements Storage {
  /** Never aborts: there is no disk that could fail. */
  readonly failed = new AbortController().signal
  readonly #self: PeerId | undefined
  readonly #blocks = new Map<BlockId, StoredBlock>()
  readonly #newest = new Map<BlockAddress, BlockId>()
  #log: ChangeRow[] = []
  readonly #epochs: { readonly id: string; readonly startSeq: Seq }[] = []
  readonly #found = new MemoryFindings()
  readonly #usage = new MemoryUsage()
  readonly #repairs = new MemoryRepairs()
  #seq: Seq = 0
  #isOpen = true

  constructor(self: PeerId | undefined) {
    super(self)
    this.#self = self
  }

  /** Nothing rots in memory. */
  onDamage(): () => void {
    return () => {}
  }

  async openEpoch(): Promise<Epoch> {
    this.check()
    const epoch = { id: randomBytes(8).toString('hex'), startSeq: this.#seq }
    this.#epochs.push(epoch)
    return { ...epoch, endSeq: undefined }
  }

  async epochs(): Promise<readonly Epoch[]> {
    this.check()
    return this.#epochs.map((epoch, index) => ({ ...epoch, endSeq: this.#epochs[index + 1]?.startSeq }))
  }

  async lastSeq(): Promise<Seq> {
    this.check()
    return this.#seq
  }

  async append(entries: readonly LogEntry[]): Promise<readonly AppendOutcome[]> {
    this.check()
    const plan = new AppendPlan(entries, this.#appendTables(), this.#self)
    // The plan is complete: from here on nothing can throw, so the call is written as a whole.
    const dropped = plan.setBacks.map((entry) => [entry.row.id, clearBlock(this.#stored(entry.row.id), entry)] as const)
    for (const block of plan.blocks.values()) this.#writeBlock(block)
    for (const { block, row } of plan.objects) this.#stored(block).objects.set(row.id, { ...row })
    for (const { seq, entry } of plan.changes) {
      const { block, hash, actor, actorSeq, maxOp } = entry
      const own = { origin: { ...entry.origin }, bytes: copyBytes(entry.bytes) }
      this.#log.push({ seq, block, hash, actor, actorSeq, maxOp, ...own })
    }
    this.#found.write(plan)
    this.#usage.add(addedBy(plan.changes.map(({ entry }) => entry)))
    for (const { from, to } of plan.released) {
      const [moved] = this.#log.splice(firstAfter(this.#log, from - 1), 1)
      if (moved !== undefined) this.#log.splice(firstAfter(this.#log, to), 0, { ...moved, seq: to })
    }
    this.#log = this.#repairs.write(plan, this.#log, { usage: this.#usage, droppedBytes: new Map(dropped) })
    this.#seq = plan.lastSeq
    return plan.outcomes
  }

  async blocks(): Promise<readonly BlockRow[]> {
    this.check()
    return [...this.#blocks.values()].map(({ row }) => structuredClone(row))
  }

  async clock(block: BlockId, actors?: readonly ActorId[]): Promise<readonly ClockRow[]> {
    this.check()
    const clock = this.#blocks.get(block)?.clock ?? new Map<ActorId, ClockRow>()
    return structuredClone(actors?.flatMap((actor) => clock.get(actor) ?? []) ?? [...clock.values()])
  }

  async blockState(block: BlockId): Promise<BlockState> {
    this.check()
    const { row, clock, objects } = this.#stored(block)
    const known = this.#log.flatMap((each) => (each.block === block ? [{ hash: each.hash, maxOp: each.maxOp }] : []))
    const content = this.#usage.contentOf(block)
    return structuredClone({ row, content, clock: [...clock.values()], objects: [...objects.values()], known })
  }

  async readLog({ after, until, block, maxBytes }: LogQuery): Promise<LogPage> {
    this.check()
    const rows: ChangeRow[] = []
    const blocks = block === undefined ? undefined : new Set([block].flat())
    const clockOf = (of: BlockId, actor: ActorId) => structuredClone(this.#blocks.get(of)?.clock.get(actor))
    const page = (next: Seq): LogPage => ({ rows, damaged: [], next, clock: clockOfRows(rows, clockOf) })
    let bytes = 0
    for (let index = firstAfter(this.#log, after); index < this.#log.length; index += 1) {
      const row = this.#log[index]
      if (row === undefined || row.seq > until) break
      if (blocks?.has(row.block) === false) continue
      const last = rows.at(-1)
      if (last !== undefined && bytes >= maxBytes) return page(last.seq)
      rows.push({ ...row, origin: { ...row.origin }, bytes: copyBytes(row.bytes) })
      bytes += row.bytes.length
    }
    return page(until)
  }

  async putSnapshot(snapshot: Snapshot): Promise<readonly PeerUsage[]> {
    this.check()
    const stored = this.#stored(snapshot.block)
    if (stored.snapshot !== undefined && stored.snapshot.seq > snapshot.seq) return []
    const before = stored.snapshot?.bytes.length ?? 0
    stored.snapshot = copySnapshot(snapshot)
    return this.#usage.resize(snapshot.block, snapshot.bytes.length - before)
  }

  async snapshot(block: BlockId): Promise<Snapshot | undefined> {
    this.check()
    const stored = this.#blocks.get(block)?.snapshot
    return stored === undefined ? undefined : copySnapshot(stored)
  }

  async snapshots(): Promise<readonly SnapshotCard[]> {
    this.check()
    return [...this.#blocks.values()].flatMap(({ snapshot }) =>
      snapshot ? [cardOf(this.#foldTables(), snapshot)] : [],
    )
  }

  async foldable(block: BlockId, until: Seq): Promise<FoldableRows> {
    this.check()
    return measure(foldableRows(this.#foldTables(), block, until))
  }

  async fold({ block, until, maxRows }: FoldQuery): Promise<Folded> {
    this.check()
    const stored = this.#stored(block)
    checkFold(this.#foldTables(), stored, until)
    const gone = new Set(foldableRows(this.#foldTables(), block, until).slice(0, maxRows))
    const { lastSeq, ...amount } = measure([...gone])
    this.#log = this.#log.filter((row) => !gone.has(row))
    stored.row = { ...stored.row, horizonSeq: Math.max(stored.row.horizonSeq, lastSeq) }
    return { ...amount, usage: this.#usage.resize(block, -amount.bytes - rowBytes * amount.rows) }
  }

  async firstAfter(block: BlockId, after: Seq): Promise<readonly Pick<ChangeRow, 'actor' | 'actorSeq'>[]> {
    this.check()
    return firstOfActors(this.#log, block, after)
  }

  async quarantined(): Promise<readonly QuarantineRow[]> {
    this.check()
    return this.#found.quarantined()
  }

  async suspensions(): Promise<readonly SuspensionRow[]> {
    this.check()
    return this.#found.suspensions()
  }

  async usage(): Promise<readonly PeerUsage[]> {
    this.check()
    return totals([...this.#usage.rows(), ...this.archive.usage()])
  }

  async verified(): Promise<readonly VerifiedRow[]> {
    this.check()
    return this.#found.verified()
  }

  async putVerified({ block, seq, heads }: VerifiedRow & { readonly heads: readonly ChangeHash[] }): Promise<void> {
    this.check()
    const stored = this.#stored(block)
    this.#found.putVerified(block, seq)
    if (stored.row.visibleSeq <= seq) stored.row = { ...stored.row, heads: [...heads] }
  }

  async unsuspend(peer: PeerId): Promise<void> {
    this.check()
    this.#found.unsuspend(peer)
  }

  async lookThrough(): Promise<undefined> {
    this.check()
  }

  async remains(block: BlockId): Promise<BlockRemains> {
    this.check()
    const { row, clock } = this.#stored(block)
    return structuredClone({ row, clock: [...clock.values()], isSound: true })
  }

  async setBacks(): Promise<readonly SetBackRow[]> {
    this.check()
    return this.#repairs.setBacks()
  }

  async waiting(): Promise<readonly WaitingCard[]> {
    this.check()
    return this.#repairs.waiting()
  }

  async readWaiting(query: { block: BlockId; after: Seq; maxBytes: number }): Promise<WaitingPage> {
    this.check()
    return this.#repairs.readWaiting(query)
  }

  async endWaiting(block: BlockId, seqs: readonly Seq[]): Promise<void> {
    this.check()
    this.#repairs.endWaiting(block, seqs, this.#usage)
  }

  async lost(): Promise<readonly LostChanges[]> {
    this.check()
    return this.#repairs.lost()
  }

  async endLost(lost: Pick<LostChanges, 'block' | 'actor' | 'to'>): Promise<void> {
    this.check()
    this.#repairs.endLost(lost)
  }

  async close(): Promise<void> {
    this.#isOpen = false
  }

  protected check(): void {
    if (!this.#isOpen) throw closedError()
  }

  #stored(block: BlockId): StoredBlock {
    const stored = this.#blocks.get(block)
    if (stored === undefined) throw new MooringError('block-not-found')
    return stored
  }

  #writeBlock(planned: PlannedBlock): void {
    const row = toRow(planned)
    const stored = this.#blocks.get(planned.id)
    const clock = stored?.clock ?? new Map<ActorId, ClockRow>()
    for (const next of planned.clock.values()) clock.set(next.actor, copyClock(next))
    if (stored !== undefined) stored.row = row
    else this.#blocks.set(planned.id, { row, clock, objects: new Map(), snapshot: undefined })
    if (planned.isNew) this.#newest.set(planned.address, planned.id)
  }

  #appendTables(): AppendTables {
    return {
      lastSeq: this.#seq,
      // Blocks are only ever marked as deleted, so their count is their last id.
      lastBlock: this.#blocks.size,
      approvedVersion: (peer) => this.approvedVersion(peer),
      block: (id) => this.#blocks.get(id)?.row,
      newestAt: (address) => this.#blocks.get(this.#newest.get(address) ?? 0)?.row,
      isQuarantined: (block, hash) => this.#found.isQuarantined(block, hash),
      isDamaged: (seq) => this.#log[firstAfter(this.#log, seq - 1)]?.seq !== seq,
    }
  }

  #foldTables(): FoldTables {
    return { log: this.#log, found: this.#found }
  }
}
