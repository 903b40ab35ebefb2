/**
 * The disk of a simulated daemon: the memory backend behind calls that take time. Keeps true what a real store promises:
 * what resolved is durable, what was on its way when the process died is there or not, and writes keep their order. The
 * store can be set back to any moment of its past, as from a backup.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type {
  AppendOutcome,
  BlockId,
  BlockRow,
  ChangeEntry,
  Decision,
  Epoch,
  FoldQuery,
  LogEntry,
  Seq,
  Snapshot,
  Storage,
  VerifiedRow,
} from '../../daemon/storage/index.ts'
import { openStorage } from '../../daemon/storage/index.ts'
import { allows, type Grant, type PeerId, parseGrant } from '../../protocol/index.ts'
import { silentLog } from '../fixtures/sync-world.ts'
import type { SimRandom } from './sim-random.ts'
import type { SimReport } from './sim-report.ts'
import { openSqlStore } from './sim-sql.ts'

export type Write =
  | { readonly kind: 'epoch' }
  | { readonly kind: 'append'; readonly entries: readonly LogEntry[] }
  | { readonly kind: 'decide'; readonly decision: Decision }
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly kind: 'verified'; readonly verified: Verified }
  | { readonly kind: 'fold'; readonly query: FoldQuery }
  | { readonly kind: 'unsuspend'; readonly peer: PeerId }
  | { readonly kind: 'end-waiting'; readonly block: BlockId; readonly seqs: readonly Seq[] }
  | { readonly kind: 'end-lost'; readonly lost: Parameters<Storage['endLost']>[0] }

export type Verified = VerifiedRow & { readonly heads: BlockRow['heads'] }

export interface StoreWeather {
  /** Usual and worst time of a write and of a read. */
  readonly writeMs: readonly [number, number]
  readonly readMs: readonly [number, number]
  /** Whether it is the store with the SQL. */
  readonly isSql: boolean
}

interface DiskInit {
  readonly random: SimRandom
  readonly weather: StoreWeather
  readonly report: SimReport
  readonly self: PeerId
}

/** The stream for which the log is read. */
export const logReaders = new AsyncLocalStorage<{ isBehind: boolean }>()

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
  /** Told when rows have gone because they are in a snapshot. */
  onFolded: () => void = () => {}
  /** Whether the running transaction is written already and only its answer is missing. */
  isWritten = false
  readonly #journal: Write[] = []
  #epochIds: string[] = []
  /** Changes in the store, by address and hash, of whatever generation, with the replica they came from. */
  #stored = new Map<string, string>()
  /** Blocks of which something was set aside at some time: what is released is new to everyone, with what builds on it. */
  readonly #wasAside = new Set<string>()
  readonly #granted = new Map<PeerId, { readonly version: number; readonly grants: Grant[] }>()
  readonly #addresses = new Map<number, string>()

  readonly #empty: () => Promise<Storage>

  private constructor(init: DiskInit, inner: Storage, empty: () => Promise<Storage>) {
    this.#empty = empty
    this.random = init.random
    this.weather = init.weather
    this.report = init.report
    this.self = init.self
    this.inner = inner
  }

  static async create(init: DiskInit): Promise<SimDisk> {
    const { self, weather } = init
    const empty = async (): Promise<Storage> =>
      weather.isSql ? openSqlStore(self) : openStorage({ backend: 'memory', dir: '', log: silentLog, self })
    return new SimDisk(init, await empty(), empty)
  }

  /** A moment that {@link restore} can go back to. */
  get moment(): number {
    return this.#journal.length
  }

  /** Hashes of all changes that are stored at an address, of whatever generation. */
  storedAt(address: string): string[] {
    return [...this.#stored.keys()].flatMap((known) => {
      const [at, hash] = known.split(' ')
      return at === address && hash !== undefined ? [hash] : []
    })
  }

  holds(address: string, hash: string): boolean {
    return this.#stored.has(`${address} ${hash}`)
  }

  isFrom(replica: string, address: string, hash: string): boolean {
    return this.#stored.get(`${address} ${hash}`) === replica && !this.#wasAside.has(address)
  }

  async restore(moment: number): Promise<void> {
    const writes = this.#journal.splice(0).slice(0, moment)
    this.inner = await this.#empty()
    this.#epochIds = this.#epochIds.slice(0, writes.filter((write) => write.kind === 'epoch').length)
    this.#stored = new Map()
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
      case 'fold': {
        const { rows } = await this.inner.fold(write.query)
        if (rows === 0) return []
        this.report.saw('compaction')
        this.onFolded()
        return []
      }
      case 'unsuspend':
        await this.inner.unsuspend(write.peer)
        return []
      case 'end-waiting':
        await this.inner.endWaiting(write.block, write.seqs)
        return []
      case 'end-lost':
        await this.inner.endLost(write.lost)
        return []
      case 'append': {
        const outcomes = await this.inner.append(write.entries)
        for (const [index, entry] of write.entries.entries()) {
          const outcome = outcomes[index]
          if (outcome?.kind !== 'stored') continue
          if (entry.kind === 'quarantine') {
            this.report.saw('quarantine')
            this.#wasAside.add(this.#addresses.get(entry.block) ?? '')
          }
          if (outcome.block !== undefined) this.#addresses.set(outcome.block.id, outcome.block.address)
          if (entry.kind !== 'change') continue
          this.#stored.set(`${this.#addresses.get(entry.block)} ${entry.hash}`, entry.origin.replica)
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
