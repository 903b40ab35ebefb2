/**
 * Answers a replica that cannot go on from a cursor: it says what it has, and each block of that is answered by what it
 * lacks, or by `gone`. Keeps: block by block, so that what it has is never held as a whole; and one that has more than the
 * log of very many blocks supplies some of that before it is asked for the rest.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { DiallerFrame, Frame } from '../../protocol/sync/index.ts'
import type { BlockRow, Seq } from '../storage/storage.ts'
import type { BlockSender } from './block-sender.ts'
import { HaveList, type HeldBlock } from './have-list.ts'
import type { LogReader } from './log-reader.ts'
import { tellLost } from './lost-content.ts'
import type { Clock } from './possession.ts'
import type { WatchList } from './watch-list.ts'
import type { WatcherComponents, WatcherInit } from './watcher-components.ts'

/** Actors of which the replica has more than the log: further blocks are answered when some of it was supplied. */
const maxOffered = 50_000
/** An SDK has a quarter of that open. */
const maxLater = 2_048

export interface ReconciliationInit {
  readonly components: Pick<WatcherComponents, 'index' | 'quarantine'>
  readonly watcher: WatcherInit
  readonly sender: BlockSender
  readonly reader: LogReader
  readonly watches: WatchList
  /** Sends what the replica lacks of a block; the log carries it from there. */
  follow(row: BlockRow, clock: Clock | undefined): Promise<void>
  /** Events up to here are not told any more. */
  position(): Seq
}

export class Reconciliation {
  readonly #init: ReconciliationInit
  readonly #have: HaveList
  #later: (() => Promise<void>)[] = []

  constructor(init: ReconciliationInit) {
    this.#init = init
    const { apply, holding, session } = init.watcher
    this.#have = new HaveList({ holding, ask: () => apply(session.resync()) })
  }

  begin(): void {
    this.#have.goOn()
  }

  /** @throws `quota-exceeded` */
  add({ entries, last }: Frame<DiallerFrame, 'have'>): void {
    this.#have.add(entries, last)
  }

  /** Everything that the replica has is answered. */
  get isDone(): boolean {
    return this.#have.isDone
  }

  /** Waits until everything is answered. @throws `quota-exceeded` */
  later(job: () => Promise<void>): void {
    if (this.#later.push(job) > maxLater) throw new MooringError('quota-exceeded', { detail: 'requests that wait' })
  }

  /** Everything was answered: does what waited for that. */
  async end(): Promise<void> {
    for (const job of this.#later) await job()
    this.#later = []
  }

  /** The answer to the next block, begun; undefined when there is none to answer now. */
  next(): Promise<void> | undefined {
    const held = this.#init.watcher.offered() > maxOffered ? undefined : this.#have.take()
    return held === undefined ? undefined : this.#answer(held)
  }

  async #answer(held: HeldBlock): Promise<void> {
    const { components, follow, position, reader, sender, watcher, watches } = this.#init
    const { index, quarantine } = components
    const { address, clock, generation } = held
    const row = index.at(address)
    const isSame = row?.generation === generation
    const isMatch = watches.matches(address)
    // One that was never here it may have to make again, and then what it has of it counts.
    if ((isSame && isMatch) || generation > index.generationOf(address)) sender.claims.add(held)
    await sender.turn()
    if (row === undefined || !isMatch) this.#gone(held, row)
    else if (isSame) {
      await follow(row, clock)
      const told = quarantine.heldBy(row.id, clock).filter(({ eventSeq }) => eventSeq <= position())
      sender.quarantined(row.id, told)
    } else if (!sender.withholds(row)) await tellLost({ index, reader, ...watcher }, held)
  }

  #gone({ address, generation }: HeldBlock, row: BlockRow | undefined): void {
    const { components, sender, watcher, watches } = this.#init
    // A generation that was never here is not deleted: this daemon may be an older copy of the one that had it.
    const isUnknown = components.index.generation(address, generation) === undefined
    const absent = row !== undefined ? 'no-match' : isUnknown ? 'unknown' : 'deleted'
    const reason = watches.mayRead(address) ? absent : 'out-of-scope'
    if (reason !== 'unknown' || sender.claims.ask(address)) watcher.apply(watcher.session.gone(address, reason))
  }
}
