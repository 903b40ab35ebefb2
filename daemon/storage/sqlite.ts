/**
 * The storage port on SQLite, as the main thread holds it. No SQL runs here: a store thread writes and a reader
 * thread reads. Keeps: a read that is called after a write resolved sees that write, because the reader's statement
 * starts after the commit; and after a failure nothing is promised any more.
 */
import type { ActorId, ChangeHash, PeerId } from '../../protocol/ids.ts'
import type { ArchiveStorage } from './archive-rows.ts'
import type { BackendInit } from './backend.ts'
import { DamageReports } from './damage-reports.ts'
import { sqliteArchive } from './sqlite-archive.ts'
import { migrationsDir } from './sqlite-migrate-dir.ts'
import type { DurabilitySettings } from './sqlite-open.ts'
import { packBatch, unpackRows } from './sqlite-pack.ts'
import type { ReaderOps } from './sqlite-reader-thread.ts'
import { unpackState } from './sqlite-state.ts'
import type { StoreOps } from './sqlite-store-thread.ts'
import { StorageThread, type ThreadCalls } from './sqlite-thread.ts'
import type {
  AppendOutcome,
  BlockId,
  BlockRemains,
  BlockRow,
  BlockState,
  ChangeRow,
  CheckPosition,
  ClockRow,
  DamagedRow,
  Decision,
  Epoch,
  FoldableRows,
  Folded,
  FoldQuery,
  InviteRow,
  LogEntry,
  LogPage,
  LogQuery,
  LostChanges,
  PeerRow,
  PeerUsage,
  QuarantineRow,
  RequestRow,
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
import { closedError, storageFailed } from './storage-errors.ts'

export interface SqliteInit extends BackendInit {
  /**
   * Quiet time after which the write-ahead log is folded back.
   * @default 1000 ms
   */
  readonly idleMs?: number
  /**
   * Pages of the write-ahead log that are folded back without waiting for a quiet moment.
   * @default 1,000, four megabytes
   */
  readonly walPages?: number
  /** Bound on the size of the database in pages, which then acts like a full disk. No bound by default. */
  readonly maxPages?: number
  /** Where the migrations are; those of this version by default. */
  readonly migrationsDir?: string
}

/**
 * Takes the state directory and opens its database, migrating it if needed.
 * @throws `state-in-use`, `database-corrupt`, `database-newer`, `storage-full`, `storage-failed`
 */
export async function openSqlite(init: SqliteInit): Promise<SqliteStorage> {
  const failure = new AbortController()
  const onFail = (cause: unknown): void => {
    if (failure.signal.aborted) return
    init.log.error({ err: cause }, 'the database failed')
    failure.abort(storageFailed(cause))
  }
  const damage = new DamageReports(init.log)
  const listener = { log: init.log, onFail, onDamage: (row: DamagedRow) => damage.report(row) }
  const { dir, self, maxPages, walPages, idleMs = 1_000 } = init
  const folder = init.migrationsDir ?? migrationsDir
  const store = await StorageThread.start<StoreOps>(
    { kind: 'store', dir, self, maxPages, idleMs, walPages, migrationsDir: folder },
    listener,
  )
  try {
    const reader = await StorageThread.start<ReaderOps>({ kind: 'reader', dir }, listener)
    return new SqliteStorage({ store, reader, failed: failure.signal, damage })
  } catch (error) {
    await store.close()
    throw error
  }
}

interface SqliteComponents {
  readonly store: ThreadCalls<StoreOps>
  readonly reader: ThreadCalls<ReaderOps>
  readonly failed: AbortSignal
  readonly damage: DamageReports
}

export class SqliteStorage implements Storage {
  readonly failed: AbortSignal
  readonly archive: ArchiveStorage
  readonly #store: ThreadCalls<StoreOps>
  readonly #reader: ThreadCalls<ReaderOps>
  readonly #damage: DamageReports
  #closing: Promise<void> | undefined

  constructor({ store, reader, failed, damage }: SqliteComponents) {
    this.#store = store
    this.#reader = reader
    this.failed = failed
    this.#damage = damage
    this.archive = sqliteArchive({ store, reader, check: () => this.#check() })
  }

  onDamage(listener: (row: DamagedRow) => void): () => void {
    return this.#damage.listen(listener)
  }

  openEpoch(): Promise<Epoch> {
    return this.#write('openEpoch', [])
  }

  epochs(): Promise<readonly Epoch[]> {
    return this.#read('epochs', [])
  }

  lastSeq(): Promise<Seq> {
    return this.#read('lastSeq', [])
  }

  async append(entries: readonly LogEntry[]): Promise<readonly AppendOutcome[]> {
    const batch = packBatch(entries)
    const outcomes = await this.#write('append', [batch], [batch.bytes.buffer, batch.numbers.buffer])
    return outcomes.map((outcome) => (typeof outcome === 'number' ? { kind: 'stored', seq: outcome } : outcome))
  }

  blocks(): Promise<readonly BlockRow[]> {
    return this.#read('blocks', [])
  }

  clock(block: BlockId, actors?: readonly ActorId[]): Promise<readonly ClockRow[]> {
    return this.#read('clock', [block, actors])
  }

  async blockState(block: BlockId): Promise<BlockState> {
    return unpackState(await this.#read('blockState', [block]))
  }

  async readLog(query: LogQuery): Promise<LogPage> {
    const page = await this.#read('readLog', [query])
    return { rows: unpackRows(page), damaged: page.damaged, next: page.next, clock: page.clock }
  }

  putSnapshot(snapshot: Snapshot): Promise<readonly PeerUsage[]> {
    // A copy of exactly the content: the caller keeps its own, and nothing around it crosses over.
    const bytes = new Uint8Array(snapshot.bytes)
    return this.#write('putSnapshot', [{ ...snapshot, bytes }], [bytes.buffer])
  }

  snapshot(block: BlockId): Promise<Snapshot | undefined> {
    return this.#read('snapshot', [block])
  }

  snapshots(): Promise<readonly SnapshotCard[]> {
    return this.#read('snapshots', [])
  }

  foldable(block: BlockId, until: Seq): Promise<FoldableRows> {
    return this.#read('foldable', [block, until])
  }

  fold(query: FoldQuery): Promise<Folded> {
    return this.#write('fold', [query])
  }

  firstAfter(block: BlockId, after: Seq): Promise<readonly Pick<ChangeRow, 'actor' | 'actorSeq'>[]> {
    return this.#read('firstAfter', [block, after])
  }

  quarantined(): Promise<readonly QuarantineRow[]> {
    return this.#read('quarantined', [])
  }

  suspensions(): Promise<readonly SuspensionRow[]> {
    return this.#read('suspensions', [])
  }

  usage(): Promise<readonly PeerUsage[]> {
    return this.#read('usage', [])
  }

  verified(): Promise<readonly VerifiedRow[]> {
    return this.#read('verified', [])
  }

  putVerified(verified: VerifiedRow & { readonly heads: readonly ChangeHash[] }): Promise<void> {
    return this.#write('putVerified', [verified])
  }

  unsuspend(peer: PeerId): Promise<void> {
    return this.#write('unsuspend', [peer])
  }

  lookThrough(position: CheckPosition): Promise<CheckPosition | undefined> {
    return this.#read('lookThrough', [position])
  }

  remains(block: BlockId): Promise<BlockRemains> {
    return this.#read('remains', [block])
  }

  setBacks(): Promise<readonly SetBackRow[]> {
    return this.#read('setBacks', [])
  }

  waiting(): Promise<readonly WaitingCard[]> {
    return this.#read('waiting', [])
  }

  readWaiting(query: { block: BlockId; after: Seq; maxBytes: number }): Promise<WaitingPage> {
    return this.#read('readWaiting', [query])
  }

  endWaiting(block: BlockId, seqs: readonly Seq[]): Promise<void> {
    return this.#write('endWaiting', [block, seqs])
  }

  lost(): Promise<readonly LostChanges[]> {
    return this.#read('lost', [])
  }

  endLost(lost: Pick<LostChanges, 'block' | 'actor' | 'to'>): Promise<void> {
    return this.#write('endLost', [lost])
  }

  peers(): Promise<readonly PeerRow[]> {
    return this.#read('peers', [])
  }

  requests(): Promise<readonly RequestRow[]> {
    return this.#read('requests', [])
  }

  putRequest(request: RequestRow): Promise<void> {
    return this.#write('putRequest', [request])
  }

  putInvite(invite: InviteRow): Promise<void> {
    return this.#write('putInvite', [invite])
  }

  invite(hash: string): Promise<InviteRow | undefined> {
    return this.#read('invite', [hash])
  }

  decide(decision: Decision, options: { readonly urgent?: boolean } = {}): Promise<void> {
    return this.#write('decide', [decision, options.urgent ?? false])
  }

  prune(beforeMs: number): Promise<void> {
    return this.#write('prune', [beforeMs])
  }

  /** What SQLite reports on the connection that writes. */
  settings(): Promise<DurabilitySettings> {
    return this.#write('settings', [])
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    // The store goes last: the last connection to close folds the write-ahead log back, and only it may write.
    await this.#reader.close()
    await this.#store.close()
  }

  async #write<Op extends keyof StoreOps>(
    op: Op,
    args: Parameters<StoreOps[Op]>,
    transfer: ArrayBuffer[] = [],
  ): Promise<ReturnType<StoreOps[Op]>> {
    this.#check()
    return await this.#store.call(op, args, transfer)
  }

  async #read<Op extends keyof ReaderOps>(op: Op, args: Parameters<ReaderOps[Op]>): Promise<ReturnType<ReaderOps[Op]>> {
    this.#check()
    return await this.#reader.call(op, args)
  }

  #check(): void {
    if (this.#closing !== undefined) throw closedError()
    if (this.failed.aborted) throw storageFailed(this.failed.reason)
  }
}
