/** The campaigns, one line each. To add one: a file beside this one, and its line. */
import type { Campaign } from './campaign.ts'
import { fullDisk } from './full-disk.ts'
import { powerCut } from './power-cut.ts'
import { syncFailure } from './sync-failure.ts'

export const campaigns: readonly Campaign[] = [powerCut, syncFailure, fullDisk]
