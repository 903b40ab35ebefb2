/**
 * The disk of one simulated plugin: the real tables of a replica on a database in memory, behind calls that take time. Keeps
 * true what the real store promises: what resolved is there after a crash, a transaction that was on its way is there as a
 * whole or not at all. It can be copied while it is in use, and set back to an earlier state.
 */
import Database from 'better-sqlite3'
import { fold } from '../../plugin-sdk/memory/fold.ts'
import { fromThreadError, toThreadError } from '../../plugin-sdk/memory/sqlite-errors.ts'
import { createTables } from '../../plugin-sdk/memory/sqlite-file.ts'
import { Tables } from '../../plugin-sdk/memory/sqlite-tables.ts'
import type { ReplicaStore, StoredContent, StoreInit, StoreState, StoreWrite } from '../../plugin-sdk/memory/store.ts'
import { type BlockAddress, MooringError, schemaNamed } from '../../protocol/index.ts'
import { readChange } from '../../protocol/sync/index.ts'
import type { ClockScope } from './sim-clock.ts'
import type { SimRandom } from './sim-random.ts'
import type { SimReport } from './sim-report.ts'

export interface HomeInit {
  readonly random: SimRandom
  readonly report: SimReport
  /** Usual and worst time of a transaction. */
  readonly writeMs: readonly [number, number]
}

/** The state of a disk at one moment. */
export interface HomeImage {
  readonly bytes: Buffer
  readonly place: string
  readonly saved: ReadonlyMap<string, string>
}

let template: Buffer | undefined

function emptyImage(): Buffer {
  if (template === undefined) {
    const db = new Database(':memory:')
    createTables(db)
    template = db.serialize()
    db.close()
  }
  return template
}

let places = 0

export class SimHome {
  isFull = false
  /** The next transaction fails in a way that leaves open whether it is written. */
  failsNext = false
  /** Where each change that was made here is stored as not settled: its author may have been told that it is saved. */
  saved = new Map<string, string>()
  readonly #init: HomeInit
  #db: Database.Database
  #place: string

  constructor(init: HomeInit, image?: HomeImage) {
    this.#init = init
    this.#db = new Database(Buffer.from(image?.bytes ?? emptyImage()))
    this.#place = image?.place ?? `place ${places++}`
    this.saved = new Map(image?.saved)
  }

  /** @param isMoved whether it is another file to who opens it: a copy, not the same one put back */
  image(isMoved: boolean): HomeImage {
    const place = isMoved ? `place ${places++}` : this.#place
    return { bytes: this.#db.serialize(), place, saved: new Map(this.saved) }
  }

  /** The older state is in the place of the newer one. */
  restore({ bytes, place, saved }: HomeImage): void {
    this.#db.close()
    this.#db = new Database(Buffer.from(bytes))
    this.#place = place
    this.saved = new Map(saved)
  }

  /** Opens the store for one process. */
  open(init: StoreInit, clock: ClockScope, onWritten: (made: readonly string[]) => void): LifeReplicaStore {
    const tables = new Tables(this.#db)
    return new LifeReplicaStore({ ...this.#init, home: this, tables, clock, onWritten }, tables.open(init, this.#place))
  }

  close(): void {
    this.#db.close()
  }

  noteSaved(hashes: readonly string[], address: string): void {
    for (const hash of hashes) this.saved.set(hash, address)
  }
}

interface LifeStoreInit extends HomeInit {
  readonly home: SimHome
  readonly tables: Tables
  readonly clock: ClockScope
  /** Told of the changes made here as they are handed over. */
  onWritten(made: readonly string[]): void
}

/** The store as one process of the plugin sees it. */
export class LifeReplicaStore implements ReplicaStore {
  readonly state: StoreState
  readonly #init: LifeStoreInit
  #tail: Promise<unknown> = Promise.resolve()
  #failure: MooringError | undefined
  #calls = 0
  #isFolding = false

  constructor(init: LifeStoreInit, state: StoreState) {
    this.#init = init
    this.state = state
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  get isBusy(): boolean {
    return this.#calls > 0
  }

  write(writes: readonly StoreWrite[]): Promise<void> {
    const own = structuredClone(writes)
    const made = madeIn(own)
    for (const { hashes } of made) this.#init.onWritten(hashes)
    return this.#inOrder(async () => {
      const { home, random, report, tables } = this.#init
      if (home.isFull) {
        report.saw('replica store full')
        throw new MooringError('storage-full')
      }
      const isFailing = home.failsNext
      home.failsNext = false
      if (isFailing && random.chance(0.5)) this.#fail()
      tables.write(own)
      for (const { hashes, address } of made) home.noteSaved(hashes, address)
      if (isFailing) this.#fail()
    })
  }

  read(address: BlockAddress): Promise<StoredContent> {
    return this.#inOrder(async () => structuredClone(this.#init.tables.read(address)))
  }

  async close(): Promise<void> {
    await this.#inOrder(async () => {}).catch(() => {})
  }

  /** Folds the settled changes of a block into a snapshot, beside whatever is written meanwhile. */
  async fold(block: number): Promise<void> {
    const { clock, random, report, tables } = this.#init
    const due = tables.foldable(block, 2)
    if (due === undefined || this.#failure !== undefined || this.#isFolding) return
    this.#isFolding = true
    const base = due.snapshot ?? schemaNamed(due.schema).initial.bytes
    const { bytes, changes } = fold({ base: Uint8Array.from(base), changes: due.changes })
    await clock.wait(random.delay(20, 400))
    tables.fold(block, due, bytes, changes)
    this.#isFolding = false
    report.saw('replica folded')
  }

  #fail(): never {
    this.#failure = new MooringError('storage-failed')
    throw this.#failure
  }

  /** Half of the time before and half after: a crash in between finds the transaction written and not answered. */
  #inOrder<Value>(work: () => Promise<Value>): Promise<Value> {
    const { clock, random, writeMs } = this.#init
    this.#calls++
    const done = this.#tail.then(async () => {
      if (this.#failure !== undefined) throw this.#failure
      const half = random.delay(...writeMs) / 2
      await clock.wait(half)
      try {
        return await work()
      } catch (error) {
        throw error instanceof MooringError ? error : fromThreadError(toThreadError(error))
      } finally {
        await clock.wait(half)
        this.#calls--
      }
    })
    this.#tail = done.catch(() => {})
    return done
  }
}

/** The changes that were made here, in the order in which they are handed over. */
function madeIn(writes: readonly StoreWrite[]): { readonly address: string; readonly hashes: string[] }[] {
  return writes.flatMap((write) => {
    if (write.kind !== 'changes' || !write.isUnsettled) return []
    let offset = 0
    const hashes = write.lengths.map((length) => {
      offset += length
      return readChange(write.chunks.subarray(offset - length, offset)).hash
    })
    return [{ address: write.address, hashes }]
  })
}
