/** What is kept in memory to take changes in: bounded over all blocks, and never trusted after it was given away. */
import { describe, expect, it } from 'vitest'
import { Ledgers } from '../../../../daemon/log/ledgers.ts'
import type { BlockState, Storage } from '../../../../daemon/storage/storage.ts'
import { settled } from '../../../fixtures/clock.ts'

const hash = (n: number): string => n.toString(16).padStart(64, '0')

const stateOf = (id: number, changes: number): BlockState =>
  ({
    row: { id, maxOp: 0, ops: 0, gaps: 0, heads: [] },
    clock: [],
    objects: [],
    known: Array.from({ length: changes }, (_, n) => ({ hash: hash(n), maxOp: n })),
  }) as unknown as BlockState

const ledgersOf = (changes: number, max: number): Ledgers =>
  new Ledgers({ blockState: async (id: number) => stateOf(id, changes) } as unknown as Storage, async () => {}, max)

const facts = (n: number) => ({ actor: 'aa', seq: n, hash: hash(1_000_000 + n), maxOp: n, ops: 1, deps: [] }) as never

describe('ledgers', () => {
  it('make room for each other, the one that was not used for longest first', async () => {
    const ledgers = ledgersOf(400, 1_000)
    const first = await ledgers.get(1)
    const second = await ledgers.get(2)
    await ledgers.get(1)
    await ledgers.get(3)
    await settled()
    expect(ledgers.size).toBeLessThanOrEqual(1_000)
    expect([first.isStale, second.isStale]).toEqual([false, true])
    expect(await ledgers.get(2)).not.toBe(second)
  })

  it('count what they have grown by', async () => {
    const ledgers = ledgersOf(400, 1_000)
    const idle = await ledgers.get(1)
    const busy = await ledgers.get(2)
    for (let n = 1; n <= 300; n++) busy.apply(facts(n), { objects: [], gap: 0 })
    busy.keep()
    ledgers.grown(busy)
    await settled()
    expect(idle.isStale).toBe(true)
    ledgers.discard(busy)
    expect(ledgers.size).toBe(0)
  })

  it('stay while something of them is on its way to the store', async () => {
    const ledgers = ledgersOf(600, 1_000)
    const waiting = await ledgers.get(1)
    waiting.sent([hash(1) as never], 'alice 1')
    await ledgers.get(2)
    await settled()
    expect(waiting.isStale).toBe(false)
    expect(await ledgers.get(1)).toBe(waiting)
  })

  it('take back heads and counts with what is rolled back', async () => {
    const ledger = await ledgersOf(1, 1_000).get(1)
    ledger.apply(facts(1), { objects: [], gap: 0 })
    ledger.keep()
    const next = { ...(facts(2) as object), deps: [hash(1_000_001)], ops: 0 } as never
    ledger.apply(next, { objects: [], gap: 0 })
    expect([ledger.heads, ledger.isHead(hash(1_000_001) as never), ledger.ops]).toEqual([1, false, 2])
    ledger.rollback()
    expect([ledger.heads, ledger.isHead(hash(1_000_001) as never), ledger.ops]).toEqual([1, true, 1])
  })
})
