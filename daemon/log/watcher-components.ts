/** What a watcher is given: the parts of the log that it reads and changes nothing of, and the stream that it serves. */
import type { Grant } from '../../protocol/grants.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import type { ListenerEffect, ListenerSession } from '../../protocol/sync/index.ts'
import type { Epoch, Origin } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import type { Committer } from './committer.ts'
import type { FanOut } from './fan-out.ts'
import type { Holding } from './holdings.ts'
import type { LogReader } from './log-reader.ts'
import type { Pace } from './pace.ts'
import type { Quarantine } from './quarantine.ts'
import type { Resupply, Supplier } from './resupply.ts'
import type { Ring } from './ring.ts'
import type { Seals } from './seals.ts'

export interface WatcherComponents {
  readonly self: PeerId
  readonly index: BlockIndex
  readonly quarantine: Quarantine
  readonly ring: Ring
  readonly reader: LogReader
  readonly resupply: Resupply
  readonly seals: Seals
  readonly committer: Committer
  readonly fanOut: FanOut
  readonly pace: Pace
  readonly epochs: readonly Epoch[]
  readonly clock: Clock
}

export interface WatcherInit {
  readonly session: ListenerSession
  readonly origin: Origin
  readonly signal: AbortSignal
  readonly supplier: Supplier
  readonly holding: Holding
  /** Actors of which it is remembered what the replica has beyond the log. */
  offered(): number
  /** Whether the replica has more than the log, also when it is not asked for that any more. */
  hasMore(): boolean
  /** The grant as it is at this moment. */
  grants(): { readonly grants: readonly Grant[]; readonly grantVersion: number }
  apply(effects: readonly ListenerEffect[]): void
  /** Resolves when the stream takes more. */
  drained(): Promise<void>
}
