/**
 * Damaged changes with a fitting checksum: each is refused by a rule, or read as Automerge reads it. What passes the
 * structure may still name a predecessor of another key, which only the document can tell; everything else that
 * applies must leave a document that hands the change out again, byte for byte, and that loads again.
 */
import * as Automerge from '@automerge/automerge'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MooringError } from '../../../../protocol/errors.ts'
import { readChange } from '../../../../protocol/sync/change-structure.ts'
import { repair } from '../../../fixtures/change-builder.ts'
import { samples } from '../../../fixtures/sample-changes.ts'

const { before, rich, put, three, empty, first } = samples
/** What each sample builds on. */
const bases = new Map([
  [rich, before],
  [put, [...before, rich]],
  [three, [...before, rich, put]],
  [empty, [...before, rich, put, three]],
  [first, []],
])
const victims = [...bases.keys()]

const damaged = fc
  .record({
    victim: fc.constantFrom(...victims),
    flips: fc.array(fc.record({ at: fc.nat(), bit: fc.nat(7) }), { minLength: 1, maxLength: 3 }),
  })
  .map(({ victim, flips }) => {
    const bytes = Uint8Array.from(victim)
    for (const { at, bit } of flips) {
      // The header is left alone: its rules have their own cases, and nearly every flip there ends at them.
      const target = 10 + (at % (bytes.length - 10))
      bytes[target] = (bytes[target] ?? 0) ^ (1 << bit)
    }
    return { victim, bytes: repair(bytes) }
  })

const decode = (chunk: Uint8Array): ReturnType<typeof Automerge.decodeChange> | undefined => {
  try {
    return Automerge.decodeChange(chunk)
  } catch {
    return undefined
  }
}

/** Whether a document with this change can be handed on and loaded again, or `undefined` when it does not apply. */
function isSound(base: readonly Uint8Array[], chunk: Uint8Array): boolean | undefined {
  let doc = Automerge.applyChanges(Automerge.init(), [...base])[0]
  const heads = Automerge.getHeads(doc)
  try {
    doc = Automerge.applyChanges(doc, [chunk])[0]
  } catch {
    return undefined
  }
  try {
    const [again] = Automerge.getChangesSince(doc, heads)
    const loaded = Automerge.load(Automerge.save(doc))
    return (
      again !== undefined &&
      Buffer.compare(again, chunk) === 0 &&
      Automerge.getHeads(loaded).join() === Automerge.getHeads(doc).join()
    )
  } catch {
    return false
  }
}

describe('damaged changes', () => {
  it('are refused by a rule, or read as Automerge reads them', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(damaged, ({ bytes }) => {
        let facts: ReturnType<typeof readChange>
        try {
          facts = readChange(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(MooringError)
          return
        }
        const decoded = decode(bytes)
        // Automerge's reader of changes gives up on values that JavaScript numbers cannot hold; applying does not.
        if (decoded === undefined) return
        const { hash, actor, seq, startOp, ops, deps, time } = decoded
        expect(facts).toMatchObject({ hash, actor, seq, startOp, ops: ops.length, deps, time })
      }),
      { numRuns: 4_000 },
    )
  })

  it('leave a sound document when only contents, not references, were damaged', { timeout: 60_000 }, () => {
    let applied = 0
    fc.assert(
      fc.property(damaged, ({ victim, bytes }) => {
        const base = bases.get(victim) ?? []
        let facts: ReturnType<typeof readChange>
        try {
          facts = readChange(bytes)
        } catch {
          return
        }
        const honest = readChange(victim)
        if (facts.actor !== honest.actor || facts.seq !== honest.seq || facts.startOp !== honest.startOp) return
        const [was, is] = [decode(victim), decode(bytes)]
        const references = (change: typeof was) =>
          JSON.stringify(change?.ops, ['obj', 'key', 'elemId', 'pred', 'insert'])
        if (is === undefined || references(was) !== references(is) || facts.deps.join() !== honest.deps.join()) return
        const sound = isSound(base, bytes)
        if (sound !== undefined) applied++
        expect(sound).not.toBe(false)
      }),
      { numRuns: 3_000 },
    )
    // How many pass is chance, about fifty; none would mean that nothing was tried.
    expect(applied).toBeGreaterThan(10)
  })
})
