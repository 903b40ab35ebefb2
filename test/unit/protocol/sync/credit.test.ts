/** Credit: what either end of a conversation may have on its way to the other. */
import * as A from '@automerge/automerge'
import { describe, expect, it } from 'vitest'
import type { ReplicaId } from '../../../../protocol/ids.ts'
import { limits } from '../../../../protocol/limits.ts'
import { schemaNamed } from '../../../../protocol/schemas/index.ts'
import {
  type DiallerFrame,
  DiallerSession,
  encodeRun,
  type Frame,
  ListenerSession,
  type OwnChange,
  readChange,
} from '../../../../protocol/sync/index.ts'
import { alice } from '../../../fixtures/cast.ts'
import { actorOf } from '../../../fixtures/raw-replica.ts'

const replica = '0'.repeat(32) as ReplicaId
const changeBytes = 100_000

/** Changes of one actor whose content cannot be packed. */
function changes(count: number): OwnChange[] {
  let state = 1
  const noise = (): number => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state >>> 24
  }
  let doc = A.load<{ map: Record<string, Uint8Array> }>(schemaNamed('map').initial.bytes, { actor: actorOf(alice) })
  return Array.from({ length: count }, (_, index) => {
    doc = A.change(doc, { time: 0 }, (draft) => {
      draft.map[`key ${index}`] = Uint8Array.from({ length: changeBytes }, noise)
    })
    const bytes = A.getLastLocalChange(doc) ?? new Uint8Array()
    const { actor, seq, hash, deps, ops, expanded } = readChange(bytes)
    return { handle: 1, actor, seq, hash, deps, bytes, ops, expandedBytes: expanded.byteLength }
  })
}

const tipOf = ({ actor, seq, hash }: OwnChange) => ({ actor, seq, hash, signature: new Uint8Array(64) }) as never

type Delta = Frame<DiallerFrame, 'delta'>
const deltasIn = (effects: ReturnType<DiallerSession['submit']>): Delta[] =>
  effects.flatMap((effect) => (effect.do === 'send' && effect.frame.t === 'delta' ? [effect.frame] : []))
const bytesOf = (deltas: readonly Delta[]): number => deltas.reduce((sum, { run }) => sum + run.byteLength, 0)

describe('the credit of a replica', () => {
  it('holds back what goes beyond it until it comes back', () => {
    const session = new DiallerSession()
    session.open({ replica, watch: [], own: [] })
    const { handle } = session.create({
      scope: 'space:home' as never,
      label: 'notes' as never,
      schema: 'map',
      meta: {},
    })
    const all = changes(15).map((change) => ({ ...change, handle }))
    const first = deltasIn(session.submit(handle, all, tipOf))
    expect(bytesOf(first)).toBeLessThanOrEqual(limits.creditBytes)
    expect(bytesOf(first)).toBeGreaterThan(limits.creditBytes - 3 * changeBytes)
    const rest = deltasIn(session.receive({ t: 'credit', bytes: bytesOf(first) }))
    expect(bytesOf(first) + bytesOf(rest)).toBeGreaterThan(15 * changeBytes)
  })
})

describe('the credit of the daemon', () => {
  it('ends the conversation when it is ignored', () => {
    const session = new ListenerSession()
    session.receive({ t: 'open', replica, accept: ['raw'], watch: [], own: [] })
    const [change] = changes(1)
    if (change === undefined) throw new Error('no change')
    const run = encodeRun([change.bytes])
    const delta = { t: 'delta' as const, handle: 1, run, tips: [tipOf(change)] }
    for (let sent = run.byteLength; sent <= limits.creditBytes; sent += run.byteLength) session.receive(delta)
    const ignored = expect.objectContaining({ code: 'quota-exceeded' })
    expect(() => session.receive(delta)).toThrow(ignored)
    // It comes back in quarters of the window.
    session.consumed(run.byteLength)
    session.consumed(run.byteLength)
    expect(() => session.receive(delta)).toThrow(ignored)
    session.consumed(run.byteLength)
    expect(() => session.receive(delta)).not.toThrow()
  })
})
