/** Every rule refuses what breaks it and nothing else in an otherwise honest change, and says which rule it was. */
import * as Automerge from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import { MooringError } from '../../../../protocol/errors.ts'
import { readChange, structureRules } from '../../../../protocol/sync/change-structure.ts'
import { assemble, bodyOf, decodeOps, takeApart, withOps, wrap } from '../../../fixtures/change-builder.ts'
import { samples } from '../../../fixtures/sample-changes.ts'
import { type BrokenChange, brokenChunks, readAlone } from './broken-chunks.ts'
import { brokenColumns } from './broken-columns.ts'
import { brokenOperations } from './broken-operations.ts'
import { brokenReferences } from './broken-references.ts'

const all: readonly BrokenChange[] = [...brokenChunks, ...brokenColumns, ...brokenOperations, ...brokenReferences]

function refusalOf(read: () => unknown): MooringError {
  try {
    read()
  } catch (error) {
    if (error instanceof MooringError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('structure of a change', () => {
  it.each(Object.entries(samples).filter(([, chunk]) => chunk instanceof Uint8Array))(
    'takes the honest change %s',
    (_, chunk) => {
      if (!(chunk instanceof Uint8Array)) return
      const parts = takeApart(chunk)
      expect(assemble(withOps(parts, decodeOps(parts)))).toEqual(Uint8Array.from(chunk))
      const plain = readChange(chunk)
      expect(plain.expanded).toBe(chunk)
      const deflated = wrap(bodyOf(parts), { deflate: true })
      const fromDeflated = readChange(deflated)
      expect(fromDeflated).toEqual({ ...plain, bytes: deflated.length, expanded: Uint8Array.from(chunk) })
    },
  )

  it.each(all.map((one) => [one.rule, one.what, one] as const))(
    '%s: refuses %s',
    (rule, _, { bytes, read = readAlone }) => {
      const refusal = refusalOf(() => read(bytes()))
      expect(refusal.detail?.split(':')[0]).toBe(rule)
      expect(refusal.code).toBe(
        /-count$|-bytes$|^op-counter$|^run-(?:ops|changes)$/.test(rule) && rule !== 'trailing-bytes'
          ? 'change-too-large'
          : 'bad-change',
      )
    },
  )

  it('has a broken change for every rule', () => {
    const covered = new Set(all.map(({ rule }) => rule))
    expect(structureRules.filter((rule) => !covered.has(rule))).toEqual([])
  })

  it('never echoes what the change contains', () => {
    for (const { bytes, read = readAlone } of all) {
      expect(refusalOf(() => read(bytes())).detail).toMatch(/^[a-z0-9-]+: [\w ,/.'-]+$/)
    }
  })

  it('tells apart what is made and what is touched', () => {
    const facts = readChange(samples.rich)
    const alice = 'bb'.repeat(24)
    const bob = 'aa'.repeat(24)
    expect(facts.made).toEqual([
      { opId: `23@${alice}`, type: 'text', parent: `11@${bob}` },
      { opId: `42@${alice}`, type: 'map', parent: '_root' },
      { opId: `43@${alice}`, type: 'map', parent: `42@${alice}` },
      { opId: `44@${alice}`, type: 'list', parent: `42@${alice}` },
      { opId: `47@${alice}`, type: 'text', parent: `44@${alice}` },
    ])
    expect(facts.touched).toEqual([
      { object: `11@${bob}`, key: 'map' },
      { object: `7@${bob}`, key: 'seq' },
      { object: `1@${bob}`, key: 'seq' },
    ])
  })

  it('says up to which operation of each actor it names what was there before', () => {
    const { deps, ops, startOp } = Automerge.decodeChange(samples.rich)
    expect(deps).toHaveLength(3)
    const highest = new Map<string, number>()
    for (const { obj, elemId, pred } of ops as { obj: string; elemId?: string; pred: string[] }[]) {
      for (const id of [obj, elemId ?? '_head', ...pred]) {
        const [counter, actor] = id.split('@')
        if (actor === undefined || Number(counter) >= startOp) continue
        highest.set(actor, Math.max(highest.get(actor) ?? 0, Number(counter)))
      }
    }
    const named = readChange(samples.rich).named.map(({ actor, counter }) => [actor, counter])
    expect(new Map(named as [string, number][])).toEqual(highest)
    expect(readChange(samples.first).named).toEqual([])
  })
})
