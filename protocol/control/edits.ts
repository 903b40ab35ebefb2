/** Edits of blocks by the operator: the daemon writes the change. */
import { defineOp } from '../define.ts'
import { editInput, editOutput } from '../edit-shapes.ts'

export const editOps = {
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
