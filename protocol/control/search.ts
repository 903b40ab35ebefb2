/** Finding texts by their words, and making the index anew. */
import { z } from 'zod'
import { defineOp } from '../define.ts'
import { count, searchAnswer, searchInput, searchKind } from '../shapes.ts'

export const searchOps = {
  'search.query': defineOp({
    summary: 'Blocks and entries of the archive that have the words, best first.',
    input: searchInput.extend({
      kinds: z.array(searchKind).min(1).max(2).default(['block', 'archive']),
    }),
    output: searchAnswer,
    needs: null,
    errors: ['query-invalid', 'query-too-broad', 'index-behind', 'storage-failed', 'storage-full'],
  }),
  'search.reindex': defineOp({
    summary: 'Makes the search index anew from the log and the archive; answers when it is complete.',
    input: z.strictObject({}),
    /** What is in it. */
    output: z.strictObject({ blocks: count, entries: count }),
    needs: null,
    errors: ['cancelled', 'storage-failed', 'storage-full'],
  }),
}
