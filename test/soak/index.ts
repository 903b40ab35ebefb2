/** The campaigns, one line each. To add one: a file beside this one, and its line. */

import { badNetwork } from './bad-network.ts'
import { bombsCampaign } from './bombs.ts'
import type { Campaign } from './campaign.ts'
import { daemonDisk } from './daemon-disk.ts'
import { fullDisk } from './full-disk.ts'
import { kill } from './kill.ts'
import { malformed } from './malformed.ts'
import { powerCut } from './power-cut.ts'
import { rotCampaign } from './rot.ts'
import { sessionCampaign } from './session.ts'
import { slowWatchers } from './slow-watchers.ts'
import { syncFailure } from './sync-failure.ts'

export const campaigns: readonly Campaign[] = [
  kill,
  powerCut,
  syncFailure,
  fullDisk,
  daemonDisk,
  rotCampaign,
  badNetwork,
  sessionCampaign,
  slowWatchers,
  malformed,
  bombsCampaign,
]
