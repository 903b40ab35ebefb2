import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeValue } from '../../../../protocol/codec.ts'
import { encodeFrame } from '../../../../protocol/framing.ts'
import { limits } from '../../../../protocol/limits.ts'
import { Channel, type ChannelInit } from '../../../../protocol/rpc/channel.ts'
import { ManualClock, settled } from '../../../fixtures/clock.ts'
import { createStreamPair, type StreamPairInit } from '../../../fixtures/stream-pair.ts'

function pair(init: StreamPairInit = {}, channelInit: Partial<ChannelInit> = {}) {
  const clock = new ManualClock()
  const [near, far] = createStreamPair(init)
  const alice = new Channel(near, { clock, ...channelInit })
  return { clock, near, far, alice, bob: () => new Channel(far, { clock, ...channelInit }) }
}

describe('Channel', () => {
  it('carries the same values whatever the pieces they travel in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ t: fc.string({ unit: 'binary' }), n: fc.integer() }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 50 }),
        async (values, pieceBytes) => {
          const { alice, bob: makeBob } = pair({ pieceBytes })
          const bob = makeBob()
          for (const value of values) alice.send(value)
          for (const value of values) expect(await bob.nextValue()).toEqual(value)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('tells the end of the other side after the last frame', async () => {
    const { alice, bob: makeBob } = pair()
    const bob = makeBob()
    alice.send({ n: 1 })
    const closing = alice.close()
    expect(await bob.nextValue()).toEqual({ n: 1 })
    expect(await bob.next()).toBeUndefined()
    await bob.close()
    await closing
    expect(alice.ended.aborted && bob.ended.aborted).toBe(true)
  })

  it('sees an end that came before it was made', async () => {
    const { near, bob: makeBob } = pair()
    near.send(encodeFrame(encodeValue({ last: true })))
    await near.close()
    await settled()
    const bob = makeBob()
    expect(await bob.nextValue()).toEqual({ last: true })
    expect(await bob.next()).toBeUndefined()
  })

  it('sees a reset that came before it was made', async () => {
    const { near, bob: makeBob } = pair()
    near.abort(new Error('gone'))
    await settled()
    const bob = makeBob()
    await expect(bob.next()).resolves.toBeUndefined()
    expect(() => bob.send({ n: 1 })).toThrow(expect.objectContaining({ code: 'connection-lost' }))
  })

  it('refuses a frame above the limit before it is received', async () => {
    const { near, bob: makeBob } = pair({}, { maxFrameBytes: 1_000 })
    const bob = makeBob()
    near.send(encodeFrame(new Uint8Array(1_001)).subarray(0, 2))
    await expect(bob.next()).rejects.toMatchObject({ code: 'frame-too-large' })
  })

  it('takes larger frames once its limit is raised', async () => {
    const { near, bob: makeBob } = pair({}, { maxFrameBytes: 10 })
    const bob = makeBob()
    bob.maxFrameBytes = 1_001
    near.send(encodeFrame(new Uint8Array(1_001)))
    expect(await bob.next()).toHaveLength(1_001)
  })

  it('ends a stream whose frame is begun and not finished', async () => {
    const { clock, near, bob: makeBob } = pair()
    const bob = makeBob()
    const reading = bob.next()
    reading.catch(() => {})
    const frame = encodeFrame(encodeValue({ text: 'slow' }))
    for (const [index] of frame.subarray(0, -1).entries()) {
      near.send(frame.subarray(index, index + 1))
      await clock.advance(1_000)
    }
    await expect(reading).rejects.toMatchObject({ code: 'timeout' })
  })

  it('lets a fast sender be inside some frame at every moment', async () => {
    const { clock, near, bob: makeBob } = pair()
    const bob = makeBob()
    const frame = encodeFrame(encodeValue({ text: 'fast' }))
    near.send(frame.subarray(0, 3))
    for (let n = 0; n < 20; n++) {
      near.send(frame.subarray(3))
      near.send(frame.subarray(0, 3))
      await clock.advance(limits.frameDeadlineMs / 2)
      expect(await bob.nextValue()).toEqual({ text: 'fast' })
    }
  })

  it('ends as lagging when unread frames are above the bound, after those it took', async () => {
    const { alice, bob: makeBob } = pair({}, { maxBufferedBytes: 100 })
    const bob = makeBob()
    for (let n = 0; n < 20; n++) alice.send({ text: 'twenty bytes or so' })
    await settled()
    const read = async () => {
      for (;;) await bob.next()
    }
    await expect(read()).rejects.toMatchObject({ code: 'lagging' })
  })

  it('ends as lagging when the reader stopped and too much is unsent', () => {
    const { near, alice } = pair()
    near.hold()
    const body = new Uint8Array(200_000)
    const sendMany = () => {
      for (let n = 0; n < 100; n++) alice.sendBody(body)
    }
    expect(sendMany).toThrow(expect.objectContaining({ code: 'lagging' }))
    expect(near.writeBufferLength).toBe(0)
    expect(alice.ended.reason).toMatchObject({ code: 'lagging' })
  })

  it('waits for room, and fails when the stream ends first', async () => {
    const { near, alice } = pair()
    near.hold()
    alice.send({ n: 1 })
    const first = alice.drained()
    near.release()
    await first
    near.hold()
    alice.send({ n: 2 })
    const second = alice.drained()
    alice.abort(new Error('cut'))
    await expect(second).rejects.toMatchObject({ code: 'connection-lost' })
  })

  it('closes without the other side when the time is up', async () => {
    const { clock, alice } = pair()
    const closing = alice.close(500)
    await clock.advance(500)
    await closing
    expect(alice.ended.aborted).toBe(true)
    expect(clock.pending).toEqual([])
  })

  it('does not lose a waiting reader to its own close', async () => {
    const { clock, alice } = pair()
    const reading = alice.next()
    const outcome = reading.then(
      () => 'ended',
      () => 'ended',
    )
    const closing = alice.close(500)
    await clock.advance(500)
    await closing
    expect(await outcome).toBe('ended')
  })

  it('keeps its answer on the way while the other side still sends', async () => {
    const { alice, bob: makeBob } = pair()
    const bob = makeBob()
    alice.send({ n: 1 })
    await settled()
    const closing = alice.close()
    bob.send({ late: true })
    await settled()
    expect(alice.ended.aborted).toBe(false)
    expect(await bob.nextValue()).toEqual({ n: 1 })
    await bob.close()
    await closing
  })

  it('does not reset the stream while the answer to a refused frame is on its way', async () => {
    const { near, bob: makeBob } = pair({}, { maxFrameBytes: 10 })
    const bob = makeBob()
    near.send(encodeFrame(new Uint8Array(1_001)))
    await expect(bob.next()).rejects.toMatchObject({ code: 'frame-too-large' })
    bob.send({ t: 'e' })
    const closing = bob.close()
    await settled()
    expect(near.status).toBe('open')
    await near.close()
    await closing
    expect(near.status).toBe('closed')
  })
})
