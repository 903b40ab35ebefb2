/** Lets work of one key run one after another, in the order in which it came. Keeps: a failure ends only its own work. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Keys with work that runs or waits. */
  get size(): number {
    return this.#last.size
  }

  async take<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#last.get(key)
    const mine = before === undefined ? work() : before.then(work)
    const end = mine.catch(() => {})
    this.#last.set(key, end)
    try {
      return await mine
    } finally {
      if (this.#last.get(key) === end) this.#last.delete(key)
    }
  }
}
