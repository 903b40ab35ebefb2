/** Blocks, as the operator sees and changes them. */
import { z } from 'zod'
import { defineOp, defineStream } from '../define.ts'
import { address, blockMeta, blockSummary, count, peerId, renderedBlock } from '../shapes.ts'

export const blockOps = {
  'block.list': defineOp({
    summary: 'All blocks, by address.',
    input: z.strictObject({
      after: z.string().max(256).default(''),
      limit: z.int().min(1).max(200).default(200),
    }),
    output: z.strictObject({ blocks: z.array(blockSummary), more: z.boolean() }),
    needs: null,
    errors: [],
  }),
  'block.show': defineOp({
    summary: 'One block, rendered, a page of its text at a time.',
    input: z.strictObject({ address, offset: count.default(0) }),
    output: renderedBlock,
    needs: null,
    errors: ['block-not-found', 'block-damaged', 'view-failed'],
  }),
  'block.compact': defineOp({
    summary: 'Folds the verified changes of a block into its snapshot, or says what would go.',
    input: z.strictObject({ address, dryRun: z.boolean().default(false) }),
    /** Rows of the log that went, or would go, and the bytes of their changes. */
    output: z.strictObject({ address, rows: count, bytes: count }),
    needs: null,
    errors: ['block-not-found', 'block-damaged', 'view-failed', 'database-corrupt', 'storage-failed', 'storage-full'],
  }),
  'block.reset-history': defineOp({
    summary: 'Begins a block anew with its present value: a new generation without the history of the old one.',
    input: z.strictObject({ address }),
    /** The new generation, its changes, and how many the old one had. */
    output: z.strictObject({ address, generation: count, changes: count, before: count }),
    needs: null,
    errors: [
      'block-not-found',
      'block-damaged',
      'wrong-state',
      'view-failed',
      'database-corrupt',
      'storage-failed',
      'storage-full',
    ],
  }),
  'block.update-metadata': defineOp({
    summary: 'Changes what is said of a block beside its content; what is not named stays.',
    input: z.strictObject({ address, patch: blockMeta }),
    /** All that is said of it then. */
    output: z.strictObject({ address, meta: blockMeta }),
    needs: null,
    errors: ['block-not-found', 'quota-exceeded', 'block-damaged', 'storage-failed', 'storage-full'],
  }),
  'block.watch': defineStream({
    summary: 'A line for each group of changes of a block, as they become durable.',
    input: z.strictObject({ address }),
    item: z.strictObject({
      seq: count,
      changes: count,
      bytes: count,
      peer: peerId,
      name: z.string().max(64),
      atMs: count,
    }),
    needs: null,
    errors: ['block-not-found', 'lagging'],
  }),
}
