/** The archive, as the operator sees and fills it. */
import { z } from 'zod'
import { defineOp } from '../define.ts'
import { archiveCard, archiveEntry, archiveId, archiveMetadata, archiveText, count, scope } from '../shapes.ts'

export const archiveOps = {
  'archive.insert': defineOp({
    summary: 'Puts a text into the archive of a scope; its owner is the daemon.',
    input: z.strictObject({ scope, text: archiveText, metadata: archiveMetadata.optional() }),
    output: z.strictObject({ id: archiveId, createdAtMs: count }),
    needs: null,
    errors: ['storage-full', 'storage-failed'],
  }),
  'archive.get': defineOp({
    summary: 'One entry.',
    input: z.strictObject({ id: archiveId }),
    output: archiveEntry,
    needs: null,
    errors: ['archive-not-found'],
  }),
  'archive.list': defineOp({
    summary: 'The entries of a scope, or all, by id, with the beginning of each.',
    input: z.strictObject({
      scope: scope.optional(),
      after: z.union([z.literal(''), archiveId]).default(''),
      limit: z.int().min(1).max(30).default(30),
    }),
    output: z.strictObject({ entries: z.array(archiveCard), more: z.boolean() }),
    needs: null,
    errors: [],
  }),
  'archive.delete': defineOp({
    summary: 'Deletes an entry, whoever its owner is.',
    input: z.strictObject({ id: archiveId }),
    output: z.strictObject({}),
    needs: null,
    errors: ['archive-not-found', 'storage-failed'],
  }),
}
