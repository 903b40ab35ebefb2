/**
 * Lets everyone have a turn. Sending to many readers waits for nothing but promises, which never let timers and sockets in:
 * fifty readers that each do a little keep everything else waiting together. One for all readers of a log. Keeps: a turn
 * of the event loop that is spent on them is about as long as {@link turnMs}, however many there are.
 */
import type { Clock } from '../../protocol/index.ts'

const turnMs = 4

export class Pace {
  readonly #clock: Clock
  /** When somebody began to work in this turn of the event loop. */
  #beganMs: number | undefined
  #next: Promise<void> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Before a step that takes a few microseconds, or the encoding of a frame: at once, or in the next turn. */
  async step(): Promise<void> {
    for (;;) {
      if (this.#next !== undefined) await this.#next
      else if (this.#beganMs === undefined) {
        this.#beganMs = this.#clock.monotonicMs()
        setImmediate(() => this.#end())
        return
      } else if (this.#clock.monotonicMs() - this.#beganMs < turnMs) return
      // All who waited go on one after the other: this turn may be used up again before it is everyone's.
      else this.#next = new Promise<void>((resolve) => setImmediate(() => this.#end(resolve)))
    }
  }

  #end(then: () => void = () => {}): void {
    this.#beganMs = undefined
    this.#next = undefined
    then()
  }
}
