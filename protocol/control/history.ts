/** What happened to a block, as the operator sees it. */
import { z } from 'zod'
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
  undoDepth,
  undoOutput,
} from '../history-shapes.ts'
import { undoErrors } from '../host/history.ts'
import { address } from '../shapes.ts'

const ofPeer = z.strictObject({
  address,
  /** Name, peer id or words of the key. */
  who: z.string().min(1).max(128),
})

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
  'block.history-depth': defineOp({
    summary: 'How many changes of a plugin can be undone, and redone.',
    input: ofPeer,
    output: undoDepth,
    needs: null,
    errors: ['block-not-found', 'block-damaged', 'view-failed', 'peer-not-found'],
  }),
  'block.undo': defineOp({
    summary: 'Takes back the newest change of a plugin by a further one; what others wrote since stays.',
    input: ofPeer,
    output: undoOutput,
    needs: null,
    errors: [...undoErrors, 'peer-not-found'],
  }),
  'block.redo': defineOp({
    summary: 'Brings back what was undone last of a plugin.',
    input: ofPeer,
    output: undoOutput,
    needs: null,
    errors: [...undoErrors, 'peer-not-found'],
  }),
}
