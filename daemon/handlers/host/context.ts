/** The parts that the handlers of plugin calls work with. Who calls is in the context of each call. */
import type { Clock, PeerId } from '../../../protocol/index.ts'
import type { Approvals } from '../../approvals/approvals.ts'
import type { Archive } from '../../archive/archive.ts'
import type { Log } from '../../log.ts'
import type { Links } from '../../net/links.ts'
import type { Search } from '../../search/search.ts'
import type { BlockEdits } from '../block-edits.ts'
import type { Blocks } from '../blocks.ts'
import type { History } from '../history.ts'
import type { Undo } from '../undo.ts'
import type { Renderings } from './renderings.ts'

export interface HostComponents {
  readonly approvals: Approvals
  readonly links: Links
  readonly blocks: Blocks
  readonly blockEdits: BlockEdits
  readonly archive: Archive
  readonly history: History
  readonly search: Search
  readonly undo: Undo
  readonly self: PeerId
  readonly clock: Clock
  readonly log: Log
}

/** What the handlers of several areas count together. */
export interface HostShared {
  readonly renderings: Renderings
}
