/** A `Views` over fake logs, with a clock that is turned by hand if wanted and a count of the threads that run. */
import { onTestFinished } from 'vitest'
import { Views, type ViewsInit } from '../../../../daemon/views/views.ts'
import type { Clock } from '../../../../protocol/rpc/clock.ts'
import { ManualClock } from '../../../fixtures/clock.ts'
import { type BlockLog, readerOf } from './block-log.ts'

export const realClock: Clock = {
  monotonicMs: () => performance.now(),
  nowMs: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}

export interface Threads {
  started: number
  ended: number
  /** Details of the faults that were logged. */
  readonly faults: string[]
}

export function makeViews(logs: readonly BlockLog[], init: Partial<ViewsInit> = {}) {
  const threads: Threads = { started: 0, ended: 0, faults: [] }
  const ignore = (): void => {}
  const views = new Views({
    clock: new ManualClock(),
    read: readerOf(...logs),
    log: {
      trace: ignore,
      debug(_fields, message) {
        if (message === 'the view worker started') threads.started++
        if (message === 'the view worker ended') threads.ended++
      },
      info: ignore,
      warn: (fields) => void threads.faults.push(String(Reflect.get(fields, 'fault'))),
      error: ignore,
    },
    ...init,
  })
  onTestFinished(() => views.stop())
  return { views, threads }
}
