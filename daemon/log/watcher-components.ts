/** What every watcher works with: the parts of the log that it reads, and changes nothing of. */
import type { PeerId } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import type { Epoch } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import type { Committer } from './committer.ts'
import type { FanOut } from './fan-out.ts'
import type { LogReader } from './log-reader.ts'
import type { Quarantine } from './quarantine.ts'
import type { Ring } from './ring.ts'

export interface WatcherComponents {
  readonly self: PeerId
  readonly index: BlockIndex
  readonly quarantine: Quarantine
  readonly ring: Ring
  readonly reader: LogReader
  readonly committer: Committer
  readonly fanOut: FanOut
  readonly epochs: readonly Epoch[]
  readonly clock: Clock
}
