/** The real clock. */
import { performance } from 'node:perf_hooks'
import type { Clock } from '../protocol/index.ts'

/** The longest delay that a timer of the runtime takes; a longer one would fire at once. */
const maxDelayMs = 2 ** 31 - 1

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  nowMs: () => Date.now(),
  after(ms, run) {
    if (ms <= 0) {
      // A timer would wait for a whole millisecond: this is after what is ready to be read, and before anything waits.
      const immediate = setImmediate(run)
      return () => clearImmediate(immediate)
    }
    let timer: NodeJS.Timeout
    const wait = (leftMs: number): void => {
      const nowMs = Math.min(leftMs, maxDelayMs)
      timer = setTimeout(() => (leftMs > nowMs ? wait(leftMs - nowMs) : run()), nowMs)
    }
    wait(ms)
    return () => clearTimeout(timer)
  },
}
