/** Finding texts by their words. */
import { z } from 'zod'
import { defineOp } from '../define.ts'
import { searchAnswer, searchInput, searchKind } from '../shapes.ts'

export const searchOps = {
  'search.query': defineOp({
    summary: 'Blocks and entries of the archive that have the words, best first; only what the caller may read.',
    input: searchInput.extend({
      kinds: z.array(searchKind).min(1).max(2).default(['block', 'archive']),
    }),
    output: searchAnswer,
    needs: null,
    errors: ['query-invalid', 'query-too-broad', 'index-behind', 'storage-failed', 'storage-full'],
  }),
  'archive.search': defineOp({
    summary: 'Entries of the archive that have the words, best first; only what the caller may read.',
    input: searchInput,
    output: searchAnswer,
    needs: null,
    errors: ['query-invalid', 'query-too-broad', 'index-behind', 'storage-failed', 'storage-full'],
  }),
}
