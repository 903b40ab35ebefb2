/**
 * What the next field of a run is expected to be, from the changes before it. Keeps the invariant that both ends
 * predict from the same facts in the same order; only the difference to the prediction is written.
 */

/**
 * Counters of operations in the key and predecessor columns. Typing refers to the operation just made, deleting to
 * the neighbour of what the change before deleted; whichever is nearer is used, and the lowest bit tells which.
 */
export class CounterPrediction {
  #before = 0

  difference(value: number, near: number): number {
    const toNear = value - near
    const toBefore = value - this.#before
    this.#before = value
    return Math.abs(toNear) <= Math.abs(toBefore) ? toNear * 2 : toBefore * 2 + 1
  }

  value(difference: number, near: number): number {
    const bit = difference & 1
    this.#before = (difference - bit) / 2 + (bit === 0 ? near : this.#before)
    return this.#before
  }
}

/** Numbers that follow on from the change before: of the same actor, or of the run. */
export class Succession {
  readonly #last = new Map<number, number>()
  readonly #step: number

  constructor(step: number) {
    this.#step = step
  }

  difference(of: number, value: number): number {
    const expected = (this.#last.get(of) ?? 0) + this.#step
    this.#last.set(of, value)
    return value - expected
  }

  value(of: number, difference: number): number {
    const value = difference + (this.#last.get(of) ?? 0) + this.#step
    this.#last.set(of, value)
    return value
  }
}

/** Which change of the run the next one is expected to depend on: its author's last, else the one before. */
export class Ancestry {
  readonly #last = new Map<number, number>()

  /** Index of the expected change in the run; below zero for the first. */
  expected(index: number, actor: number): number {
    const expected = this.#last.get(actor) ?? index - 1
    this.#last.set(actor, index)
    return expected
  }
}
