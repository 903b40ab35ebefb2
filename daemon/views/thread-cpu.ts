/**
 * Processor time of the calling thread. Keeps: where it cannot be read nothing is held against anyone for what it cost,
 * instead of for time on the clock, or of other threads.
 */
import { readFileSync } from 'node:fs'

/** What the platform offers; `threadCpuUsage` is newer than the oldest Node that is supported. */
export interface ThreadCpuPlatform {
  readonly threadCpuUsage?: (() => { readonly user: number; readonly system: number }) | undefined
  /** Linux; undefined when there is no such file. */
  readonly readSchedstat: () => string | undefined
}

const nanosPerMs = 1_000_000

/** A clock in milliseconds; it stands still where the platform does not tell. */
export function threadCpuClock({ threadCpuUsage, readSchedstat }: ThreadCpuPlatform): () => number {
  if (threadCpuUsage !== undefined) {
    return () => {
      const { user, system } = threadCpuUsage()
      return (user + system) / 1_000
    }
  }
  // The first of its numbers: nanoseconds on a processor.
  const read = (): number => Number(readSchedstat()?.split(' ')[0]) / nanosPerMs
  return Number.isFinite(read()) ? read : () => 0
}

/** Of the thread that asks, which need not be the first one of the process. */
export function readSchedstat(): string | undefined {
  try {
    return readFileSync('/proc/thread-self/schedstat', 'latin1')
  } catch {
    return undefined
  }
}
