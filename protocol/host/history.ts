/** What happened to a block: who wrote what, and when. */
import { defineOp } from '../define.ts'
import { historyInput, historyPage } from '../history-shapes.ts'

const readNeed = { area: 'blocks', right: 'read', subject: (input: { address: string }) => input.address }

export const historyOps = {
  'block.history': defineOp({
    summary: 'Groups of changes of a block, newest first: who wrote them, when, and what they did.',
    input: historyInput,
    output: historyPage,
    needs: readNeed,
    errors: ['block-not-found', 'block-damaged', 'view-failed', 'no-such-change'],
  }),
}
