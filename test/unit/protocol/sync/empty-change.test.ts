/** A change without operations: the same bytes as Automerge writes, and taken by the checker. */
import * as A from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import type { ActorId, ChangeHash } from '../../../../protocol/ids.ts'
import { encodeEmptyChange, readChange } from '../../../../protocol/sync/index.ts'

const actor = (n: number): string => n.toString(16).padStart(48, '0')

/** A document with so many edits side by side. */
function forked(heads: number): A.Doc<{ n: number }> {
  const base = A.change(A.init<{ n: number }>(actor(0)), { time: 0 }, (doc) => {
    doc.n = 0
  })
  let all = base
  for (let n = 1; n <= heads; n++) {
    const fork = A.clone(base, { actor: actor(n) })
    all = A.merge(
      all,
      A.change(fork, { time: 0 }, (doc) => {
        doc.n = n
      }),
    )
  }
  return all
}

describe('an empty change', () => {
  it.each([
    [1, 0],
    [2, 1_700_000_000],
    [200, 2 ** 40],
    [33, -1],
  ])('of %i dependencies at %i is what Automerge writes', (heads, time) => {
    const doc = forked(heads)
    const mine = A.clone(doc, { actor: actor(9_999) })
    const expected = A.getLastLocalChange(A.emptyChange(mine, { time }))
    const deps = A.getHeads(doc) as ChangeHash[]
    const bytes = encodeEmptyChange({ actor: actor(9_999) as ActorId, seq: 1, startOp: 3, time, deps: deps.reverse() })
    expect(Buffer.compare(bytes, expected ?? new Uint8Array())).toBe(0)
    const facts = readChange(bytes)
    expect(facts).toMatchObject({ actor: actor(9_999), seq: 1, startOp: 3, maxOp: 2, ops: 0, time })
    expect(facts.deps).toEqual([...deps].sort())
    const [merged] = A.applyChanges(doc, [bytes])
    expect(A.getHeads(merged)).toEqual([facts.hash])
  })
})
