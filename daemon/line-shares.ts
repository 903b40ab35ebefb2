/**
 * How many lines of the log are about one plugin. Keeps true: whatever a plugin does all the time, it fills no log; what it
 * does beyond its share is seen only by who looks for it.
 */
import type { Clock, PeerId } from '../protocol/index.ts'

const minuteMs = 60_000

export class LineShares {
  readonly #clock: Clock
  readonly #perMinute: number
  /** One entry for each key that ever had a line: as many as the operator approved. */
  readonly #shares = new Map<PeerId, { sinceMs: number; lines: number }>()

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock
    this.#perMinute = perMinute
  }

  /** Whether one more is within the share of this minute. */
  take(peer: PeerId): boolean {
    const nowMs = this.#clock.monotonicMs()
    let share = this.#shares.get(peer)
    if (share === undefined || nowMs - share.sinceMs >= minuteMs) {
      share = { sinceMs: nowMs, lines: 0 }
      this.#shares.set(peer, share)
    }
    share.lines += 1
    return share.lines <= this.#perMinute
  }
}
