/**
 * What the daemon has set aside leaves the blocks of a replica. Keeps: many changes of one block cost one rebuilding, and
 * all of it is done before anything that the daemon says afterwards is looked at, cursors above all.
 */
import { asError, type ChangeHash, type Channel, type Clock } from '../../protocol/index.ts'
import type { DiallerEffect, DiallerSession } from '../../protocol/sync/index.ts'
import type { Entry } from './entry.ts'
import type { Intake } from './intake.ts'
import type { MemoryLog } from './replica-init.ts'

export interface SetAsideInit {
  readonly intake: Intake
  readonly clock: Clock
  readonly log: MemoryLog
  /** Asks the daemon for the handle of a block. */
  ask(entry: Entry): void
  /** Says something on the present conversation, if there is one. */
  say(what: (session: DiallerSession) => DiallerEffect[]): void
}

/** Several are told one after the other, and what is left without only some of them may be no document. */
const gatherMs = 50

export class SetAside {
  readonly #init: SetAsideInit
  /** By block: which changes, and where in the log the last of them was set aside. Waiting: for more to be set aside. */
  readonly #due = new Map<Entry, { readonly hashes: Set<ChangeHash>; seq: number; isWaiting: boolean }>()
  #working: Promise<void> | undefined
  #cancel: (() => void) | undefined

  constructor(init: SetAsideInit) {
    this.#init = init
  }

  /** The daemon set a change aside. Done soon, also when it has nothing more to say. */
  add(entry: Entry, { hash, seq }: { readonly hash: ChangeHash; readonly seq: number }, channel: Channel): void {
    this.#init.log.warn({ address: entry.address, hash }, 'the daemon set a change of a block aside')
    entry.awaited.delete(hash)
    const due = this.#due.get(entry) ?? { hashes: new Set(), seq, isWaiting: false }
    this.#due.set(entry, due)
    due.hashes.add(hash)
    due.seq = Math.max(due.seq, seq)
    due.isWaiting = false
    this.#cancel ??= this.#init.clock.after(gatherMs, () => {
      this.done().catch((error) => channel.abort(asError(error)))
    })
  }

  /**
   * The engine here cannot take these: the daemon is told, to find out whose fault that is. Called by a timer too:
   * whatever goes wrong must not leave it. A block without a handle is asked for first.
   */
  poisoned(entry: Entry, hashes: readonly ChangeHash[]): void {
    for (const hash of hashes) entry.poison.add(hash)
    const { wire } = entry
    if (wire === undefined) this.#init.ask(entry)
    else {
      this.#init.say((session) => {
        const told = [...entry.poison].flatMap((hash) => session.poison(wire, hash))
        entry.poison.clear()
        return told
      })
    }
  }

  /** Whether something was told that is not done: no cursor may speak for it. */
  get isDue(): boolean {
    return this.#due.size > 0
  }

  /** Resolves when nothing is left that can be done now. */
  async done(): Promise<void> {
    while (this.#working !== undefined || [...this.#due.values()].some(({ isWaiting }) => !isWaiting)) {
      this.#working ??= this.#work().finally(() => {
        this.#working = undefined
      })
      await this.#working
    }
  }

  /** The conversation has ended: what could not be done is told again by the next one, and perhaps with what it lacked. */
  forget(): void {
    this.#due.clear()
    this.#cancel?.()
    this.#cancel = undefined
  }

  async #work(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    for (const [entry, due] of this.#due) {
      if (due.isWaiting) continue
      const hashes = new Set(due.hashes)
      due.isWaiting = true
      if (!(await this.#init.intake.takeOut(entry, hashes, due.seq))) continue
      for (const hash of hashes) due.hashes.delete(hash)
      if (due.hashes.size === 0 && this.#due.get(entry) === due) this.#due.delete(entry)
    }
  }
}
