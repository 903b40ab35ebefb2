/** The disk of a simulated daemon as one life of it sees it: calls that take time, and are never answered after its end. */
import type {
  AppendOutcome,
  BlockId,
  Decision,
  Epoch,
  FoldQuery,
  LogEntry,
  LogPage,
  LogQuery,
  PeerRow,
  PeerUsage,
  Seq,
  Snapshot,
  Storage,
} from '../../daemon/storage/index.ts'
import { MooringError, type PeerId } from '../../protocol/index.ts'
import type { ClockScope } from './sim-clock.ts'
import { logReaders, type SimDisk, type Verified, type Write } from './sim-disk.ts'

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

  /** Nobody in a simulation uses it. */
  get archive(): Storage['archive'] {
    return this.#disk.inner.archive
  }

  onDamage: Storage['onDamage'] = (listener) => this.#disk.inner.onDamage(listener)

  append(entries: readonly LogEntry[]): Promise<readonly AppendOutcome[]> {
    const own = entries.map((entry) => (entry.kind === 'change' ? { ...entry, bytes: entry.bytes.slice() } : entry))
    return this.#inOrder(async () => {
      const { report } = this.#disk
      // What a dead process had still in line is written by nobody.
      if (!this.#clock.isDead) this.#disk.running = own
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
    return this.#write({ kind: 'decide', decision: structuredClone(decision) })
  }

  putSnapshot(snapshot: Snapshot): ReturnType<Storage['putSnapshot']> {
    return this.#inOrder(async () => {
      await this.#writeTime()
      const usage = await this.#changing({ kind: 'snapshot', snapshot })
      await this.#writeTime()
      return usage
    })
  }

  putVerified(verified: Verified): Promise<void> {
    return this.#write({ kind: 'verified', verified })
  }

  fold(query: FoldQuery): ReturnType<Storage['fold']> {
    return this.#inOrder(async () => {
      await this.#writeTime()
      const { inner } = this.#disk
      const before = await inner.foldable(query.block, query.until)
      const usage = await this.#changing({ kind: 'fold', query })
      const after = await inner.foldable(query.block, query.until)
      await this.#writeTime()
      return { rows: before.rows - after.rows, bytes: before.bytes - after.bytes, usage }
    })
  }

  unsuspend(peer: PeerId): Promise<void> {
    return this.#write({ kind: 'unsuspend', peer })
  }

  endWaiting(block: BlockId, seqs: readonly Seq[]): Promise<void> {
    return this.#write({ kind: 'end-waiting', block, seqs })
  }

  endLost(lost: Parameters<Storage['endLost']>[0]): Promise<void> {
    return this.#write({ kind: 'end-lost', lost })
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
  usage: Storage['usage'] = () => this.#read(() => this.#disk.inner.usage())
  clock: Storage['clock'] = (block, actors) => this.#read(() => this.#disk.inner.clock(block, actors))
  blockState: Storage['blockState'] = (block) => this.#read(() => this.#disk.inner.blockState(block))
  snapshot: Storage['snapshot'] = (block) => this.#read(() => this.#disk.inner.snapshot(block))
  snapshots: Storage['snapshots'] = () => this.#read(() => this.#disk.inner.snapshots())
  firstAfter: Storage['firstAfter'] = (block, after) => this.#read(() => this.#disk.inner.firstAfter(block, after))
  foldable: Storage['foldable'] = (block, until) => this.#read(() => this.#disk.inner.foldable(block, until))
  peers = (): Promise<readonly PeerRow[]> => this.#read(() => this.#disk.inner.peers())

  readLog(query: LogQuery): Promise<LogPage> {
    // Only a watcher that has fallen behind the ring reads all blocks at once.
    const reader = logReaders.getStore()
    if (query.block === undefined && reader !== undefined) {
      if (!reader.isBehind) this.#disk.report.saw('lag detach')
      reader.isBehind = true
    }
    return this.#read(() => this.#disk.inner.readLog(query))
  }

  quarantined: Storage['quarantined'] = () => this.#read(() => this.#disk.inner.quarantined())
  suspensions: Storage['suspensions'] = () => this.#read(() => this.#disk.inner.suspensions())
  verified: Storage['verified'] = () => this.#read(() => this.#disk.inner.verified())
  lookThrough: Storage['lookThrough'] = (position) => this.#read(() => this.#disk.inner.lookThrough(position))
  remains: Storage['remains'] = (block) => this.#read(() => this.#disk.inner.remains(block))
  setBacks: Storage['setBacks'] = () => this.#read(() => this.#disk.inner.setBacks())
  waiting: Storage['waiting'] = () => this.#read(() => this.#disk.inner.waiting())
  readWaiting: Storage['readWaiting'] = (query) => this.#read(() => this.#disk.inner.readWaiting(query))
  lost: Storage['lost'] = () => this.#read(() => this.#disk.inner.lost())
  requests: Storage['requests'] = () => notSimulated()
  putRequest: Storage['putRequest'] = () => notSimulated()
  putInvite: Storage['putInvite'] = () => notSimulated()
  invite: Storage['invite'] = () => notSimulated()
  prune: Storage['prune'] = () => notSimulated()
  close: Storage['close'] = () => notSimulated()

  #write(write: Write): Promise<void> {
    return this.#inOrder(async () => {
      await this.#writeTime()
      await this.#disk.write(write)
      await this.#writeTime()
    })
  }

  /** By how much peers take up more afterwards, or less. */
  async #changing(write: Write): Promise<PeerUsage[]> {
    const { inner } = this.#disk
    const before = new Map((await inner.usage()).map(({ peer, disk }) => [peer, disk]))
    await this.#disk.write(write)
    return (await inner.usage()).map(({ peer, disk }) => ({ peer, disk: disk - (before.get(peer) ?? 0) }))
  }

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
