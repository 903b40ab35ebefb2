/** Edits of blocks by the operator: the daemon writes the change. */
import { defineOp } from '../define.ts'
import { createInput, createOutput, editInput, editOutput } from '../edit-shapes.ts'

export const editOps = {
  'block.create': defineOp({
    summary: 'The block of this schema at an address, made if there is none.',
    input: createInput,
    output: createOutput,
    needs: null,
    errors: ['address-taken', 'block-deleted', 'quota-exceeded', 'block-damaged', 'storage-failed', 'storage-full'],
  }),
  'block.edit': defineOp({
    summary: 'Edits a block by steps, as one change of the daemon: all of them or none.',
    input: editInput,
    output: editOutput,
    needs: null,
    errors: [
      'block-not-found',
      'bad-edit',
      'heads-differ',
      'change-too-large',
      'quota-exceeded',
      'missing-deps',
      'block-damaged',
      'view-failed',
      'storage-failed',
      'storage-full',
    ],
  }),
}
