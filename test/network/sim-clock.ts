/**
 * Simulated time: nothing happens but what a timer or the chain of promises behind it does, in an order that depends on
 * the seed alone. The parts of a process take their time from a scope, whose timers die with the process.
 */
import type { Clock } from '../../protocol/index.ts'
import { settled } from '../fixtures/clock.ts'

interface Timer {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
  isCancelled: boolean
}

export class SimClock implements Clock {
  /** Soonest first; of the same instant, the one that was set first. */
  readonly #timers: Timer[] = []
  #atMs = 0
  #order = 0
  readonly #onThrow: (error: unknown) => void

  /** A throw inside a timer would end a real process: it is reported, and the simulation goes on. */
  constructor(onThrow: (error: unknown) => void) {
    this.#onThrow = onThrow
  }

  nowMs(): number {
    return 1_700_000_000_000 + Math.floor(this.#atMs)
  }

  monotonicMs(): number {
    return this.#atMs
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.#atMs + Math.max(0, ms), order: this.#order++, run, isCancelled: false }
    let low = 0
    let high = this.#timers.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#timers[middle]?.atMs ?? 0) <= timer.atMs) low = middle + 1
      else high = middle
    }
    this.#timers.splice(low, 0, timer)
    return () => {
      timer.isCancelled = true
    }
  }

  scope(): ClockScope {
    return new ClockScope(this)
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  /** Lets time pass, or less of it when `isDone` says so; each timer's consequences happen before the next one runs. */
  async run(ms: number, isDone: () => boolean = () => false): Promise<void> {
    const untilMs = this.#atMs + ms
    for (;;) {
      await settled()
      if (isDone()) return
      const next = this.#timers[0]
      if (next === undefined || next.atMs > untilMs) break
      this.#timers.shift()
      if (next.isCancelled) continue
      this.#atMs = next.atMs
      try {
        next.run()
      } catch (error) {
        this.#onThrow(error)
      }
    }
    this.#atMs = untilMs
  }
}

/** The clock of one process. */
export class ClockScope implements Clock {
  readonly #clock: SimClock
  #isDead = false

  constructor(clock: SimClock) {
    this.#clock = clock
  }

  get isDead(): boolean {
    return this.#isDead
  }

  nowMs(): number {
    return this.#clock.nowMs()
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  after(ms: number, run: () => void): () => void {
    return this.#clock.after(ms, () => {
      if (!this.#isDead) run()
    })
  }

  /** Never resolves once the process is dead. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }

  kill(): void {
    this.#isDead = true
  }
}
