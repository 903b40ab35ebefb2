/** The parts that the operator's operations work with. */
import type { Clock, PeerId } from '../../../protocol/index.ts'
import type { Approvals } from '../../approvals/approvals.ts'
import type { Archive } from '../../archive/archive.ts'
import type { ChangeLog } from '../../log/change-log.ts'
import type { Compaction } from '../../log/compaction.ts'
import type { HistoryReset } from '../../log/history-reset.ts'
import type { Repair } from '../../log/repair.ts'
import type { Verification } from '../../log/verification.ts'
import type { Links } from '../../net/links.ts'
import type { Search } from '../../search/search.ts'
import type { BlockEdits } from '../block-edits.ts'
import type { Blocks } from '../blocks.ts'
import type { History } from '../history.ts'
import type { Undo } from '../undo.ts'

export interface ControlComponents {
  readonly approvals: Approvals
  readonly links: Links
  readonly log: ChangeLog
  readonly verification: Verification
  readonly compaction: Compaction
  readonly historyReset: HistoryReset
  readonly repair: Repair
  readonly blocks: Blocks
  readonly blockEdits: BlockEdits
  readonly archive: Archive
  readonly history: History
  readonly search: Search
  readonly undo: Undo
  readonly clock: Clock
  /** The daemon as a whole. */
  readonly daemon: {
    readonly version: string
    readonly pid: number
    readonly peer: PeerId
    readonly stateDir: string
    readonly startedAtMs: number
    readonly firstStart: boolean
    readonly state: 'running' | 'stopping'
    addresses(): string[]
    /** Begins to stop; does not wait. */
    stop(): void
  }
}
