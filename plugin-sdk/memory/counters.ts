/**
 * Shows counters as they are. Keeps true: two documents with the same changes show the same numbers, also after an
 * increment of a counter that was made twice side by side. The engine counts up both, and tells the document that is shown
 * about the one that lost, as if it were the one that is shown.
 */
import * as A from '@automerge/automerge'

/** The document after a local change that made these patches; made anew if it shows a counter that lost. */
export function withTrueCounters<Value>(doc: A.Doc<Value>, patches: readonly A.Patch[]): A.Doc<Value> {
  if (!patches.some((patch) => patch.action === 'put' && isContested(doc, patch.path))) return doc
  const shown = A.load<Value>(A.save(doc), { actor: A.getActorId(doc) })
  A.free(doc)
  return shown
}

function isContested(doc: A.Doc<unknown>, path: readonly A.Prop[]): boolean {
  let parent: unknown = doc
  for (const step of path.slice(0, -1)) parent = at(parent, step)
  const last = path.at(-1)
  if (last === undefined || !(at(parent, last) instanceof A.Counter)) return false
  return A.getConflicts(parent as A.Doc<unknown>, last as never) !== undefined
}

const at = (parent: unknown, step: A.Prop): unknown =>
  (parent as { readonly [key: A.Prop]: unknown } | undefined)?.[step]
