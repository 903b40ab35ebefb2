/** What one stream full of tiny frames may take of the process: neither all of its memory nor all of its time. */
import { describe, expect, it } from 'vitest'
import { Channel, type Clock, encodeFrame, limits } from '../../../../protocol/index.ts'
import { createStreamPair } from '../../../fixtures/stream-pair.ts'

/** Time passes with each look at it, so that what is slow needs no machine that is slow. */
function lookingClock(): Clock {
  let ms = 0
  return {
    monotonicMs: () => ++ms,
    nowMs: () => 0,
    after: (_ms, run) => {
      const timer = setImmediate(run)
      return () => clearImmediate(timer)
    },
  }
}

const manyFrames = (count: number): Uint8Array =>
  Buffer.concat(Array.from({ length: count }, () => encodeFrame(Uint8Array.of(0))))

describe('a stream with many frames', () => {
  it('lets others have their turn while they are read', async () => {
    const [near, far] = createStreamPair()
    const channel = new Channel(far, { clock: lookingClock() })
    near.send(manyFrames(1_000))
    let read = 0
    const first = await channel.next()
    expect(first).toEqual(Uint8Array.of(0))
    let readAtTurn = 0
    setImmediate(() => {
      readAtTurn = read
    })
    while (read < 999) {
      await channel.next()
      read++
    }
    expect(readAtTurn).toBeGreaterThan(0)
    expect(readAtTurn).toBeLessThan(100)
  })

  it('is ended when frames of one byte would fill the memory unread', async () => {
    let arrive: (bytes: Uint8Array) => void = () => {}
    const stream = {
      addEventListener: (type: string, listener: (event: object) => void) => {
        if (type === 'message') arrive = (data) => listener({ data })
      },
      removeEventListener: () => {
        arrive = () => {}
      },
      send: () => true,
      close: async () => {},
      abort: () => {},
      writeBufferLength: 0,
    }
    const channel = new Channel(stream as never, { clock: lookingClock() })
    const count = limits.maxBufferedBytes / 64
    // All in one turn, as when the reader waits for something else.
    for (let sent = 0; sent < count; sent += 1_024) arrive(manyFrames(1_024))
    const readAll = async (): Promise<void> => {
      for (let read = 0; read < count; read++) await channel.next()
    }
    await expect(readAll()).rejects.toMatchObject({ code: 'lagging' })
  })
})
