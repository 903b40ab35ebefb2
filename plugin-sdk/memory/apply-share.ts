/**
 * How long a block collects what arrives before it applies it: one call of the engine costs time proportional to the
 * document however much it brings. Keeps true: no block applies for more than half of the time, a large one for no more
 * than a quarter once that lasts (whoever writes it needs the processors as well), and many share that half evenly, so
 * that a large one costs a small one nothing.
 */
import type { Clock } from '../../protocol/index.ts'

/** A block that applies quickly waits no longer than this for others, however many there are and however busy it is. */
const maxShareMs = 100
/** A block that applies for longer than this at a time, and goes on doing so, rests three times as long. */
const slowMs = 10
/** From then on it goes on: what was missed while away comes in one burst, and is not written by anyone at the moment. */
const lastingMs = 1_000

export class ApplyShare {
  /** One per process: blocks of all replicas share its one thread. */
  static readonly #shares = new WeakMap<Clock, ApplyShare>()
  readonly #clock: Clock
  /** Until when each block rests that has something to apply, or had a moment ago. */
  readonly #active = new Map<object, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  static of(clock: Clock): ApplyShare {
    const share = ApplyShare.#shares.get(clock) ?? new ApplyShare(clock)
    ApplyShare.#shares.set(clock, share)
    return share
  }

  /** Something has arrived for the block. */
  waits(block: object): void {
    this.#active.set(block, Number.POSITIVE_INFINITY)
  }

  /** The block, busy since `sinceMs`, has applied what there was, from `startMs` until now. Answers until when it collects. */
  rest(block: object, startMs: number, sinceMs: number): number {
    const endMs = this.#clock.monotonicMs()
    this.#active.delete(block)
    let blocks = 1
    for (const [other, untilMs] of this.#active) {
      if (untilMs <= endMs) this.#active.delete(other)
      else blocks++
    }
    const tookMs = endMs - startMs
    const ownMs = tookMs > slowMs && endMs - sinceMs > lastingMs ? 3 * tookMs : tookMs
    const untilMs = endMs + Math.max(ownMs, Math.min(maxShareMs, tookMs * (2 * blocks - 1)))
    this.#active.set(block, untilMs)
    return untilMs
  }

  leave(block: object): void {
    this.#active.delete(block)
  }
}
