/**
 * What is done about changes that the daemon did not take. Keeps true: what may be taken later is sent again, in order, and
 * nothing of it is undone; what is refused for good leaves the block together with what builds on it, and is kept.
 */
import type { ChangeHash, Clock } from '../../protocol/index.ts'
import type { OwnChange, Refusal } from '../../protocol/sync/index.ts'
import { type Entry, isForNow, recall, toError } from './entry.ts'
import type { Intake } from './intake.ts'
import type { LocalChange } from './local-change.ts'
import type { MemoryLog } from './replica-init.ts'

export interface RefusalsInit {
  readonly intake: Intake
  readonly clock: Clock
  readonly log: MemoryLog
  /** Sends everything of a block that is unsettled. */
  resend(entry: Entry): void
  /** Asks for a block again that the daemon has not introduced. */
  askAgain(entry: Entry): void
}

/** When the daemon gives no time of its own: twice as long each time. */
const minRetryMs = 1_000
const maxRetryMs = 30_000

function waitMs(entry: Entry, { retryAfterMs }: Refusal): number {
  const ownMs = Math.min(maxRetryMs, minRetryMs * 2 ** Math.min(entry.attempts, 10))
  entry.attempts++
  return retryAfterMs ?? ownMs
}

/** Nobody else can have what it builds on: sent for ever, it would be refused for ever, and all that follows with it. */
const isBaseless = ({ awaited, loaded }: Entry, change: LocalChange): boolean =>
  awaited.size === 0 && loaded?.block.lacksBaseOf(change) === true

export class Refusals {
  readonly #init: RefusalsInit
  /** Made again already: refused once more, it is refused for good. */
  readonly #again = new Set<string>()

  constructor(init: RefusalsInit) {
    this.#init = init
  }

  settled(changes: ReadonlyMap<Entry, readonly OwnChange[]>): void {
    for (const [entry, settled] of changes) {
      this.#init.intake.settle(entry, settled)
      if (settled.some(({ isSupplied }) => isSupplied)) this.arrived(entry)
    }
  }

  refused(changes: ReadonlyMap<Entry, readonly OwnChange[]>, error: Refusal): void {
    for (const [entry, refused] of changes) this.#refused(entry, refused, error)
  }

  #refused(entry: Entry, changes: readonly OwnChange[], error: Refusal): void {
    // What was supplied is refused or taken for its author: here it stays what it was. Own changes among it are judged
    // when they are sent by themselves.
    if (changes.some(({ isSupplied }) => isSupplied)) {
      // Else it is asked for again.
      if (isForNow(error)) return
      const fields = { address: entry.address, code: error.code, detail: error.detail, changes: changes.length }
      this.#init.log.warn(fields, 'the daemon did not take what it had lost')
      return
    }
    const hashes = new Set<ChangeHash>(changes.map((change) => change.hash))
    const first = entry.loaded?.block.unsettled.find((change) => hashes.has(change.hash))
    if (first === undefined) return
    if (error.code === 'missing-deps' && isBaseless(entry, first)) {
      const detail = 'a change that was made here builds on one that is neither here nor at the daemon'
      this.#refuse(entry, first, { ...error, detail })
    } else if (isForNow(error)) this.#retryLater(entry, error)
    else if (error.code === 'equivocation' && !this.#again.has(first.hash)) {
      const hash = this.#init.intake.reauthor(entry, first, error)
      if (hash !== undefined) this.#again.add(hash)
    } else this.#refuse(entry, first, error)
  }

  /** For good. */
  #refuse(entry: Entry, first: LocalChange, error: Refusal): void {
    this.#init.intake.refuse(entry, first, error)
    entry.loaded?.handle.setState('denied', toError(error).message)
  }

  createRefused(entry: Entry | undefined, error: Refusal): void {
    if (entry === undefined || entry.wire !== undefined) return
    const { handle, block } = entry.loaded ?? {}
    if (isForNow(error)) {
      handle?.setState('denied', `${toError(error).message}; will be asked for again`)
      entry.cancelRetry?.()
      entry.cancelRetry = this.#init.clock.after(waitMs(entry, error), () => {
        entry.cancelRetry = undefined
        this.#init.askAgain(entry)
      })
      return
    }
    // Nothing is missed of what was deleted here too: it was not offered.
    if (error.code === 'generation-lost' && entry.gone === 'deleted') return
    if (error.code === 'generation-lost' || entry.isLost) {
      // As a whole it stays what it is, edits that wait included: another may bring it back, or this one another time.
      this.#init.intake.gone(entry, 'unknown')
      handle?.giveUp(toError(error))
      return
    }
    if (error.code === 'block-deleted') {
      this.#init.intake.gone(entry, 'deleted')
      return
    }
    const [first] = block?.unsettled ?? []
    if (first !== undefined) this.#init.intake.refuse(entry, first, error)
    const denial = toError(error)
    handle?.setState('denied', denial.message, denial)
  }

  /** Nothing is undone: the same changes are sent again, in order, from the first that was refused. */
  #retryLater(entry: Entry, error: Refusal): void {
    // All that was on its way is refused together: that is one attempt.
    entry.retry ??= { code: error.code, afterMs: waitMs(entry, error) }
    // All of it would be refused again where there is room for some: felt for, from one frame on.
    entry.portion = 1
    // What the handle stood for is gone; the block is asked for again.
    if (error.code === 'unknown-handle') entry.wire = undefined
    entry.loaded?.handle.setState('denied', `${toError(error).message}; will be sent again`)
    entry.cancelRetry?.()
    entry.cancelRetry = this.#init.clock.after(entry.retry.afterMs, () => this.retryNow(entry))
  }

  /** What was missing may be there now: after a restore of the daemon everyone sends again what it has. */
  arrived(entry: Entry): void {
    if (entry.retry?.code === 'missing-deps') this.retryNow(entry)
  }

  retryNow(entry: Entry): void {
    entry.cancelRetry?.()
    entry.cancelRetry = undefined
    entry.retry = undefined
    recall(entry)
    this.#init.resend(entry)
  }
}
