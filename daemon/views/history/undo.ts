/**
 * Undo and redo as new changes. Keeps: the held document is left as it is until the log has taken the change; a change that
 * takes another one back says which, so that taking it back in turn brings that one's effect again.
 */
import * as Automerge from '@automerge/automerge'
import type { ChangeHash } from '../../../protocol/ids.ts'
import type { ViewSteps } from '../view-steps.ts'
import { Aliases } from './aliases.ts'
import { applyInverse } from './inverse.ts'
import { maxNoteChars, writeNote } from './note.ts'
import type { Engine, Timeline } from './timeline.ts'
import { undoSteps } from './undo-steps.ts'

export function depthOf(timeline: Timeline, whose: ViewSteps['depth']['ask']): ViewSteps['depth']['answer'] {
  const { undo, redo } = undoSteps(timeline, whose)
  return { undo: undo.length, redo: redo.length }
}

/** Undefined when there is nothing to take back. */
export function takeBack(
  engine: Engine,
  timeline: Timeline,
  { kind, actor, timeS, ...whose }: ViewSteps['undo']['ask'],
): ViewSteps['undo']['answer'] {
  const steps = undoSteps(timeline, whose)
  const step = steps[kind].at(-1)
  if (step === undefined) return undefined
  const bytes = engine.getChangeByHash(step.hash)
  if (bytes === null) throw new Error('a change of the document is missing')
  const copy = engine.fork(actor)
  try {
    const aliases = applyInverse(copy, Automerge.decodeChange(bytes), new Aliases(timeline, whose.daemon))
    const note = writeNote({ peer: whose.peer, kind, of: step.hash, aliases })
    if (note.length > maxNoteChars) return { refused: { code: 'change-too-large', detail: 'too many parts' } }
    // Everything may have been written over by others: it is taken back all the same, and changes nothing.
    if (copy.pendingOps() > 0) copy.commit(note, timeS)
    else copy.emptyChange(note, timeS)
    const change = copy.getLastLocalChange()
    if (change === null) throw new Error('the engine made no change')
    const [undo, redo] = [steps.undo.length, steps.redo.length]
    const moved = kind === 'undo' ? 1 : -1
    return {
      bytes: Uint8Array.from(change),
      before: engine.getHeads().toSorted() as ChangeHash[],
      heads: copy.getHeads().toSorted() as ChangeHash[],
      of: step.hash,
      undo: undo - moved,
      redo: redo + moved,
    }
  } finally {
    copy.free()
  }
}
