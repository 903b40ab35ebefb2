/** Shapes of what is told of a block's history, the same for plugins and the operator. */
import { z } from 'zod'
import { limits } from './limits.ts'
import { address, changeHash, count, peerId } from './shapes.ts'

/** Changes of one author that follow each other. */
export const changeGroup = z.strictObject({
  /** Who wrote it: whose key its actor is made from. Absent when that key was never approved here. */
  peer: peerId.optional(),
  /** What that peer is called here; empty when it has no name by now. */
  name: z.string().max(64),
  /** The daemon itself wrote it, and vouches for whom it did that for. */
  isVouched: z.boolean(),
  /** When, as the clock of its author said; absent when it said nothing that can be. */
  fromMs: count.optional(),
  untilMs: count.optional(),
  changes: count,
  ops: count,
  bytes: count,
  /** Its oldest change: the next page begins before this one. */
  first: changeHash,
  last: changeHash,
  /** The state of the block right behind it, for `block.at` and `block.diff`; empty when too many stood side by side. */
  heads: z.array(changeHash).max(limits.maxHeadsNamed),
  /** It is part of the snapshot by now, and no row of the log. */
  isFolded: z.boolean(),
  summary: z.string().max(400),
})

export const historyInput = z.strictObject({
  address,
  /** Groups before this change; the `first` of the last one of a page gives the next page. The newest without it. */
  before: changeHash.optional(),
  limit: z.int().min(1).max(50).default(20),
})

/** Newest first. */
export const historyPage = z.strictObject({ groups: z.array(changeGroup), more: z.boolean() })
