/** What one peer may make the daemon do, in a second and at one moment. */
import { describe, expect, it } from 'vitest'
import { Rates } from '../../../../daemon/log/rates.ts'
import { limits } from '../../../../protocol/limits.ts'
import { alice, bob } from '../../../fixtures/cast.ts'
import { ManualClock } from '../../../fixtures/clock.ts'

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
    const bill = { paid: 0 }
    for (let step = 0; step < 3; step++) rates.spend(alice.peer, limits.maxOpsPerPeerSecond, bill)
    expect(bill.paid).toBe(3 * limits.maxOpsPerPeerSecond)
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
    const [first, second] = [{ paid: 0 }, { paid: 0 }]
    rates.spend(alice.peer, 21, first)
    rates.spend(alice.peer, 21, second)
    rates.spend(alice.peer, limits.maxOpsPerPeerSecond, first)
    expect(() => rates.spend(alice.peer, 19_000, second)).toThrow('rate')
    rates.spend(alice.peer, 20_000, first)
  })

  it('never pays for more than may be open', () => {
    const rates = new Rates(new ManualClock())
    const bill = { paid: 0 }
    expect(() => rates.spend(alice.peer, limits.maxOpenOpsPerPeer + 1, bill)).toThrow('rate')
    expect(bill.paid).toBe(0)
    rates.spend(alice.peer, limits.maxOpenOpsPerPeer)
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
