/** Blocks for plugins that keep no replica, and what no replica changes. Content is not edited through operations yet. */
import { z } from 'zod'
import { defineOp } from '../define.ts'
import { address, blockMeta, blockSummary, count, renderedBlock } from '../shapes.ts'

export const blockOps = {
  'block.list': defineOp({
    summary: 'The blocks the caller may read, by address.',
    input: z.strictObject({
      /** Addresses after this one; the last of a page is the next page's `after`. */
      after: z.string().max(256).default(''),
      limit: z.int().min(1).max(200).default(100),
    }),
    output: z.strictObject({ blocks: z.array(blockSummary), more: z.boolean() }),
    needs: null,
    errors: [],
  }),
  'block.get': defineOp({
    summary: 'One block, rendered, a page of its text at a time.',
    input: z.strictObject({ address, offset: count.default(0) }),
    output: renderedBlock,
    needs: { area: 'blocks', right: 'read', subject: (input: { address: string }) => input.address },
    errors: ['block-not-found', 'view-failed'],
  }),
  'block.updateMetadata': defineOp({
    summary: 'Changes what is said of a block beside its content; what is not named stays.',
    input: z.strictObject({ address, patch: blockMeta }),
    /** Not what is said then: to describe a block is not to read it. */
    output: z.strictObject({}),
    needs: { area: 'blocks', right: 'admin', subject: (input: { address: string }) => input.address },
    errors: [
      'block-not-found',
      'quota-exceeded',
      'grant-changed',
      'suspended',
      'rate-limited',
      'block-damaged',
      'storage-full',
      'storage-failed',
    ],
  }),
}
