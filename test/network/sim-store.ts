/**
 * The disk of a simulated daemon: the memory backend behind calls that take time. Keeps true what a real store promises:
 * what resolved is durable, what was on its way when the process died is there or not, and writes keep their order. The
 * store can be set back to any moment of its past, as from a backup.
 */
import type {
  AppendOutcome,
  ChangeEntry,
  Decision,
  Epoch,
  FoldQuery,
  LogEntry,
  LogPage,
  LogQuery,
  PeerRow,
  Seq,
  Snapshot,
  Storage,
} from '../../daemon/storage/index.ts'
import { openStorage } from '../../daemon/storage/index.ts'
import { allows, type Grant, MooringError, type PeerId, parseGrant } from '../../protocol/index.ts'
import { silentLog } from '../fixtures/sync-world.ts'
import type { ClockScope } from './sim-clock.ts'
import type { SimRandom } from './sim-random.ts'
import type { SimReport } from './sim-report.ts'

type Write =
  | { readonly kind: 'epoch' }
  | { readonly kind: 'append'; readonly entries: readonly LogEntry[] }
  | { readonly kind: 'decide'; readonly decision: Decision }
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly kind: 'verified'; readonly verified: Parameters<Storage['putVerified']>[0] }
  | { readonly kind: 'fold'; readonly query: FoldQuery }

export interface StoreWeather {
  /** Usual and worst time of a write and of a read. */
  readonly writeMs: readonly [number, number]
  readonly readMs: readonly [number, number]
}

export class SimDisk {
  readonly random: SimRandom
  readonly weather: StoreWeather
  readonly report: SimReport
  readonly self: PeerId
  inner: Storage
  isFull = false
  /** The store reports one failed commit, which may have happened or not. */
  failsNext = false
  /** Entries of the transaction that is running. */
  running: readonly LogEntry[] = []
  /** Whether the running transaction is written already and only its answer is missing. */
  isWritten = false
  readonly #journal: Write[] = []
  #epochIds: string[] = []
  /** Changes in the store, by block and hash. */
  #stored = new Set<string>()
  readonly #granted = new Map<PeerId, { readonly version: number; readonly grants: Grant[] }>()
  readonly #addresses = new Map<number, string>()

  private constructor(
    init: { random: SimRandom; weather: StoreWeather; report: SimReport; self: PeerId },
    inner: Storage,
  ) {
    this.random = init.random
    this.weather = init.weather
    this.report = init.report
    this.self = init.self
    this.inner = inner
  }

  static async create(init: {
    random: SimRandom
    weather: StoreWeather
    report: SimReport
    self: PeerId
  }): Promise<SimDisk> {
    return new SimDisk(init, await emptyStore(init.self))
  }

  /** A moment that {@link restore} can go back to. */
  get moment(): number {
    return this.#journal.length
  }

  holds(block: number, hash: string): boolean {
    return this.#stored.has(`${block} ${hash}`)
  }

  async restore(moment: number): Promise<void> {
    const writes = this.#journal.splice(0).slice(0, moment)
    this.inner = await emptyStore(this.self)
    this.#epochIds = this.#epochIds.slice(0, writes.filter((write) => write.kind === 'epoch').length)
    this.#stored = new Set()
    this.#granted.clear()
    this.#addresses.clear()
    for (const write of writes) await this.write(write)
  }

  async write(write: Write): Promise<readonly AppendOutcome[]> {
    this.#journal.push(write)
    switch (write.kind) {
      case 'epoch': {
        await this.inner.openEpoch()
        const nth = (await this.inner.epochs()).length
        if (this.#epochIds.length < nth) this.#epochIds.push(Buffer.from(this.random.bytes(8)).toString('hex'))
        return []
      }
      case 'decide':
        await this.inner.decide(write.decision)
        if (write.decision.peer !== undefined) {
          const { peer, grantVersion, grants, state } = write.decision.peer.row
          const parsed = state === 'approved' ? grants.map(parseGrant) : []
          this.#granted.set(peer, { version: grantVersion, grants: parsed })
        }
        return []
      case 'snapshot':
        await this.inner.putSnapshot(write.snapshot)
        return []
      case 'verified':
        await this.inner.putVerified(write.verified)
        return []
      case 'fold':
        await this.inner.fold(write.query)
        return []
      case 'append': {
        const outcomes = await this.inner.append(write.entries)
        for (const [index, entry] of write.entries.entries()) {
          const outcome = outcomes[index]
          if (outcome?.kind !== 'stored') continue
          if (outcome.block !== undefined) this.#addresses.set(outcome.block.id, outcome.block.address)
          if (entry.kind !== 'change') continue
          this.#stored.add(`${entry.block} ${entry.hash}`)
          this.#check(entry)
        }
        return outcomes
      }
    }
  }

  async epochs(): Promise<readonly Epoch[]> {
    const epochs = await this.inner.epochs()
    // The backend draws its own; here they follow from the seed.
    return epochs.map((epoch, index) => ({ ...epoch, id: this.#epochIds[index] ?? '' }))
  }

  /** A row is stored only for a peer that may write there, under the version of its grant that holds at that moment. */
  #check(entry: ChangeEntry): void {
    const { peer } = entry.origin
    const granted = this.#granted.get(peer)
    const address = this.#addresses.get(entry.block) ?? ''
    const mayWrite =
      granted !== undefined && allows(granted.grants, { area: 'blocks', right: 'write', subject: address })
    if (!mayWrite || granted.version !== entry.grantVersion) {
      this.report.fail(`a change to ${address} was stored that its sender might not write`)
    }
  }
}

const emptyStore = (self: PeerId): Promise<Storage> => openStorage({ backend: 'memory', dir: '', log: silentLog, self })

/** The store as one life of the daemon sees it: after the life has ended, nothing that it asked is ever answered. */
export class LifeStore implements Storage {
  readonly #disk: SimDisk
  readonly #clock: ClockScope
  readonly #failed = new AbortController()
  readonly failed = this.#failed.signal
  #tail: Promise<unknown> = Promise.resolve()

  constructor(disk: SimDisk, clock: ClockScope) {
    this.#disk = disk
    this.#clock = clock
  }

  append(entries: readonly LogEntry[]): Promise<readonly AppendOutcome[]> {
    const own = entries.map((entry) => (entry.kind === 'change' ? { ...entry, bytes: entry.bytes.slice() } : entry))
    return this.#inOrder(async () => {
      const { report } = this.#disk
      this.#disk.running = own
      this.#disk.isWritten = false
      await this.#writeTime()
      if (this.#disk.isFull && own.length > 0) {
        report.saw('storage full')
        this.#disk.running = []
        throw new MooringError('storage-full')
      }
      const isFailing = this.#disk.failsNext
      this.#disk.failsNext = false
      if (isFailing && this.#disk.random.chance(0.5)) this.#fail()
      const outcomes = await this.#disk.write({ kind: 'append', entries: own })
      this.#disk.isWritten = true
      report.trace(
        `store ${outcomes.map((outcome) => (outcome.kind === 'stored' ? outcome.seq : outcome.kind)).join()}`,
      )
      for (const outcome of outcomes) {
        if (outcome.kind === 'refused' && outcome.code === 'grant-changed') report.saw('grant change in flight')
      }
      if (isFailing) this.#fail()
      await this.#writeTime()
      this.#disk.running = []
      return outcomes
    })
  }

  decide(decision: Decision): Promise<void> {
    const own = structuredClone(decision)
    return this.#inOrder(async () => {
      await this.#writeTime()
      await this.#disk.write({ kind: 'decide', decision: own })
      await this.#writeTime()
    })
  }

  putSnapshot(snapshot: Snapshot): Promise<void> {
    return this.#inOrder(async () => {
      await this.#writeTime()
      await this.#disk.write({ kind: 'snapshot', snapshot })
    })
  }

  putVerified(verified: Parameters<Storage['putVerified']>[0]): Promise<void> {
    return this.#inOrder(async () => {
      await this.#writeTime()
      await this.#disk.write({ kind: 'verified', verified })
    })
  }

  fold(query: FoldQuery): ReturnType<Storage['fold']> {
    return this.#inOrder(async () => {
      await this.#writeTime()
      const before = await this.#disk.inner.foldable(query.block, query.until)
      await this.#disk.write({ kind: 'fold', query })
      const after = await this.#disk.inner.foldable(query.block, query.until)
      return { rows: before.rows - after.rows, bytes: before.bytes - after.bytes }
    })
  }

  openEpoch(): Promise<Epoch> {
    return this.#inOrder(async () => {
      await this.#writeTime()
      await this.#disk.write({ kind: 'epoch' })
      const epoch = (await this.#disk.epochs()).at(-1)
      if (epoch === undefined) throw new Error('no epoch was opened')
      return epoch
    })
  }

  epochs = (): Promise<readonly Epoch[]> => this.#read(() => this.#disk.epochs())
  lastSeq = (): Promise<Seq> => this.#read(() => this.#disk.inner.lastSeq())
  blocks: Storage['blocks'] = () => this.#read(() => this.#disk.inner.blocks())
  clock: Storage['clock'] = (block) => this.#read(() => this.#disk.inner.clock(block))
  blockState: Storage['blockState'] = (block) => this.#read(() => this.#disk.inner.blockState(block))
  snapshot: Storage['snapshot'] = (block) => this.#read(() => this.#disk.inner.snapshot(block))
  firstAfter: Storage['firstAfter'] = (block, after) => this.#read(() => this.#disk.inner.firstAfter(block, after))
  foldable: Storage['foldable'] = (block, until) => this.#read(() => this.#disk.inner.foldable(block, until))
  peers = (): Promise<readonly PeerRow[]> => this.#read(() => this.#disk.inner.peers())

  readLog(query: LogQuery): Promise<LogPage> {
    // Only a watcher that has fallen behind the ring reads all blocks at once.
    if (query.block === undefined) this.#disk.report.saw('lag')
    return this.#read(() => this.#disk.inner.readLog(query))
  }

  // Nothing is verified here: these take no time, so that the schedules of known seeds stay what they are.
  quarantined: Storage['quarantined'] = () => this.#disk.inner.quarantined()
  suspensions: Storage['suspensions'] = () => this.#disk.inner.suspensions()
  verified: Storage['verified'] = () => notSimulated()
  snapshots: Storage['snapshots'] = () => notSimulated()
  unsuspend: Storage['unsuspend'] = () => notSimulated()
  requests: Storage['requests'] = () => notSimulated()
  putRequest: Storage['putRequest'] = () => notSimulated()
  putInvite: Storage['putInvite'] = () => notSimulated()
  invite: Storage['invite'] = () => notSimulated()
  prune: Storage['prune'] = () => notSimulated()
  close: Storage['close'] = () => notSimulated()

  #fail(): never {
    this.#disk.running = []
    this.#failed.abort()
    throw new MooringError('storage-failed')
  }

  #writeTime(): Promise<void> {
    return this.#clock.wait(this.#disk.random.delay(...this.#disk.weather.writeMs) / 2)
  }

  /** Reads are a snapshot of the moment they run in, somewhere between the call and the answer. */
  async #read<Value>(read: () => Promise<Value>): Promise<Value> {
    const ms = this.#disk.random.delay(...this.#disk.weather.readMs)
    const share = this.#disk.random.unit()
    await this.#clock.wait(ms * share)
    const value = await read()
    await this.#clock.wait(ms * (1 - share))
    return value
  }

  #inOrder<Value>(write: () => Promise<Value>): Promise<Value> {
    const done = this.#tail.then(() => {
      if (this.#failed.signal.aborted) throw new MooringError('storage-failed')
      return write()
    })
    this.#tail = done.catch(() => {})
    return done
  }
}

const notSimulated = (): never => {
  throw new Error('the simulation has no such call')
}
