/** The parts of the log with which a block is set back, and with which what waits is taken up. */
import type { Origin, Storage } from '../storage/storage.ts'
import type { Committer } from './committer.ts'
import type { Ledgers } from './ledgers.ts'
import type { Missing } from './missing.ts'
import type { Quarantine } from './quarantine.ts'

export interface RepairComponents {
  readonly storage: Storage
  readonly quarantine: Quarantine
  readonly missing: Missing
  readonly committer: Committer
  readonly ledgers: Ledgers
  /** Who the daemon's own entries come from. */
  own(): { readonly origin: Origin; readonly grantVersion: number }
}
