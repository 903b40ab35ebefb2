/**
 * One change made here, in the document of a block. Keeps: what no daemon takes is undone before it is history, and what
 * is left to be looked at later is such that nobody can have anything against it.
 */
import * as A from '@automerge/automerge'
import { limits, MooringError } from '../../protocol/index.ts'
import { afterLocal } from './reading.ts'

export interface Edit<Value> {
  /** The document with the change. */
  readonly doc: A.Doc<Value>
  /** A few letters were typed or deleted: no limit is anywhere near. */
  readonly isTyped: boolean
}

/** Letters of one change that count as typed. */
const maxTyped = 1_000

/**
 * @param timeS in the change. Undefined when `edit` changed nothing.
 * @throws `change-too-large`, `invalid-input` for an edit that is not over when it returns: nothing was changed
 */
export function makeEdit<Value>(
  doc: A.Doc<Value>,
  timeS: number,
  edit: (draft: Value) => void,
): Edit<Value> | undefined {
  const made: A.Patch[][] = []
  const options = { time: timeS, patchCallback: (patches: A.Patch[]) => made.push(patches) }
  const next = A.change(doc, options, (draft) => {
    const result: unknown = edit(draft)
    if (isPromise(result)) {
      const detail = 'an edit is made at once: wait for what it needs first, and pass a function that is not async'
      throw new MooringError('invalid-input', { detail })
    }
    // Thrown in here the change is rolled back; once it is history nobody could take it.
    if (A.getBackend(doc).pendingOps() > limits.maxOpsPerFrame) {
      const detail = `one change has at most ${limits.maxOpsPerFrame} operations; a typed character is one: make several changes`
      throw new MooringError('change-too-large', { detail })
    }
  })
  if (next === doc) return undefined
  const patches = made.flat()
  // Those who have as many heads as a change may name have to be told before one more is made.
  const isTyped = isTyping(patches) && A.getHeads(doc).length <= limits.maxDeps
  return { doc: afterLocal(next, patches), isTyped }
}

/** Also one that fails is heard: it would end the process. */
function isPromise(result: unknown): boolean {
  if (typeof result !== 'object' || result === null || !('then' in result)) return false
  if (result instanceof Promise) result.catch(() => {})
  return true
}

function isTyping(patches: readonly A.Patch[]): boolean {
  let letters = 0
  for (const patch of patches) {
    if (patch.action === 'splice') letters += patch.value.length
    else if (patch.action === 'del') letters += patch.length ?? 1
    else return false
  }
  return patches.length > 0 && letters <= maxTyped
}
