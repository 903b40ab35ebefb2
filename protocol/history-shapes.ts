/** Shapes of what is told of a block's history, the same for plugins and the operator. */
import { z } from 'zod'
import { limits } from './limits.ts'
import { address, changeHash, count, peerId } from './shapes.ts'

/** Changes of one author that follow each other. */
export const changeGroup = z.strictObject({
  /** Who wrote it, by the key that its actor is made from, or whom the daemon wrote it for. Absent when that key was never approved here. */
  peer: peerId.optional(),
  /** What that peer is called here; empty when it has no name by now. */
  name: z.string().max(64),
  /** The daemon wrote it for that peer, which it vouches for. */
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

/** A state that the block had: the heads behind a group of its history, or those of a rendering. */
const heads = z.array(changeHash).min(1).max(limits.maxHeadsNamed)

export const stateInput = z.strictObject({ address, heads, offset: count.default(0) })

/** An earlier state rendered for people, a page of its text at a time. */
export const blockState = z.strictObject({
  address,
  generation: count,
  /** SHA-256 of the whole text in UTF-8. */
  textHash: z.string().regex(/^[0-9a-f]{64}$/),
  /** The characters from the asked offset on, at most 50,000. */
  text: z.string().max(50_000),
  totalChars: count,
})

export const diffInput = z.strictObject({
  address,
  from: heads,
  /** The present state without it. */
  to: heads.optional(),
})

/** What is different in the second state. */
export const blockDiff = z.strictObject({
  patches: z.array(
    z.strictObject({
      /** Keys and positions, each after a slash. */
      path: z.string().max(512),
      kind: z.enum(['added', 'removed', 'changed', 'text']),
      /** The values as JSON, cut. */
      before: z.string().max(512).optional(),
      after: z.string().max(512).optional(),
      /** Lines of a text, each with ' ', '-' or '+' before it, in parts under `@@ line N`. */
      diff: z.string().max(50_000).optional(),
    }),
  ),
  /** There is more than that, or a text was cut. */
  more: z.boolean(),
})

export const blameInput = z.strictObject({
  address,
  /** The keys that lead to the text. */
  path: z.array(z.string().max(256)).max(64).default(['text']),
  offset: count.default(0),
})

/** A text in parts, each of one author within a short time. */
export const blamePage = z.strictObject({
  spans: z.array(
    z.strictObject({
      text: z.string().max(10_000),
      peer: peerId.optional(),
      name: z.string().max(64),
      isVouched: z.boolean(),
      atMs: count.optional(),
      /** The newest change that wrote any of it. */
      change: changeHash.optional(),
    }),
  ),
  /** Where the next page begins. */
  next: count,
  totalChars: count,
})

/** How many steps there are to take back, and to bring back. A step is one change. */
export const undoDepth = z.strictObject({ undo: count, redo: count })

export const undoOutput = z.strictObject({
  /** False when there was nothing to take back, or to bring back. */
  isDone: z.boolean(),
  /** The change that was made for it. */
  change: changeHash.optional(),
  /** The change that it takes back. */
  of: changeHash.optional(),
  ...undoDepth.shape,
})
