/** Fields and columns: whatever an encoder of its own writes is read back, and no other encoding of it is. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { newMeter, readBooleans, readDeltas, readNumbers, readTexts } from '../../../../protocol/sync/columns.ts'
import { ByteReader, isWholeLeb128 } from '../../../../protocol/sync/leb128.ts'
import { booleans, deltas, rle, sized, sleb, uleb, utf8 } from '../../../fixtures/change-encoding.ts'

const columnOf = (bytes: Uint8Array) => ({ bytes, from: 0, to: bytes.length })
const boundOf = (rows: number) => ({ max: rows, exact: true, rule: 'column-rows' as const })
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: null, freq: 3 })
/** Entries in runs, so that repetitions happen. */
const entries = <Value>(value: fc.Arbitrary<Value>) =>
  fc
    .array(fc.tuple(value, fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 12 })
    .map((runs) => runs.flatMap(([entry, times]) => Array.from({ length: times }, () => entry)))

describe('numbers', () => {
  it('reads unsigned numbers up to the largest exact integer', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const bytes = uleb(value)
        const reader = new ByteReader(bytes)
        expect([reader.unsigned(), reader.done]).toEqual([value, true])
        expect(isWholeLeb128(bytes, 0, bytes.length, false)).toBe(true)
      }),
    )
  })

  it('reads signed numbers down to and up to the largest exact integer', () => {
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -200, max: 200 })), (value) => {
        const bytes = sleb(value)
        const reader = new ByteReader(bytes)
        expect([reader.signed(), reader.done]).toEqual([value, true])
        expect(isWholeLeb128(bytes, 0, bytes.length, true)).toBe(true)
      }),
    )
  })

  it('refuses every longer encoding of a number', () => {
    const longer = (bytes: Uint8Array, fill: number): Uint8Array => {
      const last = bytes.at(-1) ?? 0
      return Uint8Array.from([...bytes.slice(0, -1), last | 0x80, fill])
    }
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 }), (value) => {
        const signed = longer(sleb(value), value < 0 ? 0x7f : 0)
        expect(() => new ByteReader(signed).signed()).toThrow(/leb128: /)
        expect(isWholeLeb128(signed, 0, signed.length, true)).toBe(false)
        const unsigned = longer(uleb(Math.abs(value)), 0)
        expect(() => new ByteReader(unsigned).unsigned()).toThrow(/leb128: /)
        expect(isWholeLeb128(unsigned, 0, unsigned.length, false)).toBe(false)
      }),
    )
  })

  it.each([
    [2n ** 64n - 1n, false, true],
    [2n ** 64n, false, false],
    [2n ** 63n - 1n, true, true],
    [2n ** 63n, true, false],
    [-(2n ** 63n), true, true],
    [-(2n ** 63n) - 1n, true, false],
  ])('knows whether %d fits 64 bits', (value, signed, fits) => {
    const bytes = signed ? sleb(value) : uleb(value)
    expect(isWholeLeb128(bytes, 0, bytes.length, signed)).toBe(fits)
    const reader = new ByteReader(bytes)
    expect(() => (signed ? reader.signed() : reader.unsigned())).toThrow(/number-range: /)
  })

  it('never reads past its end', () => {
    const reader = new ByteReader(Uint8Array.of(1, 0x80, 5), 0, 2)
    expect(reader.unsigned()).toBe(1)
    expect(() => reader.unsigned()).toThrow(/truncated: /)
  })
})

describe('columns', () => {
  it('reads what is encoded canonically', () => {
    fc.assert(
      fc.property(entries(maybe(fc.nat(5))), (values) => {
        fc.pre(values.some((value) => value !== null))
        const bound = boundOf(values.length)
        const meter = newMeter()
        expect(readNumbers(columnOf(rle(values, uleb)), bound, meter)).toEqual(values.map((value) => value ?? -1))
        expect(meter.rows).toBe(values.length)
        expect(readDeltas(columnOf(deltas(values)), bound, meter)).toEqual(values.map((value) => value ?? -1))
        const texts = values.map((value) => (value === null ? null : utf8('ü'.repeat(value))))
        expect(readTexts(columnOf(rle(texts, sized)), bound, meter)).toEqual(
          values.map((value) => (value === null ? undefined : 'ü'.repeat(value))),
        )
        const flags = values.map((value) => value === null)
        expect(readBooleans(columnOf(booleans(flags)), bound, meter)).toEqual(flags)
      }),
    )
  })

  it('reads one encoding of each column and no other', () => {
    // Any bytes that are read at all are the ones that encoding the result gives.
    const bytes = fc
      .uint8Array({ minLength: 1, maxLength: 8 })
      .map((random) => random.map((byte) => (byte % 4 === 0 ? byte & 3 : byte)))
    const bound = { max: 300, exact: false, rule: 'column-rows' as const }
    const reencode = [
      (column: Uint8Array) =>
        rle(
          readNumbers(columnOf(column), bound, newMeter()).map((value) => (value < 0 ? null : value)),
          uleb,
        ),
      (column: Uint8Array) =>
        deltas(readDeltas(columnOf(column), bound, newMeter()).map((value) => (value < 0 ? null : value))),
      (column: Uint8Array) =>
        rle(
          readTexts(columnOf(column), bound, newMeter()).map((value) => (value === undefined ? null : utf8(value))),
          sized,
        ),
      (column: Uint8Array) => booleans(readBooleans(columnOf(column), bound, newMeter())),
    ]
    let read = 0
    fc.assert(
      fc.property(bytes, (column) => {
        for (const encode of reencode) {
          let again: Uint8Array
          try {
            again = encode(column)
          } catch {
            continue
          }
          read++
          expect(again).toEqual(column)
        }
      }),
      { numRuns: 20_000 },
    )
    expect(read).toBeGreaterThan(1_000)
  })
})
