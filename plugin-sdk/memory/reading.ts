/**
 * Shows a document as the engine has it. Keeps true: two documents with the same changes show the same content. The engine
 * derives what it shows from patches, and makes wrong ones, or none, where several wrote side by side: a key that one
 * deletes and another sets keeps its old value when both come in one call, an insertion into a list lands in another
 * place, a counter that lost is counted up in place of the one that won. What it holds, and saves, is right.
 */
import * as A from '@automerge/automerge'

/**
 * The document after changes of others. Costs time proportional to what is shown, a fraction of what applying costs for
 * a text. The document that it is made of must not be used any more.
 */
export function readAnew<Value>(doc: A.Doc<Value>): A.Doc<Value> {
  const engine = A.getBackend(doc)
  return engine.materialize('/', undefined, { handle: engine, heads: undefined }) as A.Doc<Value>
}

/** The document after a local change that made these patches: they are right, but for counters that two made. */
export function afterLocal<Value>(doc: A.Doc<Value>, patches: readonly A.Patch[]): A.Doc<Value> {
  return patches.some((patch) => patch.action === 'put' && isContested(doc, patch.path)) ? readAnew(doc) : doc
}

function isContested(doc: A.Doc<unknown>, path: readonly A.Prop[]): boolean {
  const parent = path.slice(0, -1).reduce<unknown>(at, doc)
  const last = path.at(-1)
  if (last === undefined || !(at(parent, last) instanceof A.Counter)) return false
  return A.getConflicts(parent as A.Doc<unknown>, last as never) !== undefined
}

const at = (parent: unknown, step: A.Prop): unknown =>
  (parent as { readonly [key: A.Prop]: unknown } | undefined)?.[step]
