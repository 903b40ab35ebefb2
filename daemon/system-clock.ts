/** The clock of a real process. */
import type { Clock } from '../protocol/index.ts'

/** Timers do not keep the process alive by themselves: what is started has a stop. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  nowMs: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}
