import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MooringError } from '../../../protocol/errors.ts'
import { encodeFrame, FrameDecoder } from '../../../protocol/framing.ts'

const maxFrameBytes = 256 * 1024

function codeOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof MooringError) return error.code
    throw error
  }
  return 'no error'
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

describe('encodeFrame', () => {
  it.each([
    [1, [1]],
    [127, [127]],
    [128, [0x80, 0x01]],
    [16_383, [0xff, 0x7f]],
    [16_384, [0x80, 0x80, 0x01]],
    [2 ** 21 - 1, [0xff, 0xff, 0x7f]],
    [2 ** 21, [0x80, 0x80, 0x80, 0x01]],
  ])('writes %i bytes with their length in front', (length, header) => {
    const body = new Uint8Array(length).fill(7)
    const frame = encodeFrame(body)
    expect([...frame.subarray(0, header.length)]).toEqual(header)
    expect(frame.length).toBe(header.length + length)
    const decoder = new FrameDecoder({ maxFrameBytes: length })
    const frames = decoder.push(frame)
    expect(frames).toHaveLength(1)
    expect(Buffer.compare(frames[0] ?? new Uint8Array(), body)).toBe(0)
  })

  it('refuses an empty body', () => {
    expect(codeOf(() => encodeFrame(new Uint8Array()))).toBe('invalid-input')
  })
})

describe('FrameDecoder', () => {
  it('gives the same frames for every way to cut the stream', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 12 }),
        fc.array(fc.integer({ min: 0, max: 300 })),
        fc.boolean(),
        (bodies, cuts, asBuffer) => {
          const stream = joined(bodies.map(encodeFrame))
          const decoder = new FrameDecoder({ maxFrameBytes: 400 })
          const frames: Uint8Array[] = []
          let pos = 0
          for (const cut of [...cuts, stream.length]) {
            // A copy each, as from a network: a frame must not depend on bytes of an earlier chunk staying in place.
            const chunk = stream.slice(pos, pos + cut)
            frames.push(...decoder.push(asBuffer ? Buffer.from(chunk) : chunk))
            pos += chunk.length
          }
          frames.push(...decoder.push(stream.slice(pos)))
          expect(frames).toEqual(bodies)
          expect(decoder.hasPartial).toBe(false)
          decoder.end()
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('gives the same frames one byte at a time', () => {
    const bodies = [1, 127, 128, 20_000].map((length) => new Uint8Array(length).fill(length & 255))
    const decoder = new FrameDecoder({ maxFrameBytes })
    const frames: Uint8Array[] = []
    for (const byte of joined(bodies.map(encodeFrame))) frames.push(...decoder.push(new Uint8Array([byte])))
    expect(frames).toEqual(bodies)
  })

  it('says how much of a frame it holds', () => {
    const decoder = new FrameDecoder({ maxFrameBytes })
    expect([decoder.hasPartial, decoder.pendingBytes]).toEqual([false, 0])
    decoder.push(new Uint8Array([0x80]))
    expect([decoder.hasPartial, decoder.pendingBytes]).toEqual([true, 1])
    decoder.push(new Uint8Array([0x01]))
    expect([decoder.hasPartial, decoder.pendingBytes]).toEqual([true, 2])
    decoder.push(new Uint8Array(100))
    expect(decoder.pendingBytes).toBe(102)
    expect(codeOf(() => decoder.end())).toBe('malformed')
  })

  it('ends quietly between frames', () => {
    const decoder = new FrameDecoder({ maxFrameBytes })
    decoder.push(encodeFrame(new Uint8Array(3)))
    expect(codeOf(() => decoder.end())).toBe('no error')
  })

  it.each([
    ['a length of zero', [0], 'malformed'],
    ['a length longer than needed', [0x81, 0x00], 'malformed'],
    ['zero in two bytes', [0x80, 0x00], 'malformed'],
    ['zero in five bytes', [0x80, 0x80, 0x80, 0x80, 0x00], 'malformed'],
    ['one byte above the limit', [0x81, 0x80, 0x10], 'frame-too-large'],
    ['2^28 - 1', [0xff, 0xff, 0xff, 0x7f], 'frame-too-large'],
    ['2^31', [0x80, 0x80, 0x80, 0x80, 0x08], 'malformed'],
    ['2^53', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], 'malformed'],
    ['a length without end', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 'frame-too-large'],
  ])('refuses %s', (_name, header, code) => {
    for (const size of [1, header.length]) {
      const decoder = new FrameDecoder({ maxFrameBytes })
      const refused = codeOf(() => {
        for (let pos = 0; pos < header.length; pos += size) {
          decoder.push(new Uint8Array(header.slice(pos, pos + size)))
        }
      })
      expect(refused).toBe(code)
      expect(decoder.pendingBytes).toBe(0)
    }
  })

  it('accepts a frame of exactly the limit', () => {
    const decoder = new FrameDecoder({ maxFrameBytes })
    expect(decoder.push(encodeFrame(new Uint8Array(maxFrameBytes)))).toHaveLength(1)
  })

  it('knows that a frame is too large before its length is complete', () => {
    const decoder = new FrameDecoder({ maxFrameBytes: 100 })
    expect(codeOf(() => decoder.push(new Uint8Array([0xff])))).toBe('frame-too-large')
  })

  it('stays failed, whatever comes next', () => {
    const decoder = new FrameDecoder({ maxFrameBytes })
    expect(codeOf(() => decoder.push(new Uint8Array([0])))).toBe('malformed')
    expect(codeOf(() => decoder.push(encodeFrame(new Uint8Array(3))))).toBe('malformed')
    expect(codeOf(() => decoder.end())).toBe('malformed')
  })

  it('takes larger frames once the limit is raised, and not before', () => {
    const large = encodeFrame(new Uint8Array(5_000))
    expect(codeOf(() => new FrameDecoder({ maxFrameBytes: 4_096 }).push(large))).toBe('frame-too-large')
    const decoder = new FrameDecoder({ maxFrameBytes: 4_096 })
    decoder.push(encodeFrame(new Uint8Array(4_096)))
    decoder.maxFrameBytes = maxFrameBytes
    expect(decoder.push(large)).toHaveLength(1)
    expect(decoder.maxFrameBytes).toBe(maxFrameBytes)
  })

  it.each([0, -1, 1.5, Number.NaN, 2 ** 28])('refuses %d as a limit', (limit) => {
    expect(codeOf(() => new FrameDecoder({ maxFrameBytes: limit }))).toBe('invalid-input')
  })

  it('survives hostile bytes with nothing but an error and a bounded buffer', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 10 }), (chunks) => {
        const decoder = new FrameDecoder({ maxFrameBytes: 64 })
        try {
          for (const chunk of chunks) {
            for (const frame of decoder.push(chunk)) expect(frame.length).toBeLessThanOrEqual(64)
            expect(decoder.pendingBytes).toBeLessThanOrEqual(66)
          }
        } catch (error) {
          expect(['malformed', 'frame-too-large']).toContain(error instanceof MooringError ? error.code : error)
        }
      }),
      { numRuns: 5_000 },
    )
  })
})
