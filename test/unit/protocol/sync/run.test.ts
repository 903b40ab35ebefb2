/** Whatever changes travel as a run come out byte for byte, and a run of typing is a fraction of its changes. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { limits } from '../../../../protocol/limits.ts'
import { chooseRunEncoding, decodeRun, encodeRun, runEncodings } from '../../../../protocol/sync/run.ts'
import { assemble, type ChangeParts, takeApart, wrap } from '../../../fixtures/change-builder.ts'
import { join, sleb, uleb } from '../../../fixtures/change-encoding.ts'
import { playSteps, stepsArbitrary } from '../../../fixtures/honest-documents.ts'
import { samples } from '../../../fixtures/sample-changes.ts'
import { actorOf, areSame, bytesPerChange, friendsChunks, paperChunks } from './run-samples.ts'

const form = { raw: 0, packed: 1, zstd: 2, deflate: 3 }

/** Encoded in each way and decoded again; the bytes of the best one. */
function expectRoundTrip(chunks: readonly Uint8Array[]): Uint8Array {
  for (const encoding of runEncodings) {
    const run = encodeRun(chunks, encoding)
    if (!areSame(decodeRun(run), chunks)) expect(decodeRun(run)).toEqual(chunks)
  }
  return encodeRun(chunks, runEncodings[0])
}

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))

describe('runs of recorded writing', () => {
  let paper: Uint8Array[] = []
  let friends: ReturnType<typeof friendsChunks> = { all: [], byAgent: [] }
  beforeAll(() => {
    paper = paperChunks(20_000)
    friends = friendsChunks(12_000)
  }, 120_000)

  // The bounds are what was measured and a tenth: the bytes are the same on every machine but for the zlib version.
  it.each([
    { size: 1, zstd: 119, deflate: 119 },
    { size: 2, zstd: 86, deflate: 86 },
    { size: 8, zstd: 22, deflate: 22 },
    { size: 32, zstd: 7, deflate: 7 },
    { size: 256, zstd: 2.4, deflate: 2.3 },
    { size: 512, zstd: 1.8, deflate: 1.7 },
  ])('bring a paper back in runs of $size, and short', { timeout: 60_000 }, ({ size, zstd, deflate }) => {
    expect(bytesPerChange(paper, size, 'zstd')).toBeLessThan(zstd)
    expect(bytesPerChange(paper, size, 'deflate')).toBeLessThan(deflate)
  })

  it.each([
    { size: 1, most: 148 },
    { size: 32, most: 13 },
    { size: 256, most: 7.5 },
  ])('bring two people typing back in runs of $size, and short', { timeout: 60_000 }, ({ size, most }) => {
    expect(friends.byAgent).toHaveLength(2)
    for (const chunks of [friends.all, ...friends.byAgent]) {
      expect(bytesPerChange(chunks, size, 'zstd')).toBeLessThan(most)
      expect(bytesPerChange(chunks, size, 'deflate')).toBeLessThan(most)
    }
  })

  it('are uncompressed when that is shorter, and raw for a change alone', () => {
    expect(encodeRun(paper.slice(100, 101), 'zstd')[0]).toBe(form.raw)
    expect(encodeRun(paper.slice(100, 102), 'zstd')[0]).toBe(form.packed)
    expect(encodeRun(paper.slice(100, 132), 'zstd')[0]).toBe(form.deflate)
    expect(encodeRun(paper.slice(100, 356), 'zstd')[0]).toBe(form.zstd)
    expect(encodeRun(paper.slice(100, 356), 'deflate')[0]).toBe(form.deflate)
  })

  it('are the same bytes for the same chunks', () => {
    const part = paper.slice(500, 600)
    expect(encodeRun(part, 'zstd')).toEqual(
      encodeRun(
        part.map((chunk) => chunk.slice()),
        'zstd',
      ),
    )
  })

  it('keep no more memory alive than the chunks have', () => {
    const part = paper.slice(500, 600)
    const chunks = decodeRun(encodeRun(part, 'zstd'))
    const total = part.reduce((sum, chunk) => sum + chunk.length, 0)
    expect(chunks.every((chunk) => chunk.buffer === chunks[0]?.buffer && chunk.buffer.byteLength === total)).toBe(true)
  })
})

describe('runs of any changes', () => {
  it('bring back documents with all kinds of content', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(stepsArbitrary, fc.integer({ min: 1, max: 40 }), (steps, size) => {
        const chunks = playSteps(steps)
        for (let at = 0; at < chunks.length; at += size) expectRoundTrip(chunks.slice(at, at + size))
      }),
      { numRuns: 60 },
    )
  })

  it('bring back any valid chunks, whatever is in them and in whatever order', () => {
    const bytes = (max: number) => fc.uint8Array({ maxLength: max })
    const number = fc.oneof(fc.nat(300), fc.nat(), fc.maxSafeNat()).map(uleb)
    const column = fc.record({ id: fc.oneof(fc.constantFrom(19, 115), fc.nat(200), fc.nat()), data: bytes(12) })
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
    const parts: fc.Arbitrary<ChangeParts> = fc.record({
      deps: fc.array(hash, { maxLength: 3 }),
      actor: fc.oneof(fc.constant(bytesOf(actorOf('alice'))), bytes(70)),
      seq: number,
      startOp: number,
      time: fc.oneof(fc.integer(), fc.maxSafeInteger()).map(sleb),
      message: bytes(8),
      actors: fc.array(bytes(70), { maxLength: 3 }),
      columns: fc.array(column, { maxLength: 6 }),
      extra: fc.oneof({ weight: 5, arbitrary: fc.constant(new Uint8Array(0)) }, { weight: 1, arbitrary: bytes(5) }),
    })
    const chunk = fc.oneof(
      { weight: 6, arbitrary: parts.map(assemble) },
      // Bytes that are no change inside a whole chunk; a wrong checksum; a deflated change.
      { weight: 1, arbitrary: bytes(80).map((body) => wrap(body)) },
      { weight: 1, arbitrary: parts.map((part) => assemble(part).with(5, 0)) },
      { weight: 1, arbitrary: bytes(300).map((body) => wrap(body, { deflate: true })) },
      { weight: 1, arbitrary: fc.constantFrom(samples.rich, samples.put, samples.empty, ...samples.before) },
    )
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 40 }), (chunks) => {
        expectRoundTrip(chunks)
      }),
      { numRuns: 400 },
    )
  })

  it('bring back changes that refer to each other in every way', () => {
    const base = takeApart(samples.put)
    const link = fc.record({ actor: fc.nat(2), deps: fc.array(fc.nat(6), { maxLength: 3 }), kind: fc.nat(9) })
    fc.assert(
      fc.property(fc.array(link, { minLength: 2, maxLength: 60 }), (links) => {
        const chunks: Uint8Array[] = []
        const seqs = [0, 0, 0]
        for (const [index, { actor, deps, kind }] of links.entries()) {
          const seq = (seqs[actor] ?? 0) + 1
          seqs[actor] = seq
          const hashes = deps.map((back) => hashOf(chunks[index - 1 - back] ?? samples.first))
          const whole = assemble({
            ...base,
            actor: bytesOf(actorOf(`actor ${actor}`)),
            actors: kind < 3 ? [bytesOf(actorOf(`actor ${kind}`))] : [],
            deps: hashes,
            seq: uleb(seq),
            startOp: uleb(100 + index),
          })
          chunks.push(kind === 9 ? wrap(bodyIn(whole), { deflate: true }) : whole)
        }
        expectRoundTrip(chunks)
      }),
      { numRuns: 100 },
    )
  })

  it('write the one number that may be of any size in the form it had', () => {
    const base = takeApart(samples.put)
    const numbers = [0, 1, 63, 64, 127, 128, 2 ** 31, 2 ** 32, 2 ** 45, 2 ** 45 + 1, Number.MAX_SAFE_INTEGER]
    const chunks = numbers.flatMap((value) => [
      assemble({ ...base, seq: uleb(value), time: sleb(value) }),
      assemble({ ...base, startOp: uleb(value), time: sleb(-value) }),
      assemble({ ...base, columns: [{ id: 19, data: join(sleb(-1), sleb(value)) }] }),
      assemble({ ...base, columns: [{ id: 115, data: join(sleb(2), sleb(-value)) }] }),
      // Not the shortest form, and a first run that is cut off.
      assemble({ ...base, seq: join(uleb(value + 128).with(-1, 0xff), Uint8Array.of(0)) }),
      assemble({ ...base, columns: [{ id: 19, data: sleb(-1) }] }),
    ])
    expectRoundTrip(chunks)
  })

  it('stay short while changes are plain, and only pay for what is not', () => {
    const base = takeApart(samples.put)
    const plain = Array.from({ length: 64 }, (_, index) => assemble({ ...base, seq: uleb(index + 2) }))
    const mixed = plain.with(20, wrap(bodyIn(samples.rich), { deflate: true })).with(40, samples.put.with(5, 0))
    const extra = expectRoundTrip(mixed).length - expectRoundTrip(plain).length
    expect(extra).toBeGreaterThan(0)
    expect(extra).toBeLessThan(samples.rich.length + samples.put.length + 64)
  })

  it('are raw where packing does not pay or may not be done', () => {
    expect(encodeRun([], 'zstd')).toEqual(Uint8Array.of(form.raw))
    expect(decodeRun(Uint8Array.of(form.raw))).toEqual([])
    const many = Array.from({ length: limits.maxChangesPerFrame + 1 }, () => samples.put)
    expect(encodeRun(many, 'zstd')[0]).toBe(form.raw)
    const noChunks = Array.from({ length: 50 }, () => new Uint8Array(100))
    expect(encodeRun(noChunks, 'zstd')).toEqual(join(Uint8Array.of(form.raw), ...noChunks))
    const cutOff = [samples.put, samples.put.slice(0, -1), samples.put]
    expect(encodeRun(cutOff, 'zstd')[0]).toBe(form.raw)
  })

  it('pack one long change, and as many changes as a frame may have', () => {
    const base = takeApart(samples.put)
    const long = assemble({ ...base, message: new Uint8Array(100_000).fill(0x61) })
    expect(expectRoundTrip([long]).length).toBeLessThan(1_000)
    const most = Array.from({ length: limits.maxChangesPerFrame }, () => samples.put)
    expect(expectRoundTrip(most).length).toBeLessThan(2_000)
  })
})

describe('the encoding of a run', () => {
  it('is raw unless the reader is known to understand more', () => {
    const chunks = Array.from({ length: 50 }, () => samples.put)
    expect(encodeRun(chunks)).toEqual(join(Uint8Array.of(form.raw), ...chunks))
  })

  it('is the best that both sides understand', () => {
    expect(runEncodings).toEqual(['zstd', 'deflate', 'raw'])
    expect(chooseRunEncoding(['raw', 'deflate', 'zstd'])).toBe('zstd')
    expect(chooseRunEncoding(['raw', 'deflate', 'brotli'])).toBe('deflate')
    expect(chooseRunEncoding(['raw'])).toBe('raw')
    expect(chooseRunEncoding(['brotli'])).toBeUndefined()
  })
})

/** What a plain chunk has inside. */
function bodyIn(chunk: Uint8Array): Uint8Array {
  let at = 9
  while ((chunk[at] ?? 0) >= 0x80) at++
  return chunk.subarray(at + 1)
}

/** The hash of a change, plain or deflated, as its dependants name it. */
function hashOf(chunk: Uint8Array): Uint8Array {
  const whole = assemble(takeApart(chunk))
  return new Uint8Array(createHash('sha256').update(whole.subarray(8)).digest())
}
