/** What happened to a block, as the operator sees it. */
import { defineOp } from '../define.ts'
import { historyInput, historyPage } from '../history-shapes.ts'

export const historyOps = {
  'block.history': defineOp({
    summary: 'Groups of changes of a block, newest first: who wrote them, when, and what they did.',
    input: historyInput,
    output: historyPage,
    needs: null,
    errors: ['block-not-found', 'block-damaged', 'view-failed', 'no-such-change'],
  }),
}
