/**
 * What a peer may undo and redo. Keeps: it follows from the changes alone, in the order that is the same everywhere, so a
 * restart changes nothing; a step is one change of the peer, or one that the daemon made for it.
 */
import type { PeerId } from '../../../protocol/ids.ts'
import { readNote } from './note.ts'
import { ownerOf } from './page.ts'
import type { Timeline, TimelineEntry } from './timeline.ts'

export interface Whose {
  readonly peer: PeerId
  /** The digits with which the actors of the peer, and those of the daemon, begin. */
  readonly owner: string
  readonly daemon: string
}

export interface UndoSteps {
  /** The next one to take back is the last. */
  readonly undo: TimelineEntry[]
  readonly redo: TimelineEntry[]
}

export function undoSteps(timeline: Timeline, { peer, owner, daemon }: Whose): UndoSteps {
  const steps: UndoSteps = { undo: [], redo: [] }
  for (const entry of timeline.entries) {
    const by = ownerOf(entry.actor)
    const note = by === daemon ? readNote(entry.message) : undefined
    if (note?.peer === peer && note.of !== undefined) {
      const [from, to] = note.kind === 'undo' ? [steps.undo, steps.redo] : [steps.redo, steps.undo]
      const at = from.findLastIndex(({ hash }) => hash === note.of)
      if (at >= 0) from.splice(at, 1)
      to.push(entry)
    } else if (note?.peer === peer || (by === owner && by !== daemon)) {
      // A change without operations only joins what stands side by side.
      if (entry.maxOp < entry.startOp) continue
      steps.undo.push(entry)
      steps.redo.length = 0
    }
  }
  return steps
}
