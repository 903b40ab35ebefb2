/** The archive: texts that are kept as they are, by scope, until somebody deletes them. */
import { z } from 'zod'
import { defineOp } from '../define.ts'
import type { Scope } from '../ids.ts'
import { archiveCard, archiveEntry, archiveId, archiveMetadata, archiveText, count, scope } from '../shapes.ts'

const overScope = (right: 'read' | 'create') => ({
  area: 'blocks',
  right,
  scope: (input: { readonly scope: Scope }) => input.scope,
})

export const archiveOps = {
  'archive.insert': defineOp({
    summary: 'Puts a text into the archive of a scope.',
    input: z.strictObject({ scope, text: archiveText, metadata: archiveMetadata.optional() }),
    /** Both are the daemon's: ids rise with the time at which they were made. */
    output: z.strictObject({ id: archiveId, createdAtMs: count }),
    needs: overScope('create'),
    errors: ['quota-exceeded', 'grant-changed', 'suspended', 'rate-limited', 'storage-full', 'storage-failed'],
  }),
  'archive.get': defineOp({
    summary: 'One entry; takes `blocks:read` on all of its scope.',
    input: z.strictObject({ id: archiveId }),
    output: archiveEntry,
    needs: null,
    errors: ['archive-not-found'],
  }),
  'archive.list': defineOp({
    summary: 'The entries of a scope by id, with the beginning of each.',
    input: z.strictObject({
      scope,
      /** Ids after this one; the last of a page is the next page's `after`. */
      after: z.union([z.literal(''), archiveId]).default(''),
      limit: z.int().min(1).max(30).default(30),
    }),
    output: z.strictObject({ entries: z.array(archiveCard), more: z.boolean() }),
    needs: overScope('read'),
    errors: [],
  }),
  'archive.delete': defineOp({
    summary: 'Deletes an entry: its owner with `blocks:create`, anybody with `blocks:admin`, on all of its scope.',
    input: z.strictObject({ id: archiveId }),
    output: z.strictObject({}),
    needs: null,
    errors: ['archive-not-found', 'grant-missing', 'grant-changed', 'suspended', 'rate-limited', 'storage-failed'],
  }),
}
