/**
 * Makes one snapshot of a document and changes behind it. Keeps: what comes out was loaded again, with the same heads and
 * as many changes, each as it was written, and no change in it waits for one that is missing.
 */
import * as A from '@automerge/automerge'
import { readChange } from '../../protocol/sync/change-structure.ts'
import { assertSame } from './re-encoding.ts'

export interface FoldTask {
  /** An Automerge document. */
  readonly base: Uint8Array
  readonly changes: readonly Uint8Array[]
}

/** Which rows of the store a fold began with. */
export interface FoldedRows {
  readonly positions: readonly number[]
  /** How often the block had begun again. */
  readonly resets: number
}

export interface FoldResult {
  readonly bytes: Uint8Array
  /** In the document. */
  readonly changes: number
}

/** @throws when the snapshot would not stand for the changes */
export function fold({ base, changes }: FoldTask): FoldResult {
  const before = A.load<object>(base)
  const heads = A.getHeads(before)
  const [doc] = A.applyChanges(before, [...changes])
  if (A.getMissingDeps(doc, []).length > 0) throw new Error('a change waits for one that is not here')
  assertSame(
    doc,
    heads,
    changes.map((bytes) => ({ bytes, hash: readChange(bytes).hash })),
  )
  const bytes = A.save(doc)
  const loaded = A.load<object>(bytes)
  try {
    const count = (of: A.Doc<object>): number => A.getChangesMetaSince(of, []).length
    if (A.getHeads(loaded).join() !== A.getHeads(doc).join() || count(loaded) !== count(doc)) {
      throw new Error('the snapshot is not the document that it was made of')
    }
    return { bytes, changes: count(loaded) }
  } finally {
    A.free(loaded)
    A.free(doc)
  }
}
