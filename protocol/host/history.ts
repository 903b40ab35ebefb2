/** What happened to a block: who wrote what, and when. */
import { z } from 'zod'
import { defineOp } from '../define.ts'
import type { ErrorCode } from '../errors.ts'
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
import { address } from '../shapes.ts'

const readNeed = { area: 'blocks', right: 'read', subject: (input: { address: string }) => input.address }

const writeNeed = { ...readNeed, right: 'write' }

/** What may become of a change that the daemon makes for somebody. */
export const undoErrors = [
  'block-not-found',
  'block-damaged',
  'view-failed',
  'bad-edit',
  'change-too-large',
  'missing-deps',
  'grant-changed',
  'suspended',
  'rate-limited',
  'quota-exceeded',
  'too-many-calls',
  'storage-failed',
  'storage-full',
] as const satisfies readonly ErrorCode[]

export const historyOps = {
  'block.history': defineOp({
    summary: 'Groups of changes of a block, newest first: who wrote them, when, and what they did.',
    input: historyInput,
    output: historyPage,
    needs: readNeed,
    errors: ['block-not-found', 'block-damaged', 'view-failed', 'no-such-change'],
  }),
  'block.at': defineOp({
    summary: 'One block as it was at some heads, rendered, a page of its text at a time.',
    input: stateInput,
    output: blockState,
    needs: readNeed,
    errors: ['block-not-found', 'block-damaged', 'view-failed', 'no-such-change'],
  }),
  'block.diff': defineOp({
    summary: 'What differs between two states of a block, or one and the present.',
    input: diffInput,
    output: blockDiff,
    needs: readNeed,
    errors: ['block-not-found', 'block-damaged', 'view-failed', 'no-such-change'],
  }),
  'block.blame': defineOp({
    summary: 'Who wrote which part of a text of a block, a page at a time.',
    input: blameInput,
    output: blamePage,
    needs: readNeed,
    errors: ['block-not-found', 'block-damaged', 'view-failed', 'no-text'],
  }),
  'block.historyDepth': defineOp({
    summary: 'How many changes of the caller can be undone, and redone.',
    input: z.strictObject({ address }),
    output: undoDepth,
    needs: readNeed,
    errors: ['block-not-found', 'block-damaged', 'view-failed'],
  }),
  'block.undo': defineOp({
    summary: 'Takes back the newest change of the caller by a further one; what others wrote since stays.',
    input: z.strictObject({ address }),
    output: undoOutput,
    needs: writeNeed,
    errors: undoErrors,
  }),
  'block.redo': defineOp({
    summary: 'Brings back what the caller undid last.',
    input: z.strictObject({ address }),
    output: undoOutput,
    needs: writeNeed,
    errors: undoErrors,
  }),
}
