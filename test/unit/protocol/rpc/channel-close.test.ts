/** Closing a channel from two places, as a server does that answers a refusal while its reader gives up. */
import { expect, it } from 'vitest'
import { Channel } from '../../../../protocol/index.ts'
import { ManualClock, settled } from '../../../fixtures/clock.ts'
import { createStreamPair } from '../../../fixtures/stream-pair.ts'

it('a second close waits for the first and drops nothing that is on its way', async () => {
  const clock = new ManualClock()
  const [near, far] = createStreamPair()
  const [dialler, listener] = [new Channel(near, { clock }), new Channel(far, { clock })]
  // The dialler has said all it wants to say, so nothing is left to wait for but the answer.
  void near.close()
  expect(await listener.next()).toBeUndefined()
  far.hold()
  listener.send({ t: 'done' })
  const closes = [listener.close(), listener.close()]
  await settled()
  far.release()
  expect(await dialler.nextValue()).toEqual({ t: 'done' })
  await Promise.all(closes)
  expect(listener.ended.aborted).toBe(true)
})
