/** A damaged or hostile run is refused with a code, within the bounds, and nothing of it is passed on. */
import { deflateRawSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MooringError } from '../../../../protocol/errors.ts'
import { limits } from '../../../../protocol/limits.ts'
import { readChunkHeader } from '../../../../protocol/sync/change-structure.ts'
import { decodeRun, encodeRun } from '../../../../protocol/sync/run.ts'
import { packRun } from '../../../../protocol/sync/run-pack.ts'
import { unpackRun } from '../../../../protocol/sync/run-unpack.ts'
import { assemble, takeApart, wrap } from '../../../fixtures/change-builder.ts'
import { join, sleb, uleb } from '../../../fixtures/change-encoding.ts'
import { samples } from '../../../fixtures/sample-changes.ts'
import { areSame, paperChunks } from './run-samples.ts'

const form = { raw: 0, packed: 1, zstd: 2, deflate: 3 }
const paper = paperChunks(200)

/** One of each form that carries a digest. */
const runs = [
  { name: 'packed', chunks: paper.slice(1, 4), run: encodeRun(paper.slice(1, 4), 'zstd') },
  { name: 'deflate', chunks: paper.slice(1, 9), run: encodeRun(paper.slice(1, 9), 'deflate') },
  { name: 'zstd', chunks: paper.slice(1, 201), run: encodeRun(paper.slice(1, 201), 'zstd') },
] as const

/** The code that it is refused by; `undefined` when it is not. Anything but a MooringError fails the test. */
function refusal(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    if (error instanceof MooringError) return error.code
    throw error
  }
}

const digest = new Uint8Array(8)
const packedRun = (...parts: Uint8Array[]): Uint8Array => join(Uint8Array.of(form.packed), digest, ...parts)
const zeros = (count: number): Uint8Array => new Uint8Array(count)

describe('a damaged run', () => {
  it('is made in every form', () => {
    expect(runs.map(({ run }) => run[0])).toEqual([form.packed, form.deflate, form.zstd])
  })

  it.each(runs)('is refused when $name is cut off anywhere', ({ run }) => {
    for (let length = 0; length < run.length; length++) {
      expect(refusal(() => decodeRun(run.subarray(0, length)))).toBe('malformed')
    }
  })

  it.each(runs)('is refused, or gives the same chunks, with any bit of $name flipped', ({ run, chunks }) => {
    let refused = 0
    for (let bit = 8; bit < run.length * 8; bit++) {
      const flipped = run.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const code = refusal(() => {
        // A bit that the compression does not use changes nothing.
        if (!areSame(decodeRun(flipped), chunks)) expect.fail(`bit ${bit} is passed on`)
      })
      if (code !== undefined) refused++
      if (code !== undefined && code !== 'malformed' && code !== 'change-too-large') expect.fail(`${code} at ${bit}`)
    }
    expect(refused).toBeGreaterThan((run.length - 1) * 8 * 0.95)
  })

  it('is refused when it says that it has another form', () => {
    for (const { run } of runs) {
      for (const other of [form.packed, form.zstd, form.deflate, 4, 255]) {
        if (other !== run[0])
          expect(refusal(() => decodeRun(run.with(0, other)))).toMatch(/^(malformed|change-too-large)$/)
      }
    }
    expect(refusal(() => decodeRun(new Uint8Array(0)))).toBe('malformed')
  })

  it('is refused when bytes follow', () => {
    for (const { run } of runs) {
      expect(refusal(() => decodeRun(join(run, zeros(1))))).toBe('malformed')
      expect(refusal(() => decodeRun(join(run, run)))).toBe('malformed')
    }
  })

  it('is refused when its digest is of other chunks', () => {
    for (const { run } of runs) expect(refusal(() => decodeRun(run.with(8, (run[8] ?? 0) ^ 1)))).toBe('malformed')
  })
})

describe('a raw run', () => {
  const raw = encodeRun([samples.put, samples.three], 'raw')

  it('is read by every reader', () => {
    expect(areSame(decodeRun(raw), [samples.put, samples.three])).toBe(true)
  })

  it('is refused when it is cut off inside a chunk', () => {
    expect(refusal(() => decodeRun(raw.subarray(0, -1)))).toBe('bad-change')
  })

  it('is refused with a change above the limit, or too many', () => {
    const long = wrap(zeros(limits.maxChangeBytes))
    expect(refusal(() => decodeRun(encodeRun([long])))).toBe('change-too-large')
    const many = Array.from({ length: limits.maxChangesPerFrame + 1 }, () => samples.put)
    expect(refusal(() => decodeRun(encodeRun(many)))).toBe('change-too-large')
  })
})

describe('a hostile run', () => {
  const billion = uleb(2 ** 31)

  it.each([
    { what: 'changes', code: 'change-too-large', bytes: packedRun(billion) },
    { what: 'actors', code: 'malformed', bytes: packedRun(uleb(1), billion) },
    { what: 'bytes of an actor', code: 'malformed', bytes: packedRun(uleb(1), uleb(1), billion) },
    { what: 'layouts', code: 'malformed', bytes: packedRun(uleb(1), zeros(1), billion) },
    { what: 'columns', code: 'malformed', bytes: packedRun(uleb(1), zeros(1), uleb(1), billion) },
  ])('is refused when it announces two billion $what', ({ bytes, code }) => {
    expect(refusal(() => decodeRun(bytes))).toBe(code)
  })

  /** Up to the field that is asked about: one change of one actor with one layout of no column. */
  const opening = [uleb(1), uleb(1), uleb(1), Uint8Array.of(0xaa), uleb(1), uleb(0), uleb(1), uleb(0)]
  const noDeps = uleb(1)
  const numbers = [sleb(0), sleb(0), sleb(0)]
  const noOthers = uleb(0)

  it('is taken when nothing is wrong with it but the digest', () => {
    const bytes = join(...opening, noDeps, ...numbers, noOthers, uleb(0))
    expect(unpackRun(bytes).chunks).toHaveLength(1)
    expect(refusal(() => decodeRun(packedRun(bytes)))).toBe('malformed')
  })

  it.each([
    { what: 'an actor that is not there', parts: [...opening.slice(0, 6), uleb(2)] },
    { what: 'a layout that is not there', parts: [...opening.slice(0, 7), uleb(1)] },
    { what: 'the change before the first', parts: [...opening, uleb(0)] },
    { what: 'two billion dependencies', parts: [...opening, billion] },
    { what: 'a change far before the first', parts: [...opening, uleb(2), billion] },
    { what: 'a hash beyond the end', parts: [...opening, uleb(2), uleb(0), zeros(31)] },
    { what: 'a sequence number below zero', parts: [...opening, noDeps, sleb(-2), sleb(0), sleb(0)] },
    { what: 'a number that is not exact', parts: [...opening, noDeps, sleb(Number.MAX_SAFE_INTEGER), sleb(0)] },
    { what: 'two billion other actors', parts: [...opening, noDeps, ...numbers, billion] },
    { what: 'another actor that is not there', parts: [...opening, noDeps, ...numbers, uleb(2), uleb(1)] },
    { what: 'a message beyond the end', parts: [...opening, noDeps, ...numbers, noOthers, billion] },
    { what: 'columns out of order', parts: [uleb(1), uleb(0), uleb(1), uleb(2), uleb(5), uleb(5), uleb(0)] },
    { what: 'a whole chunk beyond the end', parts: [uleb(1), uleb(0), uleb(0), uleb(0), billion] },
    { what: 'a whole chunk that is none', parts: [uleb(1), uleb(0), uleb(0), uleb(0), uleb(20), zeros(20)] },
  ])('is refused when it names $what', ({ parts }) => {
    expect(refusal(() => decodeRun(packedRun(...parts)))).toBe('malformed')
  })

  it('is refused when it refers to a compressed change', () => {
    const whole = wrap(zeros(50), { deflate: true })
    const parts = [uleb(2), uleb(1), uleb(1), Uint8Array.of(0xaa), uleb(1), uleb(0), uleb(0), uleb(1), uleb(0)]
    const rest = [uleb(2), uleb(1), ...numbers, noOthers, uleb(0), uleb(whole.length), whole]
    expect(refusal(() => unpackRun(join(...parts, ...rest)))).toBe('malformed')
    // The same with no dependency is sound.
    expect(unpackRun(join(...parts, noDeps, ...rest.slice(2))).chunks).toHaveLength(2)
  })

  it('is refused when a column is shorter than its first entry', () => {
    const layout = [uleb(1), uleb(19)]
    const parts = [...opening.slice(0, 4), uleb(1), ...layout, uleb(1), uleb(0), noDeps, ...numbers, noOthers, uleb(0)]
    const column = (length: number) => join(...parts, uleb(length), sleb(-1), sleb(0))
    expect(refusal(() => unpackRun(column(1)))).toBe('malformed')
    expect(unpackRun(column(2)).chunks).toHaveLength(1)
  })

  it('is refused when small changes share what makes them large together', () => {
    const others = 3_000
    const actor = join(uleb(64), zeros(64))
    const changes = 512
    const run = join(
      ...[uleb(changes), uleb(2), actor, actor, uleb(1), uleb(0)],
      new Uint8Array(changes).fill(1),
      zeros(changes),
      new Uint8Array(changes).fill(1),
      zeros(changes * 3),
      ...[uleb(others + 1), zeros(others), zeros(changes - 1)],
      zeros(changes),
    )
    expect(run.length).toBeLessThan(8_000)
    expect(refusal(() => unpackRun(run))).toBe('change-too-large')
    const packed = join(Uint8Array.of(form.zstd), digest, new Uint8Array(zstdCompressSync(run)))
    expect(packed.length).toBeLessThan(200)
    expect(refusal(() => decodeRun(packed))).toBe('change-too-large')
  })

  it('is refused when it expands to a gigabyte', () => {
    const gigabyte = join(Uint8Array.of(form.zstd), digest, zstdOfZeros(8_192))
    expect(gigabyte.length).toBeLessThan(limits.maxFrameBytes)
    expect(refusal(() => decodeRun(gigabyte))).toBe('change-too-large')
    const deflated = deflateRawSync(zeros(64 * 1024 * 1024))
    expect(deflated.length).toBeLessThan(limits.maxFrameBytes)
    expect(refusal(() => decodeRun(join(Uint8Array.of(form.deflate), digest, new Uint8Array(deflated))))).toBe(
      'change-too-large',
    )
  })

  it('is refused when it expands to one byte more than the limit', () => {
    const run = (bytes: number) =>
      join(Uint8Array.of(form.zstd), digest, new Uint8Array(zstdCompressSync(zeros(bytes))))
    expect(refusal(() => decodeRun(run(limits.maxExpandedBytes + 1)))).toBe('change-too-large')
    expect(refusal(() => decodeRun(run(limits.maxExpandedBytes)))).toBe('malformed')
  })

  it('is refused when it asks for a large window', () => {
    const packed = packRun(runs[0].chunks) ?? zeros(0)
    const size = packed.length << 3
    const block = join(Uint8Array.of((size & 0xff) | 1, size >> 8, 0), packed)
    const run = (windowLog: number): Uint8Array => {
      const head = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, (windowLog - 10) << 3)
      return join(Uint8Array.of(form.zstd), runs[0].run.subarray(1, 9), head, block)
    }
    expect(areSame(decodeRun(run(21)), runs[0].chunks)).toBe(true)
    expect(refusal(() => decodeRun(run(22)))).toBe('malformed')
    expect(refusal(() => decodeRun(run(31)))).toBe('malformed')
  })

  it('is refused with a code whatever its bytes are', () => {
    const bytes = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(fc.nat(4), bytes, (first, rest) => {
        refusal(() => decodeRun(join(Uint8Array.of(first), rest)))
        refusal(() => unpackRun(rest))
      }),
      { numRuns: 2_000 },
    )
  })

  it('gives nothing but whole chunks within the limits, whatever is changed in it', () => {
    const base = takeApart(samples.rich)
    const chunks = [...samples.before, samples.rich, wrap(zeros(40), { deflate: true }), samples.put, assemble(base)]
    const sound = packRun(chunks.concat(paper.slice(0, 20))) ?? zeros(0)
    expect(sound.length).toBeGreaterThan(500)
    const edit = fc.record({ at: fc.nat(sound.length - 1), byte: fc.nat(255), cut: fc.boolean() })
    let taken = 0
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        let bytes = sound
        for (const { at, byte, cut } of edits) {
          bytes = cut && at < bytes.length ? join(bytes.slice(0, at), bytes.slice(at + 1)) : bytes.slice()
          if (!cut && at < bytes.length) bytes[at] = byte
        }
        refusal(() => {
          const { chunks: out, joined } = unpackRun(bytes)
          expect(joined.length).toBeLessThanOrEqual(limits.maxExpandedBytes)
          for (const chunk of out) expect(readChunkHeader(chunk, 0).end).toBe(chunk.length)
          taken++
        })
      }),
      { numRuns: 3_000 },
    )
    // Otherwise the changed bytes never got as far as the last step.
    expect(taken).toBeGreaterThan(0)
  })
})

/** A zstd frame of blocks that repeat one byte 128 KiB times: four bytes each. */
function zstdOfZeros(blocks: number): Uint8Array {
  const size = 128 * 1024
  const block = (last: number): Uint8Array => {
    const head = (size << 3) | (1 << 1) | last
    return Uint8Array.of(head & 0xff, (head >> 8) & 0xff, (head >> 16) & 0xff, 0)
  }
  const head = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58)
  return join(head, ...Array.from({ length: blocks }, (_, index) => block(index === blocks - 1 ? 1 : 0)))
}
