/** When watchers are told: at once when that is cheap, together when it is not, always in the order of the log. */
import { beforeEach, describe, expect, it } from 'vitest'
import { FanOut } from '../../../../daemon/log/fan-out.ts'
import { LogGroup, Ring } from '../../../../daemon/log/ring.ts'
import type { ActorId, ChangeHash, PeerId, ReplicaId } from '../../../../protocol/ids.ts'
import { ManualClock, settled } from '../../../fixtures/clock.ts'

const alice = 'alice' as PeerId
const bob = 'bob' as PeerId

function group(peer: PeerId, seq: number, block = 1, bytes = 10): LogGroup {
  const actor = `${peer}-actor` as ActorId
  const tip = { actor, seq, hash: `hash-${seq}` as ChangeHash, signature: new Uint8Array(64), peer }
  const item = { seq, actor, actorSeq: seq, bytes: new Uint8Array(bytes).fill(seq) }
  return new LogGroup(block, { peer, replica: 'r'.repeat(32) as ReplicaId }, [item], [tip])
}

/** The clock stands still but for what telling takes. */
class SlowClock extends ManualClock {
  spentMs = 0

  override monotonicMs(): number {
    return super.monotonicMs() + this.spentMs
  }
}

let clock: SlowClock
let ring: Ring
let fanOut: FanOut
let told: number[]
let tellingTakesMs: number

beforeEach(() => {
  clock = new SlowClock()
  ring = new Ring(0, 1024 * 1024)
  fanOut = new FanOut({ ring, clock, position: 0 })
  told = []
  tellingTakesMs = 0
  fanOut.onMore(() => {
    told.push(fanOut.position)
    clock.spentMs += tellingTakesMs
  })
})

const groups = (): number[][] => (ring.after(0) ?? []).map(({ items }) => items.map(({ seq }) => seq))

describe('telling that costs nothing', () => {
  it('happens with each commit', async () => {
    fanOut.add([group(alice, 1)], 1)
    expect(told).toEqual([1])
    await settled()
    fanOut.add([group(alice, 2)], 2)
    expect(told).toEqual([1, 2])
    expect(groups()).toEqual([[1], [2]])
  })

  it('includes commits without a change', () => {
    fanOut.add([], 1)
    expect(told).toEqual([1])
  })
})

describe('telling that takes time', () => {
  it('is put off for as long, and then brings one group for all that came of one author', async () => {
    tellingTakesMs = 8
    fanOut.add([group(alice, 1)], 1)
    fanOut.add([group(alice, 2)], 2)
    await settled()
    fanOut.add([group(alice, 3)], 3)
    expect(fanOut.position).toBe(1)
    expect(groups()).toEqual([[1]])
    await clock.advance(8)
    expect(told).toEqual([1, 3])
    expect(groups()).toEqual([[1], [2, 3]])
    expect(ring.after(1)?.[0]?.tips.map(({ seq }) => seq)).toEqual([3])
    await settled()
    await clock.advance(8)
    fanOut.add([group(alice, 4)], 4)
    expect(told).toEqual([1, 3, 4])
  })

  it('keeps the order of authors and blocks, and the bounds of a group', async () => {
    tellingTakesMs = 8
    fanOut.add([group(alice, 1)], 1)
    fanOut.add([group(alice, 2), group(bob, 3)], 3)
    fanOut.add([group(bob, 4), group(bob, 5, 2), group(bob, 6, 2, 100_000)], 6)
    fanOut.add([group(bob, 7, 2, 100_000), group(alice, 8, 2)], 8)
    await settled()
    await clock.advance(8)
    expect(groups()).toEqual([[1], [2], [3, 4], [5, 6], [7], [8]])
    expect(fanOut.position).toBe(8)
  })

  it('is put off for fifty milliseconds at most', async () => {
    tellingTakesMs = 5_000
    fanOut.add([group(alice, 1)], 1)
    await settled()
    fanOut.add([group(alice, 2)], 2)
    expect(clock.pending).toEqual([50])
    await clock.advance(50)
    expect(told).toEqual([1, 2])
  })

  it('is put off for the readers when there are many of one group', async () => {
    fanOut.onMore(() => {
      for (let reader = 0; reader < 10; reader++) ring.after(0)?.at(-1)?.run('raw')
    })
    fanOut.add([group(alice, 1)], 1)
    await settled()
    fanOut.add([group(alice, 2)], 2)
    expect(told).toEqual([1])
    await clock.advance(9)
    expect(told).toEqual([1, 2])
    await settled()
    await clock.advance(9)
    fanOut.add([group(alice, 3)], 3)
    expect(told).toEqual([1, 2, 3])
  })

  it('is not put off for who begins to read', async () => {
    tellingTakesMs = 8
    fanOut.add([group(alice, 1)], 1)
    expect(fanOut.flush()).toBe(1)
    fanOut.add([group(alice, 2)], 2)
    expect(fanOut.flush()).toBe(2)
    await settled()
    fanOut.add([group(alice, 3)], 3)
    expect(fanOut.flush()).toBe(3)
    expect(told).toEqual([1, 2, 3])
    expect(groups()).toEqual([[1], [2], [3]])
    await clock.advance(100)
    expect(told).toEqual([1, 2, 3])
  })

  it('is not put off when rows have moved: everyone reads from disk', async () => {
    tellingTakesMs = 8
    fanOut.add([group(alice, 1)], 1)
    await settled()
    fanOut.add([group(alice, 2)], 2)
    fanOut.restart(3)
    expect(told).toEqual([1, 3])
    expect(ring.after(2)).toBeUndefined()
    expect(clock.pending).toEqual([])
  })
})
