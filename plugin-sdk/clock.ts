/** The real clock. */
import { performance } from 'node:perf_hooks'
import type { Clock } from '../protocol/index.ts'

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  nowMs: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}
