/** What the views are made with. Keeps: whatever is not given has a value that holds on a small machine. */
import type { Clock } from '../../protocol/rpc/clock.ts'
import type { Logger } from '../log.ts'
import type { Storage } from '../storage/storage.ts'
import type { SliceLimit } from './view-steps.ts'
import type { ViewRunner } from './view-thread.ts'

export interface ViewsInit {
  readonly clock: Clock
  readonly log: Logger
  readonly read: Pick<Storage, 'snapshot' | 'readLog'>
  /** Time without work after which the worker is ended. @default 30_000 ms */
  readonly idleMs?: number
  /**
   * Longest time for one step of a job: loading, a slice of at most 5,000 changes, rendering, saving. A backstop
   * against hangs, far above what honest work takes on a busy machine. @default 30_000 ms
   */
  readonly jobTimeoutMs?: number
  /** Ceiling of the worker's JavaScript heap in MiB; a worker whose memory is above it after a job is replaced. @default 1_024 */
  readonly memoryMb?: number
  /** What a slice may cost before its changes are looked at one by one. @default 2 s of processor time, 512 MiB */
  readonly sliceLimit?: SliceLimit
  /** Entry of the worker thread. @default `view-worker` beside this file */
  readonly entry?: URL
  /** Instead of a thread. */
  readonly startRunner?: () => ViewRunner
}

/** A single change of an allowed size takes a fraction of either on the largest block. */
export const defaultSliceLimit: SliceLimit = { cpuMs: 2_000, growthBytes: 512 * 1024 * 1024 }
