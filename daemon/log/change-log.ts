/**
 * The log: opens an epoch, takes changes and blocks in, lets watchers and readers follow. Everything else that the
 * daemon knows about blocks is a view of it.
 */

import type { BlockMeta } from '../../protocol/block-meta.ts'
import { MooringError } from '../../protocol/errors.ts'
import type { BlockAddress, ChangeHash, PeerId } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import { readChange, type Settlement } from '../../protocol/sync/index.ts'
import { LineShares } from '../line-shares.ts'
import type {
  BlockId,
  BlockRow,
  Epoch,
  LogEntry,
  LostChanges,
  Origin,
  PeerUsage,
  QuarantinedChange,
  QuarantineRow,
  ReplaceEntry,
  Seq,
  SetBackRow,
  Storage,
  SuspensionRow,
  WaitingCard,
} from '../storage/storage.ts'
import { Authors } from './authors.ts'
import type { AuthorGrant } from './authorship.ts'
import { BlockCreation, type CreateBlock } from './block-creation.ts'
import { BlockIndex } from './block-index.ts'
import { ownReplica } from './change-entry.ts'
import { Committer } from './committer.ts'
import { FanOut } from './fan-out.ts'
import { Holdings } from './holdings.ts'
import { Ingest, type Submission, suspendedError } from './ingest.ts'
import { Ledgers } from './ledgers.ts'
import { LogReader } from './log-reader.ts'
import { LossReport } from './loss-report.ts'
import { Missing } from './missing.ts'
import { Pace } from './pace.ts'
import { Quarantine } from './quarantine.ts'
import { type Quotas, quotasOf } from './quotas.ts'
import type { History } from './recall.ts'
import type { RepairComponents } from './repair-components.ts'
import { Resupply } from './resupply.ts'
import { type LogGroup, Ring } from './ring.ts'
import { Seals } from './seals.ts'
import { Usage } from './usage.ts'
import type { WatcherComponents } from './watcher-components.ts'

export interface ChangeLogInit {
  readonly storage: Storage
  readonly clock: Clock
  readonly self: PeerId
  /** The private key of the daemon. */
  readonly seed: Uint8Array
  /** Every key that was ever approved. */
  peers(): Iterable<PeerId>
  /** The grant of an approved peer. */
  grantOf(peer: PeerId): AuthorGrant | undefined
  readonly history: History
  /** @default 16 MiB */
  readonly ringBytes?: number
  /** @default those of `limits` */
  readonly quotas?: Partial<Quotas>
}

const complaintsPerMinute = 10

/** Made by {@link openChangeLog}: what is below exists only once the store was read. */
export class ChangeLog {
  readonly index: BlockIndex
  readonly watcherComponents: WatcherComponents
  /** How to end the open sync streams of each replica, oldest first, by peer and replica. */
  readonly streams = new Map<string, Set<(reason: MooringError) => void>>()
  readonly quarantine: Quarantine
  readonly holdings = new Holdings()
  /** Of changes that plugins say they cannot take. */
  readonly complaints: LineShares
  /** What was lost with damaged rows, and what waits for it. */
  readonly missing: Missing
  readonly repairComponents: RepairComponents
  readonly losses: LossReport
  readonly usage: Usage
  readonly authors: Authors
  readonly #init: ChangeLogInit
  readonly #committer: Committer
  readonly #ingest: Ingest
  readonly #ledgers: Ledgers
  readonly #creation: BlockCreation

  constructor(init: ChangeLogInit, state: ChangeLogState) {
    this.#init = init
    const { storage, clock, self } = init
    this.complaints = new LineShares(clock, complaintsPerMinute)
    const index = new BlockIndex()
    index.load(state.rows, state.quarantined, state.setBacks)
    const missing = new Missing(state.lost, state.waiting)
    const quarantine = new Quarantine(state.quarantined, state.suspensions)
    const ring = new Ring(state.lastSeq, init.ringBytes ?? 16 * 1024 * 1024)
    const fanOut = new FanOut({ ring, clock, position: state.lastSeq })
    const onSetBack = (block: BlockId): void => ledgers.drop(block)
    const committer = new Committer({ storage, index, fanOut, quarantine, missing, onSetBack }, state.lastSeq)
    const ledgers = new Ledgers(storage, () => committer.barrier())
    this.index = index
    this.quarantine = quarantine
    const quotas = quotasOf(init.quotas)
    const usage = new Usage(self, quotas.maxBytesPerPeer, state.usage)
    this.usage = usage
    this.missing = missing
    this.repairComponents = { storage, quarantine, missing, committer, ledgers, own: () => this.#own() }
    this.losses = new LossReport(state.epochs, () => committer.published)
    this.#committer = committer
    this.#ledgers = ledgers
    const { history, grantOf } = init
    this.#ingest = new Ingest({
      ...{ self, index, ledgers, committer, clock, quarantine, quotas, usage, history, missing, grantOf },
    })
    this.authors = new Authors(self, () => init.peers())
    const seals = new Seals(init.seed)
    const { maxBlocksPerPeer } = quotas
    this.#creation = new BlockCreation({
      ...{ index, committer, quarantine, seals, clock, maxBlocksPerPeer },
      own: this.#own(),
    })
    const reader = new LogReader(storage, this.authors)
    const resupply = new Resupply({ index, reader, clock })
    this.watcherComponents = {
      ...{ self, index, quarantine, ring, reader, resupply, seals, committer, fanOut },
      pace: new Pace(clock),
      epochs: state.epochs,
      clock,
    }
  }

  /** The log may be read up to here. */
  get published(): number {
    return this.#committer.published
  }

  submit(submission: Submission): Promise<Settlement[]> {
    return this.#ingest.submit(submission)
  }

  /** The block at an address, made if there is none. @throws what {@link BlockCreation.create} throws */
  create(block: CreateBlock): Promise<BlockRow> {
    return this.#creation.create(block)
  }

  /**
   * Changes what is said of a block beside its content; `by` the daemon itself when nobody is named.
   * @throws `block-not-found`, `invalid-input`, `quota-exceeded`, `suspended`, `rate-limited`, `grant-changed`
   */
  async describe(address: BlockAddress, patch: BlockMeta, by = this.#own()): Promise<BlockRow> {
    const row = this.index.at(address)
    if (row === undefined) throw new MooringError('block-not-found')
    this.index.optionsRoom.checkPatch(row, patch)
    this.spend(by.origin.peer, opsPerMeta)
    const entry = { kind: 'meta' as const, ...by, block: row.id, patch, atMs: this.#init.clock.nowMs() }
    const [outcome] = await this.#committer.submit([entry])
    if (outcome?.kind === 'refused') {
      throw new MooringError(outcome.code === 'block-deleted' ? 'block-not-found' : outcome.code)
    }
    return this.index.byId(row.id) ?? row
  }

  /** Lets a peer write what counts for so many operations; the daemon may always. @throws `suspended`, `rate-limited` */
  spend(peer: PeerId, ops: number): void {
    if (peer === this.#init.self) return
    const suspension = this.quarantine.suspension(peer)
    if (suspension !== undefined) throw suspendedError(suspension)
    this.#ingest.spend(peer, ops)
  }

  /** Sets changes aside and suspends the peers of those that fail by themselves, in one transaction. */
  async setAside(block: BlockId, changes: readonly QuarantinedChange[]): Promise<void> {
    const row = this.index.byId(block)
    const suspend = new Map<PeerId, string>()
    for (const { cause, actor, peer: sender, hash, reason } of changes) {
      // Who wrote it, and not who brought it: a supplier cannot have changed a byte of it.
      const peer = this.authors.of(actor) ?? sender
      if (cause !== undefined || peer === this.#init.self || suspend.has(peer)) continue
      suspend.set(peer, `change ${hash.slice(0, 12)} of ${row?.address}: ${reason}`)
    }
    await this.#submitOwn({
      kind: 'quarantine',
      ...this.#own(),
      block,
      changes,
      suspend: [...suspend].map(([peer, reason]) => ({ peer, reason })),
      atMs: this.#init.clock.nowMs(),
    })
  }

  /**
   * Takes a change out of quarantine, and what was set aside because of it. It is verified again like anything new.
   * @throws `change-not-found`, `block-deleted`
   */
  async release(block: BlockId, hash: ChangeHash): Promise<QuarantineRow[]> {
    if (!this.quarantine.hasHash(block, hash)) throw new MooringError('change-not-found')
    const released = new Set([hash])
    const rows = this.quarantine.rows(block).filter((row) => {
      if (row.cause !== undefined && released.has(row.cause)) released.add(row.hash)
      return released.has(row.hash)
    })
    const changes = await Promise.all(
      rows.map(async (row) => ({ hash: row.hash, seq: row.seq, deps: depsOf(await this.quarantinedBytes(row)) })),
    )
    await this.#submitOwn({ kind: 'release', ...this.#own(), block, changes })
    return rows
  }

  /** The bytes of a change in quarantine, as they were taken in. @throws `change-not-found`, `database-corrupt` */
  async quarantinedBytes({ block, seq, hash }: QuarantineRow): Promise<Uint8Array> {
    const { rows } = await this.#init.storage.readLog({ block, after: seq - 1, until: seq, maxBytes: 1 })
    const [row] = rows
    if (row?.hash !== hash) throw new MooringError('change-not-found')
    return row.bytes
  }

  /**
   * Ends the generation of a block and begins the next one with these changes, unless the block has a row after `visibleSeq`.
   * @throws `wrong-state`, `block-deleted`
   */
  async replace(entry: Omit<ReplaceEntry, 'kind' | 'origin' | 'grantVersion' | 'atMs'>): Promise<BlockRow> {
    const atMs = this.#init.clock.nowMs()
    const row = await this.#submitOwn({ kind: 'replace', ...this.#own(), ...entry, atMs })
    if (row === undefined) throw new MooringError('internal', { detail: 'a replacement without a block' })
    return this.index.byId(row.id) ?? row
  }

  /** Lets a peer write again. */
  async unsuspend(peer: PeerId): Promise<void> {
    await this.#init.storage.unsuspend(peer)
    this.quarantine.unsuspend(peer)
  }

  /**
   * The changes of a block up to `horizon` are about to be removed: its snapshot stands for them from here on. What was
   * kept of them in memory goes too.
   */
  fold(block: BlockId, horizon: Seq): Promise<void> {
    this.index.folded(block, horizon)
    return this.#ledgers.forget(block)
  }

  /** Told after each commit, in order. Listeners must not throw and must not wait. */
  onPublish(listener: (groups: readonly LogGroup[]) => void): () => void {
    return this.#committer.onPublish(listener)
  }

  /** Resolves when everything that was accepted is durable or refused. */
  settled(): Promise<void> {
    return this.#committer.barrier()
  }

  /** Who the daemon's own entries come from. */
  #own(): { readonly origin: Origin; readonly grantVersion: number } {
    return { origin: { peer: this.#init.self, replica: ownReplica }, grantVersion: 0 }
  }

  async #submitOwn(entry: LogEntry): Promise<BlockRow | undefined> {
    const [outcome] = await this.#committer.submit([entry])
    if (outcome?.kind === 'refused') throw new MooringError(outcome.code)
    return outcome?.block
  }
}

/** What a change of metadata counts for, in operations: a row, and a frame to every watcher. */
const opsPerMeta = 500

/** What a change builds on; nothing, for one that cannot be read. */
function depsOf(bytes: Uint8Array): readonly ChangeHash[] {
  try {
    return readChange(bytes).deps
  } catch {
    return []
  }
}

interface ChangeLogState {
  readonly rows: readonly BlockRow[]
  readonly epochs: readonly Epoch[]
  readonly lastSeq: number
  readonly quarantined: readonly QuarantineRow[]
  readonly suspensions: readonly SuspensionRow[]
  readonly usage: readonly PeerUsage[]
  readonly setBacks: readonly SetBackRow[]
  readonly lost: readonly LostChanges[]
  readonly waiting: readonly WaitingCard[]
}

/** Starts an epoch and reads what the log must know before it takes anything in. */
export async function openChangeLog(init: ChangeLogInit): Promise<ChangeLog> {
  await init.storage.openEpoch()
  const { storage } = init
  const [rows, epochs, lastSeq, quarantined, suspensions, usage, setBacks, lost, waiting] = await Promise.all([
    storage.blocks(),
    storage.epochs(),
    storage.lastSeq(),
    storage.quarantined(),
    storage.suspensions(),
    storage.usage(),
    storage.setBacks(),
    storage.lost(),
    storage.waiting(),
  ])
  return new ChangeLog(init, {
    ...{ rows, epochs, lastSeq, quarantined, suspensions, usage, setBacks, lost, waiting },
  })
}
