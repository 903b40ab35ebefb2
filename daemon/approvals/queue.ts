/**
 * One thing after another: every decision runs to its end, its write included, before the next begins. Keeps true: a
 * task that fails never stops the ones behind it, and what waits is bounded by whoever adds to it.
 */
export class Queue {
  #tail: Promise<void> = Promise.resolve()
  #waiting = 0

  /** Tasks that have not ended, the running one included. */
  get waiting(): number {
    return this.#waiting
  }

  run<Result>(task: () => Promise<Result>): Promise<Result> {
    this.#waiting += 1
    const result = this.#tail.then(task)
    const ended = (): void => {
      this.#waiting -= 1
    }
    this.#tail = result.then(ended, ended)
    return result
  }

  /** Resolves once everything added so far has ended. */
  idle(): Promise<void> {
    return this.#tail
  }
}
