/** How long blocks collect before they apply. */
import { expect, it } from 'vitest'
import { ApplyShare } from '../../../../plugin-sdk/memory/apply-share.ts'
import type { Clock } from '../../../../protocol/index.ts'
import { ManualClock } from '../../../fixtures/clock.ts'

let nowMs = 0
const clock: Clock = { monotonicMs: () => nowMs, nowMs: () => nowMs, after: () => () => {} }

function restAt(share: ApplyShare, block: object, startMs: number, endMs: number, sinceMs = startMs): number {
  nowMs = endMs
  return share.rest(block, startMs, sinceMs)
}

const one = {}
const two = {}

it('lets a block alone collect for as long as it applied, a large one that is written on and on for three times as long', () => {
  const share = new ApplyShare(clock)
  expect(restAt(share, one, 100, 108)).toBe(108 + 8)
  expect(restAt(share, one, 200, 255, 100)).toBe(255 + 55)
  expect(restAt(share, one, 1_150, 1_158, 100)).toBe(1_158 + 8)
  expect(restAt(share, one, 1_200, 1_255, 100)).toBe(1_255 + 3 * 55)
})

it('divides half of the time among all that have something to apply', () => {
  const share = new ApplyShare(clock)
  share.waits(two)
  expect(restAt(share, one, 100, 102)).toBe(102 + 3 * 2)
  expect(restAt(share, two, 102, 104)).toBe(104 + 3 * 2)
  share.leave(two)
  expect(restAt(share, one, 106, 108)).toBe(108 + 2)
})

it('counts a block no more that has nothing to apply after its rest', () => {
  const share = new ApplyShare(clock)
  restAt(share, two, 0, 1)
  expect(restAt(share, one, 10, 12)).toBe(12 + 2)
})

it('lets a block wait for others a tenth of a second, for itself as long as it takes', () => {
  const share = new ApplyShare(clock)
  for (let n = 0; n < 100; n++) share.waits({})
  expect(restAt(share, one, 0, 10)).toBe(10 + 100)
  expect(restAt(share, two, 0, 300)).toBe(300 + 300)
})

it('is one for all that have the same clock', () => {
  expect(ApplyShare.of(clock)).toBe(ApplyShare.of(clock))
  expect(ApplyShare.of(clock)).not.toBe(ApplyShare.of(new ManualClock()))
})
