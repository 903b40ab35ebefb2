/** What the jobs of the views are given and give. */
import type { ChangeHash } from '../../protocol/ids.ts'
import type { Problem } from '../../protocol/schemas/index.ts'
import type { BlockRow, Seq, Storage } from '../storage/storage.ts'
import type { ViewRunner } from './view-thread.ts'

export interface Rendering {
  /** What people read. */
  readonly text: string
  /** SHA-256 of the text in UTF-8, as 64 hex digits. */
  readonly textHash: string
  /** Ascending. */
  readonly heads: readonly ChangeHash[]
  /** Where it is not what its schema says. */
  readonly problems: readonly Problem[]
}

export interface Rewritten {
  readonly seq: Seq
  readonly changes: readonly Uint8Array[]
}

export interface VerifyOptions {
  /** Verified up to here. */
  readonly after: Seq
  readonly until: Seq
  /** In quarantine. */
  readonly aside: readonly ChangeHash[]
}

/** Where snapshots are put away. */
export type SnapshotDisk = Pick<Storage, 'snapshot' | 'putSnapshot'>

/** What waits for the worker. */
export interface Job {
  readonly block: BlockRow
  readonly run: (thread: ViewRunner) => Promise<void>
  /** Instead of `run`, with workers of its own. */
  readonly runAlone?: () => Promise<void>
  readonly reject: (error: unknown) => void
}
