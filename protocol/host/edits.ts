/** Edits of blocks by plugins that keep no replica: the daemon writes the change for them. */
import { defineOp } from '../define.ts'
import { createInput, createOutput, editInput, editOutput } from '../edit-shapes.ts'
import type { ErrorCode } from '../errors.ts'

/** What may become of a change that the daemon makes for somebody. */
export const editErrors = [
  'block-not-found',
  'bad-edit',
  'heads-differ',
  'change-too-large',
  'grant-missing',
  'grant-changed',
  'suspended',
  'rate-limited',
  'quota-exceeded',
  'too-many-calls',
  'missing-deps',
  'block-damaged',
  'view-failed',
  'storage-failed',
  'storage-full',
] as const satisfies readonly ErrorCode[]

export const editOps = {
  'block.create': defineOp({
    summary: 'The block of this schema at an address, made if there is none.',
    input: createInput,
    output: createOutput,
    needs: { area: 'blocks', right: 'create', subject: (input: { address: string }) => input.address },
    errors: [
      'address-taken',
      'block-deleted',
      'quota-exceeded',
      'grant-changed',
      'suspended',
      'rate-limited',
      'block-damaged',
      'storage-failed',
      'storage-full',
    ],
  }),
  'block.edit': defineOp({
    summary: 'Edits a block by steps, as one change that the daemon makes and vouches for: all of them or none.',
    input: editInput,
    output: editOutput,
    /** To read it as well: what a step finds says what is there. */
    needs: { area: 'blocks', right: 'write', subject: (input: { address: string }) => input.address },
    errors: editErrors,
  }),
}
