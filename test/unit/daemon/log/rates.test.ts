/** What one peer may make the daemon do, in a second and at one moment. */
import { describe, expect, it } from 'vitest'
import { type Bill, Rates } from '../../../../daemon/log/rates.ts'
import type { MooringError } from '../../../../protocol/errors.ts'
import type { ReplicaId } from '../../../../protocol/ids.ts'
import { limits } from '../../../../protocol/limits.ts'
import { alice, bob } from '../../../fixtures/cast.ts'
import { ManualClock } from '../../../fixtures/clock.ts'

const bill = (replica = 'one'): Bill => ({ replica: replica as ReplicaId, paid: 0 })

describe('the rate of a peer', () => {
  it('lets a second of it come at once, refuses one more, and says when it may come', async () => {
    const clock = new ManualClock()
    const rates = new Rates(clock)
    rates.spend(alice.peer, limits.maxOpsPerPeerSecond)
    expect(() => rates.spend(alice.peer, 1)).toThrow(expect.objectContaining({ code: 'rate-limited', retryAfterMs: 1 }))
    rates.spend(bob.peer, limits.maxOpsPerPeerSecond)
    await clock.advance(500)
    rates.spend(alice.peer, limits.maxOpsPerPeerSecond / 2)
    expect(() => rates.spend(alice.peer, 1)).toThrow('rate')
  })

  it('does not add up while nothing comes', async () => {
    const clock = new ManualClock()
    const rates = new Rates(clock)
    rates.spend(alice.peer, 1)
    await clock.advance(60_000)
    rates.spend(alice.peer, limits.maxOpsPerPeerSecond)
    expect(() => rates.spend(alice.peer, 1)).toThrow('rate')
  })

  it('is owed what one piece of work cost beyond it, and by no other peer', async () => {
    const clock = new ManualClock()
    const rates = new Rates(clock)
    const work = bill()
    for (let step = 0; step < 3; step++) rates.spend(alice.peer, limits.maxOpsPerPeerSecond, work)
    expect(work.paid).toBe(3 * limits.maxOpsPerPeerSecond)
    const owing = expect.objectContaining({ code: 'rate-limited', retryAfterMs: 2_001 })
    expect(() => rates.spend(alice.peer, 1)).toThrow(owing)
    rates.spend(bob.peer, 1)
    // What is owed is not forgotten with who comes and goes.
    await clock.advance(1_999)
    for (let n = 0; n < 3_000; n++) rates.spend(`peer ${n}` as never, 1)
    expect(() => rates.spend(alice.peer, 1)).toThrow('rate')
    await clock.advance(2)
    rates.spend(alice.peer, 1)
  })

  it('is left to the work that took the last of it: other work has to wait at any step', () => {
    const rates = new Rates(new ManualClock())
    const [first, second] = [bill(), bill()]
    rates.spend(alice.peer, 21, first)
    rates.spend(alice.peer, 21, second)
    rates.spend(alice.peer, limits.maxOpsPerPeerSecond, first)
    expect(() => rates.spend(alice.peer, 19_000, second)).toThrow('rate')
    rates.spend(alice.peer, 20_000, first)
  })

  it('never pays for more than may be open', () => {
    const rates = new Rates(new ManualClock())
    const work = bill()
    expect(() => rates.spend(alice.peer, limits.maxOpenOpsPerPeer + 1, work)).toThrow('rate')
    expect(work.paid).toBe(0)
    rates.spend(alice.peer, limits.maxOpenOpsPerPeer)
  })
})

describe('replicas of one peer', () => {
  it.each([2, 16])(
    'that have more than its rate all day get the same of it: %i, each on a line of its own',
    (count) => {
      const clock = { atMs: 0, monotonicMs: () => clock.atMs }
      const rates = new Rates(clock as never)
      const cost = 20_000
      // Each comes again as soon as it may, the first over the shortest line.
      const lines = Array.from({ length: count }, (_, n) => ({ rttMs: 1 + n * 3, nextMs: 0, done: 0, refused: 0 }))
      const seconds = 60
      while (clock.atMs < seconds * 1_000) {
        const line = lines.reduce((first, each) => (each.nextMs < first.nextMs ? each : first))
        clock.atMs = line.nextMs
        try {
          rates.spend(alice.peer, cost, bill(`${line.rttMs}`))
          line.done++
          line.nextMs += line.rttMs
        } catch (error) {
          line.refused++
          line.nextMs += line.rttMs + ((error as MooringError).retryAfterMs ?? Number.NaN)
        }
      }
      const done = lines.map((line) => line.done)
      expect(Math.max(...done) - Math.min(...done)).toBeLessThanOrEqual(5)
      const all = done.reduce((sum, each) => sum + each, 0)
      expect(all).toBeGreaterThanOrEqual((seconds * limits.maxOpsPerPeerSecond) / cost - 1)
      // And little is sent for nothing.
      expect(lines.reduce((sum, { refused }) => sum + refused, 0)).toBeLessThan(5 * all)
    },
  )

  it('wait for one that does not come no longer than on a slow line', async () => {
    const clock = new ManualClock()
    const rates = new Rates(clock)
    rates.spend(alice.peer, limits.maxOpsPerPeerSecond)
    expect(() => rates.spend(alice.peer, 1, bill('gone'))).toThrow('rate')
    await clock.advance(1_000)
    const later = expect.objectContaining({ code: 'rate-limited', retryAfterMs: 201 })
    expect(() => rates.spend(alice.peer, 1, bill('there'))).toThrow(later)
    await clock.advance(1_002)
    rates.spend(alice.peer, 1, bill('there'))
  })
})

describe('what a peer has open', () => {
  it('is bounded, whatever its rate, and room again once it is settled', () => {
    const rates = new Rates(new ManualClock())
    const settled = rates.open(alice.peer, limits.maxOpenOpsPerPeer)
    const over = expect.objectContaining({
      code: 'rate-limited',
      message: expect.stringContaining('maxOpenOpsPerPeer'),
    })
    expect(() => rates.open(alice.peer, 1)).toThrow(over)
    rates.open(bob.peer, 1)
    settled()
    rates.open(alice.peer, limits.maxOpenOpsPerPeer)
  })

  it('stays known when many other peers come and go', async () => {
    const clock = new ManualClock()
    const rates = new Rates(clock)
    rates.open(alice.peer, limits.maxOpenOpsPerPeer)
    await clock.advance(10_000)
    for (let n = 0; n < 3_000; n++) rates.spend(`peer ${n}` as never, 1)
    expect(() => rates.open(alice.peer, 1)).toThrow('rate')
  })
})
