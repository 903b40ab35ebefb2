/** How long blocks collect before they apply. */
import { expect, it } from 'vitest'
import { ApplyShare } from '../../../../plugin-sdk/memory/apply-share.ts'
import { ManualClock } from '../../../fixtures/clock.ts'

const one = {}
const two = {}

it('lets a block alone collect for as long as it applied', () => {
  const share = new ApplyShare()
  expect(share.rest(one, 100, 155)).toBe(155 + 55)
})

it('divides half of the time among all that have something to apply', () => {
  const share = new ApplyShare()
  share.waits(two)
  expect(share.rest(one, 100, 102)).toBe(102 + 3 * 2)
  expect(share.rest(two, 102, 104)).toBe(104 + 3 * 2)
  share.leave(two)
  expect(share.rest(one, 106, 108)).toBe(108 + 2)
})

it('counts a block no more that has nothing to apply after its rest', () => {
  const share = new ApplyShare()
  share.rest(two, 0, 1)
  expect(share.rest(one, 10, 12)).toBe(12 + 2)
})

it('lets a block wait for others a tenth of a second, for itself as long as it takes', () => {
  const share = new ApplyShare()
  for (let n = 0; n < 100; n++) share.waits({})
  expect(share.rest(one, 0, 10)).toBe(10 + 100)
  expect(share.rest(two, 0, 300)).toBe(300 + 300)
})

it('is one for all that have the same clock', () => {
  const clock = new ManualClock()
  expect(ApplyShare.of(clock)).toBe(ApplyShare.of(clock))
  expect(ApplyShare.of(clock)).not.toBe(ApplyShare.of(new ManualClock()))
})
