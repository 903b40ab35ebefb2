/** Admission: order, dependencies, counters, objects and the quota of a block. */
import { beforeEach, describe, expect, it } from 'vitest'
import { MooringError } from '../../../../protocol/errors.ts'
import type { ActorId, ChangeHash } from '../../../../protocol/ids.ts'
import { limits } from '../../../../protocol/limits.ts'
import { admissionRules, admitChange } from '../../../../protocol/sync/admit.ts'
import { type ChangeFacts, readChange } from '../../../../protocol/sync/change-structure.ts'
import { samples } from '../../../fixtures/sample-changes.ts'
import { BlockModel } from './block-model.ts'

const rich = readChange(samples.rich)
const bob = 'aa'.repeat(24)
const unknown = '0'.repeat(64) as ChangeHash
let block: BlockModel

beforeEach(() => {
  block = new BlockModel()
  for (const chunk of samples.before) block.add(readChange(chunk))
})

function refusal(facts: ChangeFacts): [code: string, detail: string | undefined] {
  try {
    admitChange(facts, block)
  } catch (error) {
    if (error instanceof MooringError) return [error.code, error.detail]
    throw error
  }
  throw new Error('nothing was refused')
}
const ruleOf = (facts: ChangeFacts): string | undefined => refusal(facts)[1]?.split(':')[0]

describe('admission', () => {
  it('admits the next change of an actor and places its objects', () => {
    const alice = rich.actor
    expect(admitChange(rich, block)).toEqual({
      outcome: 'admitted',
      gap: 0,
      objects: [
        { opId: `23@${alice}`, type: 'text', depth: 2 },
        { opId: `42@${alice}`, type: 'map', depth: 1 },
        { opId: `43@${alice}`, type: 'map', depth: 2 },
        { opId: `44@${alice}`, type: 'list', depth: 2 },
        { opId: `47@${alice}`, type: 'text', depth: 3 },
      ],
    })
  })

  it('calls a change stale whose sequence number the actor has used', () => {
    block.add(rich)
    expect(admitChange(rich, block)).toEqual({ outcome: 'stale' })
    expect(admitChange({ ...rich, hash: unknown, deps: [unknown] }, block)).toEqual({ outcome: 'stale' })
  })

  it('names the missing dependencies', () => {
    expect(refusal({ ...rich, deps: [...rich.deps, unknown] })).toEqual(['missing-deps', unknown])
  })

  it('asks for missing dependencies before it complains of a gap', () => {
    expect(refusal({ ...rich, seq: 9, deps: [unknown] })[0]).toBe('missing-deps')
  })

  it('lists no more missing dependencies than a detail holds', () => {
    const deps = Array.from({ length: limits.maxDeps }, (_, n) => n.toString(16).padStart(64, '0') as ChangeHash)
    const detail = refusal({ ...rich, deps })[1] ?? ''
    expect(detail.length).toBeLessThanOrEqual(limits.maxDetailChars)
    expect(detail.split(' ')).toEqual(deps.slice(0, detail.split(' ').length))
  })

  it('refuses a gap in the sequence numbers', () => {
    expect(ruleOf({ ...rich, seq: rich.seq + 1 })).toBe('seq-gap')
    expect(ruleOf({ ...rich, actor: 'dd' as ActorId, seq: 2 })).toBe('seq-gap')
  })

  it('refuses counters at or below those of a dependency', () => {
    const [first] = samples.before.map((chunk) => readChange(chunk))
    const deps = first === undefined ? [] : [first.hash]
    expect(first?.maxOp).toBe(13)
    const fresh = { ...rich, actor: 'dd' as ActorId, seq: 1, deps, made: [] }
    expect(ruleOf({ ...fresh, startOp: 13 })).toBe('start-low')
    expect(admitChange({ ...fresh, startOp: 14 }, block).outcome).toBe('admitted')
  })

  it('refuses a change that builds on less than the last one of its actor', () => {
    block.add(rich)
    const next = readChange(samples.put)
    expect(admitChange(next, block).outcome).toBe('admitted')
    expect(ruleOf({ ...next, startOp: rich.maxOp })).toBe('start-low')
    expect(ruleOf({ ...next, deps: rich.deps })).toBe('own-behind')
    // What matters is how new the operations are, not whose they are.
    block.add({ ...rich, hash: unknown, actor: 'dd' as ActorId, seq: 1, made: [] })
    expect(admitChange({ ...next, deps: [unknown] }, block).outcome).toBe('admitted')
  })

  it('lets counters begin anywhere above what the change builds on, but leaves no gap', () => {
    expect(block.maxOp).toBe(22)
    expect(admitChange({ ...rich, startOp: 23 }, block).outcome).toBe('admitted')
    const [code, detail] = refusal({ ...rich, startOp: 24 })
    expect([code, detail?.split(':')[0]]).toEqual(['missing-deps', 'start-high'])
  })

  it('asks for the operations that a change names and nobody has made yet', () => {
    const last = block.lastOf(bob as ActorId)?.maxOp ?? 0
    expect(admitChange({ ...rich, named: [{ actor: bob, counter: last }] }, block).outcome).toBe('admitted')
    const [code, detail] = refusal({ ...rich, named: [{ actor: bob, counter: last + 1 }] })
    expect([code, detail?.split(':')[0]]).toEqual(['missing-deps', 'named'])
    expect(refusal({ ...rich, named: [{ actor: 'dd'.repeat(24), counter: 1 }] })[0]).toBe('missing-deps')
  })

  it('refuses to write to an object that the block does not have', () => {
    expect(ruleOf({ ...rich, touched: [{ object: `2@${bob}`, key: 'map' }] })).toBe('object-unknown')
    expect(ruleOf({ ...rich, made: [{ opId: '23@bb', type: 'map', parent: `2@${bob}` }] })).toBe('object-unknown')
  })

  it('refuses to write to an object in the way of another kind', () => {
    expect(ruleOf({ ...rich, touched: [{ object: `1@${bob}`, key: 'map' }] })).toBe('object-type')
    expect(ruleOf({ ...rich, touched: [{ object: `11@${bob}`, key: 'seq' }] })).toBe('object-type')
  })

  it('refuses objects below the deepest level, also those made in one change', () => {
    const nested = (levels: number) =>
      Array.from({ length: levels }, (_, n) => ({
        opId: `${n + 23}@bb`,
        type: 'map' as const,
        parent: n === 0 ? `11@${bob}` : `${n + 22}@bb`,
      }))
    const admission = admitChange({ ...rich, made: nested(limits.maxObjectDepth - 1) }, block)
    expect(admission.outcome === 'admitted' && admission.objects.at(-1)?.depth).toBe(limits.maxObjectDepth)
    expect(ruleOf({ ...rich, made: nested(limits.maxObjectDepth) })).toBe('object-depth')
  })

  it('refuses more operations than a block may have', () => {
    block.ops = limits.maxOpsPerBlock - rich.ops
    expect(admitChange(rich, block).outcome).toBe('admitted')
    block.ops++
    expect(refusal(rich)[0]).toBe('quota-exceeded')
  })

  it('counts the counters that edits of older versions leave out, and refuses too many', () => {
    const first = readChange(samples.before[0] ?? new Uint8Array(0))
    const older = { ...rich, actor: 'dd' as ActorId, seq: 1, deps: [first.hash], made: [] }
    const admission = admitChange(older, block)
    expect(admission.outcome === 'admitted' && admission.gap).toBe(rich.startOp - 1 - first.maxOp)
    block.gaps = limits.maxGapsPerBlock - 9
    expect(admitChange(older, block).outcome).toBe('admitted')
    block.gaps++
    expect(refusal(older)[0]).toBe('quota-exceeded')
  })

  it('says a sentence for every rule', () => {
    expect(admissionRules).toEqual([
      'seq-gap',
      'own-behind',
      'start-low',
      'object-unknown',
      'object-type',
      'object-depth',
    ])
  })
})
