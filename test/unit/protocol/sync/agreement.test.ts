/** Nothing that Automerge writes is refused, and what is read from it is what Automerge itself reads. */
import * as Automerge from '@automerge/automerge'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { admitChange, type NewObject } from '../../../../protocol/sync/admit.ts'
import { type ChangeFacts, readChange } from '../../../../protocol/sync/change-structure.ts'
import { assemble, bodyOf, decodeOps, takeApart, withOps, wrap } from '../../../fixtures/change-builder.ts'
import { playSteps, stepsArbitrary } from '../../../fixtures/honest-documents.ts'
import { type Edit, loadAutomergePaper, loadFriendsForever } from '../../../fixtures/traces.ts'
import { BlockModel } from './block-model.ts'

interface TextDocument {
  [key: string]: unknown
  text: string
}

/** Throws with both readings when they differ. */
function expectAgreement(chunk: Uint8Array): ChangeFacts {
  const facts = readChange(chunk)
  const decoded = Automerge.decodeChange(chunk)
  const made = decoded.ops.flatMap((op, row) => {
    const type = /^make(Map|List|Text|Table)$/.exec(op.action)?.[1]?.toLowerCase()
    return type === undefined ? [] : [{ opId: `${decoded.startOp + row}@${decoded.actor}`, type, parent: op.obj }]
  })
  const read = [facts.hash, facts.actor, facts.seq, facts.startOp, facts.ops, facts.time, facts.deps, facts.made]
  const { hash, actor, seq, startOp, ops, time, deps } = decoded
  const expected = [hash, actor, seq, startOp, ops.length, time, deps, made]
  if (JSON.stringify(read) !== JSON.stringify(expected)) expect(read).toEqual(expected)
  if (facts.maxOp !== startOp + ops.length - 1) expect(facts.maxOp).toBe(startOp + ops.length - 1)
  return facts
}

function edit(doc: Automerge.Doc<TextDocument>, patches: readonly Edit[]): [Automerge.Doc<TextDocument>, Uint8Array] {
  const next = Automerge.change(doc, { time: 0 }, (root) => {
    for (const [at, removed, inserted] of patches) Automerge.splice(root, ['text'], at, removed, inserted)
  })
  return [next, Automerge.getLastLocalChange(next) ?? new Uint8Array(0)]
}

const emptyText = (actor: string): Automerge.Doc<TextDocument> =>
  Automerge.change(Automerge.init<TextDocument>({ actor }), { time: 0 }, (root) => {
    root.text = ''
  })

describe('agreement with Automerge', () => {
  it('takes the writing of a paper, one change per keystroke', { timeout: 60_000 }, () => {
    let doc = emptyText('5e'.repeat(24))
    const block = new BlockModel()
    block.add(expectAgreement(Automerge.getAllChanges(doc)[0] ?? new Uint8Array(0)))
    for (const { patches } of loadAutomergePaper().txns.slice(0, 20_000)) {
      const [next, chunk] = edit(doc, patches)
      doc = next
      block.add(expectAgreement(chunk))
    }
    expect(block.ops).toBe(20_001)
  })

  it('takes two people typing at the same time', { timeout: 60_000 }, () => {
    const { numAgents, txns } = loadFriendsForever()
    const first = emptyText('f0'.repeat(24))
    const docs = Array.from({ length: numAgents }, (_, agent) =>
      Automerge.clone(first, { actor: `0${agent}`.repeat(24) }),
    )
    /** For each agent, the transactions of the others that it has seen: they apply in order, up to a parent. */
    const seen = docs.map(() => 0)
    const block = new BlockModel()
    block.add(expectAgreement(Automerge.getAllChanges(first)[0] ?? new Uint8Array(0)))
    const chunks: Uint8Array[] = []
    let merges = 0
    for (const { agent, parents, patches } of txns.slice(0, 3_000)) {
      const others = parents.filter((parent) => txns[parent]?.agent !== agent)
      const until = Math.max(-1, ...others) + 1
      const missing = chunks.slice(seen[agent], until).filter((_, at) => txns[(seen[agent] ?? 0) + at]?.agent !== agent)
      const doc = docs[agent] as Automerge.Doc<TextDocument>
      const merged = missing.length === 0 ? doc : Automerge.applyChanges(doc, missing)[0]
      seen[agent] = Math.max(seen[agent] ?? 0, until)
      const [next, chunk] = edit(merged, patches)
      docs[agent] = next
      chunks.push(chunk)
      const facts = expectAgreement(chunk)
      if (facts.deps.length > 1) merges++
      block.add(facts)
    }
    expect(merges).toBeGreaterThan(100)
  })

  it('takes every change of documents with all kinds of content', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(stepsArbitrary, (steps) => {
        const block = new BlockModel()
        for (const chunk of playSteps(steps)) {
          const facts = expectAgreement(chunk)
          block.add(facts)
          const parts = takeApart(chunk)
          expect(assemble(withOps(parts, decodeOps(parts)))).toEqual(Uint8Array.from(chunk))
          const { hash, ops, made, touched } = readChange(wrap(bodyOf(parts), { deflate: true }))
          expect({ hash, ops, made, touched }).toEqual({
            hash: facts.hash,
            ops: facts.ops,
            made: facts.made,
            touched: facts.touched,
          })
        }
      }),
      { numRuns: 150 },
    )
  })

  it('takes a change that names 300 actors', () => {
    let doc = emptyText('00'.repeat(24))
    for (let n = 0; n < 300; n++) {
      doc = Automerge.clone(doc, { actor: (n * 7_919).toString(16).padStart(48, '1') })
      doc = edit(doc, [[0, 0, 'x']])[0]
    }
    const [, chunk] = edit(doc, [[0, 300, '']])
    const facts = expectAgreement(chunk)
    expect([facts.ops, facts.actors.length]).toEqual([300, 300])
    expect(facts.touched).toEqual([{ object: `1@${'00'.repeat(24)}`, key: 'seq' }])
  })

  it('takes a change with 101 dependencies', () => {
    const first = emptyText('ee'.repeat(24))
    const apart = Array.from(
      { length: 100 },
      (_, n) => edit(Automerge.clone(first, { actor: (n + 1).toString(16).padStart(48, '0') }), [[0, 0, 'x']])[0],
    )
    const own = edit(Automerge.clone(first, { actor: '33'.repeat(24) }), [[0, 0, 'y']])[0]
    const merged = apart.reduce((all, one) => Automerge.merge(all, one), own)
    expect(expectAgreement(edit(merged, [[0, 0, 'z']])[1]).deps).toHaveLength(101)
  })

  it('takes a large paste, plain and compressed', () => {
    const [, chunk] = edit(emptyText('00'.repeat(24)), [[0, 0, 'lorem ipsum '.repeat(1_600)]])
    expect(expectAgreement(chunk).ops).toBe(19_200)
    const deflated = wrap(bodyOf(takeApart(chunk)), { deflate: true })
    expect(deflated.length).toBeLessThan(chunk.length / 10)
    expect(expectAgreement(deflated).expanded).toEqual(Uint8Array.from(chunk))
  })

  it('takes edits of older versions, whose counters begin beyond their dependencies', () => {
    const first = emptyText('44'.repeat(24))
    const heads = Automerge.getHeads(first)
    const later = edit(first, [[0, 0, 'later']])[0]
    const { newDoc } = Automerge.changeAt(later, heads, { time: 0 }, (root) => {
      Automerge.splice(root, ['text'], 0, 0, 'a')
    })
    const block = new BlockModel()
    const facts = Automerge.getAllChanges(newDoc).map(expectAgreement)
    for (const one of facts) block.add(one)
    expect(facts.map(({ actor, startOp }) => [actor.slice(0, 10), startOp])).toContainEqual(['13b2230901', 7])
  })

  it('finds the same objects that admission places', () => {
    const doc = Automerge.change(Automerge.init<Record<string, unknown>>({ actor: '55'.repeat(24) }), (root) => {
      root.a = { b: [{ c: 'text' }] }
    })
    const facts = expectAgreement(Automerge.getLastLocalChange(doc) ?? new Uint8Array(0))
    const admission = admitChange(facts, new BlockModel())
    const placed: readonly NewObject[] = admission.outcome === 'admitted' ? admission.objects : []
    expect(placed.map(({ type, depth }) => [type, depth])).toEqual([
      ['map', 1],
      ['list', 2],
      ['map', 3],
      ['text', 4],
    ])
  })
})
