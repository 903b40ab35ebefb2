import { describe, expect, it, vi } from 'vitest'
import { fitReads, pausing } from '../../../../daemon/net/quic.ts'

describe('reads', () => {
  it('ask for what the stream has shown to bring, and count what came', async () => {
    const asked: number[] = []
    const stream = {
      chunks: [new Uint8Array(2_048), new Uint8Array(10), null],
      read(maxBytes: number) {
        asked.push(maxBytes)
        return Promise.resolve(this.chunks.shift())
      },
    }
    const onBytes = vi.fn<(bytes: number) => void>()
    const fitted = fitReads(stream, 65_536, onBytes)
    expect(await fitted.read(4_096)).toHaveLength(2_048)
    expect(await fitted.read(4_096)).toHaveLength(10)
    expect(await fitted.read(4_096)).toBeNull()
    expect(asked).toEqual([2_048, 8_192, 2_048])
    expect(onBytes.mock.calls).toEqual([[2_048], [10]])
  })

  it('fail loudly when the package has changed', () => {
    expect(() => fitReads({} as never, 65_536, () => {})).toThrow(expect.objectContaining({ code: 'internal' }))
  })
})

describe('accepts', () => {
  it('pause, longer each time, while they fail at once, and go on at once after a success', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] })
    try {
      let isBroken = true
      const accept = pausing(() => (isBroken ? Promise.reject(new Error('EMFILE')) : Promise.resolve('connection')))
      for (let n = 0; n < 2; n++) await expect(accept()).rejects.toThrow('EMFILE')
      expect(vi.getTimerCount()).toBe(0)
      const pauses: number[] = []
      for (let n = 0; n < 7; n++) {
        const failed = expect(accept()).rejects.toThrow('EMFILE')
        const startedMs = performance.now()
        await vi.advanceTimersToNextTimerAsync()
        await failed
        pauses.push(performance.now() - startedMs)
      }
      expect(pauses).toEqual([50, 100, 200, 400, 800, 1_000, 1_000])
      isBroken = false
      expect(await accept()).toBe('connection')
      isBroken = true
      await expect(accept()).rejects.toThrow('EMFILE')
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })
})
