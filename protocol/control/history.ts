/** What happened to a block, as the operator sees it. */
import { defineOp } from '../define.ts'
import {
  blameInput,
  blamePage,
  blockDiff,
  blockState,
  diffInput,
  historyInput,
  historyPage,
  stateInput,
} from '../history-shapes.ts'

export const historyOps = {
  'block.history': defineOp({
    summary: 'Groups of changes of a block, newest first: who wrote them, when, and what they did.',
    input: historyInput,
    output: historyPage,
    needs: null,
    errors: ['block-not-found', 'block-damaged', 'view-failed', 'no-such-change'],
  }),
  'block.at': defineOp({
    summary: 'One block as it was at some heads, rendered, a page of its text at a time.',
    input: stateInput,
    output: blockState,
    needs: null,
    errors: ['block-not-found', 'block-damaged', 'view-failed', 'no-such-change'],
  }),
  'block.diff': defineOp({
    summary: 'What differs between two states of a block, or one and the present.',
    input: diffInput,
    output: blockDiff,
    needs: null,
    errors: ['block-not-found', 'block-damaged', 'view-failed', 'no-such-change'],
  }),
  'block.blame': defineOp({
    summary: 'Who wrote which part of a text of a block, a page at a time.',
    input: blameInput,
    output: blamePage,
    needs: null,
    errors: ['block-not-found', 'block-damaged', 'view-failed', 'no-text'],
  }),
}
