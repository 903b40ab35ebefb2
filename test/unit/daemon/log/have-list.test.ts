/** What a replica says that it has: answered as it comes, and never more of it in memory than was asked for. */
import { describe, expect, it } from 'vitest'
import { HaveList } from '../../../../daemon/log/have-list.ts'
import { Holdings, holdingCosts } from '../../../../daemon/log/holdings.ts'
import { limits } from '../../../../protocol/limits.ts'
import { haveCost } from '../../../../protocol/sync/index.ts'
import { alice, bob } from '../../../fixtures/cast.ts'

const actor = (n: number): string => n.toString(16).padStart(48, '0')

const entry = (name: string, actors: number, from = 0) =>
  ({
    address: `space:home/${name}`,
    generation: 1,
    clock: Array.from({ length: actors }, (_, n) => ({ actor: actor(from + n), seq: from + n + 1 })),
  }) as never

function listOf() {
  const holdings = new Holdings()
  let asked = 0
  const list = new HaveList({ holding: holdings.begin(alice.peer), ask: () => asked++ })
  return { holdings, list, asked: () => asked }
}

describe('a list of what a replica has', () => {
  it('gives a block when all of its clock is here, in however many entries that comes', () => {
    const { list } = listOf()
    list.goOn()
    list.add([entry('long', 2)], false)
    expect(list.take()).toBeUndefined()
    list.add([entry('long', 2, 2), entry('next', 1)], false)
    expect([...(list.take()?.clock ?? [])]).toEqual([0, 1, 2, 3].map((n) => [actor(n), n + 1]))
    expect([list.take(), list.isDone]).toEqual([undefined, false])
    list.add([], true)
    expect(list.take()?.address).toBe('space:home/next')
    expect(list.isDone).toBe(true)
  })

  it('asks for more only when half of what was asked for is answered', () => {
    const { asked, list } = listOf()
    list.goOn()
    const each = haveCost([entry('block', 100)])
    const enough = Math.ceil(limits.haveBytes / each)
    // One more, because the last one may go on.
    for (let n = 0; n <= enough; n++) list.add([entry(`block${n}`, 100)], false)
    expect(asked()).toBe(1)
    while (asked() === 1) expect(list.take()).toBeDefined()
    let left = 0
    while (list.take() !== undefined) left++
    expect(left).toBeGreaterThan(enough / 3)
    expect(asked()).toBe(2)
  })

  it('goes on asking for a block that is longer than what is asked for at once', () => {
    const { asked, list } = listOf()
    list.goOn()
    for (let from = 0; from < 20_000; from += 1_000) list.add([entry('long', 1_000, from)], from === 19_000)
    expect(list.take()?.clock?.size).toBe(20_000)
    expect(asked()).toBeGreaterThan(3)
  })

  it('lets go of a clock that no block can have', () => {
    const { holdings, list } = listOf()
    const said = (actors: number): void => {
      for (let from = 0; from < actors; from += 1_000) {
        list.add([entry('endless', Math.min(1_000, actors - from), from)], false)
      }
    }
    said(limits.maxActorsPerBlock)
    expect(holdings.of(alice.peer)).toBeGreaterThan(limits.maxActorsPerBlock * holdingCosts.actor)
    list.add([entry('endless', 1, limits.maxActorsPerBlock)], true)
    expect(holdings.of(alice.peer)).toBeLessThan(1_000)
    expect(list.take()).toMatchObject({ address: 'space:home/endless', clock: undefined })
    expect(holdings.of(alice.peer)).toBe(0)
  })

  it('has no more blocks than one replica may have', () => {
    const { list } = listOf()
    for (let n = 0; n < 20_000; n++) list.add([entry(`b${n}`, 0)], false)
    expect(() => list.add([entry('more', 0)], false)).toThrow(/blocks in have/)
  })
})

describe('what is held for the streams of a peer', () => {
  it('is bounded for each stream, and given back when it ends', () => {
    const holdings = new Holdings()
    const one = holdings.begin(alice.peer)
    one.add(limits.maxHeldBytesPerStream)
    expect(() => one.add(1)).toThrow(/maxHeldBytesPerStream/)
    one.free(1)
    one.add(1)
    one.end()
    expect(holdings.of(alice.peer)).toBe(0)
    // Told late of the end.
    one.free(100)
    expect(holdings.of(alice.peer)).toBe(0)
  })

  it('is bounded for all of them together, and not for those of another', () => {
    const holdings = new Holdings()
    const streams = limits.maxHeldBytesPerPeer / limits.maxHeldBytesPerStream
    const full = Array.from({ length: streams }, () => holdings.begin(alice.peer))
    for (const one of full) one.add(limits.maxHeldBytesPerStream)
    const more = holdings.begin(alice.peer)
    expect(() => more.add(1)).toThrow(/maxHeldBytesPerPeer/)
    holdings.begin(bob.peer).add(limits.maxHeldBytesPerStream)
    full[0]?.end()
    more.add(1)
  })
})
