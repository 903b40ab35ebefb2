/**
 * What a replica hands to its store. Keeps true: everything is written in the order in which it was added, whatever came
 * while one transaction ran forms the next, and nobody is told that something is durable before it is.
 */
import { asError, type BlockAddress, type Clock, MooringError } from '../../protocol/index.ts'
import type { ReplicaStore, StoredOwn, StoredTip, StoreWrite } from './store.ts'
import { keptTips } from './tip-spans.ts'

export interface JournalInit {
  readonly store: ReplicaStore
  readonly clock: Clock
  /** The store cannot take anything now, or never again; told once until it took something. */
  onTrouble(error: MooringError): void
}

interface Waiter {
  /** Resolved when this many were written. */
  readonly upTo: number
  resolve(): void
  reject(error: MooringError): void
}

/** A change on its way to the store; consecutive ones of a block become one write. */
export interface ChangeItem {
  readonly kind: 'change'
  readonly address: BlockAddress
  readonly isUnsettled: boolean
  readonly position: number
  readonly bytes: Uint8Array
  readonly own: StoredOwn | undefined
  /** The signatures that came with it. @default none */
  readonly tips?: readonly StoredTip[]
  /** Where it is in the log. @default nowhere: it was made here */
  readonly seen?: number
}

type Item = ChangeItem | StoreWrite

/**
 * What the daemon says again to who does not have it, and that a block was opened. A cursor stands for what comes before
 * it, and so may wait as long as that. Whoever opens a thousand blocks waits for a few syncs to disk, and not a thousand.
 */
const mayWait: ReadonlySet<StoreWrite['kind']> = new Set(['cursor', 'block', 'snapshot', 'tips'])

/** Bounds how long one transaction can hold up the next; what is left goes into that one. */
const maxItemsPerWrite = 5_000
/** What may wait for a disk that takes nothing: more is neither made here nor read from the daemon. */
const maxStuckBytes = 16 * 1024 * 1024
/** Between two attempts of a store that is full. */
const retryMs = 500
/** How long what the daemon has as well may wait: a crash costs its transfer, and a sync to disk for each is dearer. */
const lazyMs = 200
/** So many are written without waiting any longer: they take memory here. */
const maxLazy = 1_000

export class Journal {
  readonly #init: JournalInit
  #nextPosition: number
  #queue: Item[] = []
  /** What the store refused for now: handed over again before everything else. */
  #stuck: Item[] = []
  #added = 0
  #waitingBytes = 0
  #roomWaiters: (() => void)[] = []
  #written = 0
  #waiters: Waiter[] = []
  #isScheduled = false
  /** Added up to here is to be written without delay. */
  #dueUpTo = 0
  #cancelLazy: (() => void) | undefined
  #writing: Promise<void> | undefined
  #cancelRetry: (() => void) | undefined
  #broken: MooringError | undefined
  #isTroubled = false
  #closing: Promise<void> | undefined

  constructor(init: JournalInit) {
    this.#init = init
    this.#nextPosition = init.store.state.nextPosition
  }

  /** The position of a change that is about to be added: it must be, before anything else is. */
  nextPosition(): number {
    return this.#nextPosition++
  }

  add(write: StoreWrite): void {
    this.#push(write)
    if (mayWait.has(write.kind)) this.#soon()
    else this.#now()
  }

  /** Adds what may be lost without harm: it goes along with the next write. */
  addLazily(write: StoreWrite): void {
    this.#push(write)
  }

  addChange(change: Omit<ChangeItem, 'kind'>): void {
    this.#push({ kind: 'change', ...change })
    if (change.isUnsettled) this.#now()
    else this.#soon()
  }

  /** Resolves when all that was added before is durable. @throws `storage-full` (it is tried again), `storage-failed` */
  saved(): Promise<void> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken)
    if (this.#written === this.#added) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#waiters.push({ upTo: this.#added, resolve, reject })
      this.#now()
    })
  }

  /** @throws `storage-full` while more waits for the disk than memory should hold */
  checkRoom(): void {
    if (this.#isFull)
      throw new MooringError('storage-full', { detail: 'the replica of this plugin; nothing was changed' })
  }

  /** Resolves when what comes from the daemon may be taken in. Never rejects. */
  async room(): Promise<void> {
    while (this.#isFull && this.#closing === undefined) {
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve))
    }
  }

  get #isFull(): boolean {
    return this.#isTroubled && this.#waitingBytes > maxStuckBytes
  }

  #tellRoom(): void {
    for (const resolve of this.#roomWaiters.splice(0)) resolve()
  }

  /** Tries to write what is left. Never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    this.#tellRoom()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.saved().catch(() => {})
    this.#cancelRetry?.()
    this.#cancelLazy?.()
    await this.#init.store.close()
  }

  #push(item: Item): void {
    if (this.#broken !== undefined) return
    this.#queue.push(item)
    this.#added++
    this.#waitingBytes += sizeOf(item)
  }

  #now(): void {
    this.#dueUpTo = this.#added
    this.#schedule()
  }

  /** Within a moment, along with what comes in it. */
  #soon(): void {
    if (this.#queue.length >= maxLazy) this.#now()
    else if (this.#closing === undefined && this.#broken === undefined)
      this.#cancelLazy ??= this.#init.clock.after(lazyMs, () => this.#now())
  }

  #schedule(): void {
    if (this.#isScheduled || this.#writing !== undefined || this.#cancelRetry !== undefined) return
    this.#isScheduled = true
    // At the end of this turn: an author's loop of changes is one transaction.
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#writeNext()
    })
  }

  #writeNext(): void {
    if (this.#writing !== undefined || this.#broken !== undefined || this.#added === this.#written) return
    this.#cancelLazy?.()
    this.#cancelLazy = undefined
    const items = this.#stuck.length > 0 ? this.#stuck : this.#queue.splice(0, maxItemsPerWrite)
    this.#stuck = []
    this.#writing = this.#write(items).finally(() => {
      this.#writing = undefined
      if (this.#broken !== undefined) return
      if (this.#dueUpTo > this.#written) this.#schedule()
      else if (this.#queue.length > 0) this.#soon()
    })
  }

  async #write(items: Item[]): Promise<void> {
    try {
      await this.#init.store.write(toWrites(items))
      this.#isTroubled = false
      this.#written += items.length
      for (const item of items) this.#waitingBytes -= sizeOf(item)
      this.#tellRoom()
      const done = this.#waiters.filter(({ upTo }) => upTo <= this.#written)
      this.#waiters = this.#waiters.filter(({ upTo }) => upTo > this.#written)
      for (const { resolve } of done) resolve()
    } catch (thrown) {
      this.#failed(items, thrown)
    }
  }

  #failed(items: Item[], thrown: unknown): void {
    const error =
      thrown instanceof MooringError ? thrown : new MooringError('storage-failed', { cause: asError(thrown) })
    if (error.code === 'storage-full') {
      this.#stuck = items
      this.#cancelRetry = this.#init.clock.after(retryMs, () => {
        this.#cancelRetry = undefined
        this.#writeNext()
      })
    } else {
      this.#broken = error
      this.#queue = []
      this.#waitingBytes = 0
      this.#tellRoom()
    }
    const waiters = this.#waiters
    this.#waiters = []
    for (const { reject } of waiters) reject(error)
    if (!this.#isTroubled) this.#init.onTrouble(error)
    this.#isTroubled = true
  }
}

/** In memory, about. */
function sizeOf(item: Item): number {
  if (item.kind === 'change' || item.kind === 'snapshot') return item.bytes.byteLength + 200
  const aside = item.kind === 'rewritten' || item.kind === 'reset' ? (item.aside?.changes ?? []) : []
  const bytes = aside.reduce((sum, { byteLength }) => sum + byteLength, 200)
  return item.kind === 'rewritten' ? bytes + item.snapshot.byteLength : bytes
}

/** Small changes cost more as messages than as bytes: what follows on each other in one block travels as one. */
function toWrites(items: readonly Item[]): StoreWrite[] {
  const writes: StoreWrite[] = []
  let run: ChangeItem[] = []
  const endRun = (): void => {
    const [first] = run
    if (first === undefined) return
    writes.push({
      kind: 'changes',
      address: first.address,
      isUnsettled: first.isUnsettled,
      position: first.position,
      chunks: joined(run),
      lengths: run.map(({ bytes }) => bytes.byteLength),
      own: run.findLast(({ own }) => own !== undefined)?.own,
      tips: keptTips(run.flatMap(({ tips }) => tips ?? [])),
      seen: run.reduce((last, { seen = 0 }) => Math.max(last, seen), 0),
    })
    run = []
  }
  for (const item of items) {
    if (item.kind !== 'change') {
      endRun()
      writes.push(item)
      continue
    }
    const last = run.at(-1)
    const follows =
      last !== undefined &&
      last.address === item.address &&
      last.isUnsettled === item.isUnsettled &&
      last.position + 1 === item.position &&
      (last.own === undefined || item.own === undefined || last.own.actor === item.own.actor)
    if (!follows) endRun()
    run.push(item)
  }
  endRun()
  return writes
}

/** In memory of its own: a view into something larger would take all of that along to the thread. */
function joined(run: readonly ChangeItem[]): Uint8Array {
  const whole = new Uint8Array(run.reduce((sum, { bytes }) => sum + bytes.byteLength, 0))
  let offset = 0
  for (const { bytes } of run) {
    whole.set(bytes, offset)
    offset += bytes.byteLength
  }
  return whole
}
