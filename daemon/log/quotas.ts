/** The bounds that the operator may set, each with its default in the table of limits. */
import { limits } from '../../protocol/limits.ts'

const names = [
  'maxBytesPerPeer',
  'maxBlocksPerPeer',
  'maxOpsPerPeerSecond',
  'maxBytesPerBlock',
  'maxOpsPerBlock',
] as const

export type Quotas = { readonly [Name in (typeof names)[number]]: number }

export const quotasOf = (set: Partial<Quotas> = {}): Quotas => ({ ...limits, ...set })

/** When what has no room is sent again: only the operator makes room, or compaction, and a change waits for neither. */
export const fullRetryMs = 30_000
