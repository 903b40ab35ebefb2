/**
 * When local changes are sent: one frame for everything that was changed in a turn, and while something is on its way one
 * for everything until that is settled. So a single edit leaves at once, and many share what a frame costs everyone: a
 * signature, a check of it by each reader, a commit. Keeps: nothing waits for an answer longer than a moment.
 */
import type { Clock } from '../../protocol/index.ts'

export interface SendTurnInit<Item> {
  readonly clock: Clock
  /** Whether something that was sent is not answered yet. */
  isBusy(): boolean
  send(item: Item): void
}

/** A few commits of the daemon: if no answer came by then, the line is slow, and then it is to be kept full. */
const collectMs = 5

export class SendTurn<Item> {
  readonly #init: SendTurnInit<Item>
  readonly #items = new Set<Item>()
  #cancel: (() => void) | undefined

  constructor(init: SendTurnInit<Item>) {
    this.#init = init
  }

  add(item: Item): void {
    this.#items.add(item)
    this.#cancel ??= this.#init.clock.after(this.#init.isBusy() ? collectMs : 0, () => this.#send())
  }

  /** Told when an answer came. */
  answered(): void {
    if (this.#items.size > 0 && !this.#init.isBusy()) this.#send()
  }

  clear(): void {
    this.#items.clear()
    this.#cancel?.()
    this.#cancel = undefined
  }

  #send(): void {
    const items = [...this.#items]
    this.clear()
    for (const item of items) this.#init.send(item)
  }
}
