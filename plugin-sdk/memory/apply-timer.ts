/**
 * When one block applies what has arrived. Keeps true: no later than it must, so that others have their share, and no
 * earlier than it should while more is known to come: one call of the engine costs time proportional to the document.
 */
import type { Clock } from '../../protocol/index.ts'
import { ApplyShare } from './apply-share.ts'

/** Two calls of the engine with less between them, beyond the rest, belong to one stretch of work. */
const pauseMs = 500
/** How long what arrives is collected while the rest of it is known to be on its way. */
const gatherMs = 200

export class ApplyTimer {
  readonly #clock: Clock
  readonly #share: ApplyShare
  readonly #apply: () => void
  #cancel: (() => void) | undefined
  /** When it is applied, while something waits. */
  #atMs = 0
  /** Until then the block collects. */
  #restsUntilMs = 0
  /** Since when it has applied again and again, without a pause. */
  #busySinceMs = 0

  constructor(clock: Clock, apply: () => void) {
    this.#clock = clock
    this.#share = ApplyShare.of(clock)
    this.#apply = apply
  }

  /** Something has arrived; `isPart`: more of it is known to come. `isMade`: applying it costs an engine's time. */
  arrived(isPart: boolean, isMade: boolean): void {
    const nowMs = this.#clock.monotonicMs()
    const atMs = Math.max(isPart ? nowMs + gatherMs : nowMs, this.#restsUntilMs)
    if (this.#cancel !== undefined && this.#atMs <= atMs) return
    if (isMade) this.#share.waits(this)
    this.#cancel?.()
    this.#atMs = atMs
    this.#cancel = this.#clock.after(atMs - nowMs, this.#apply)
  }

  /** Nothing waits any more. */
  clear(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  /** What there was has been applied, from `startMs` until now. */
  applied(startMs: number): void {
    if (startMs - this.#restsUntilMs > pauseMs) this.#busySinceMs = startMs
    this.#restsUntilMs = this.#share.rest(this, startMs, this.#busySinceMs)
  }

  stop(): void {
    this.clear()
    this.#share.leave(this)
  }
}
