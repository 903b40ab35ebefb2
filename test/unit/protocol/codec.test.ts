import { decode as referenceDecode, encode as referenceEncode, rfc8949EncodeOptions } from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeValue, encodeValue } from '../../../protocol/codec.ts'
import { MooringError } from '../../../protocol/errors.ts'
import { limits } from '../../../protocol/limits.ts'

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
/** An independent encoder of the same deterministic form. */
const reference = (value: unknown): string =>
  hexOf(referenceEncode(value, { ...rfc8949EncodeOptions, ignoreUndefinedProperties: true }))

function errorOf(action: () => unknown): MooringError {
  try {
    action()
  } catch (error) {
    if (error instanceof MooringError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const numbers = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
)
const texts = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', maxLength: 200 }))
const { value: values } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    numbers,
    texts,
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value')),
    fc.dictionary(
      texts.filter((key) => key !== '__proto__'),
      fc.oneof(tie('value'), fc.constant(undefined)),
      { noNullPrototype: false },
    ),
  ),
}))

/** What an encoding can give back: no undefined properties, no minus zero, plain prototypes. */
function settled(value: unknown): unknown {
  if (value === 0) return 0
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (Array.isArray(value)) return value.map(settled)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, settled(inner)]),
  )
}

describe('encodeValue', () => {
  it('makes the same bytes as an independent encoder and reads them back', () => {
    fc.assert(
      fc.property(values, (value) => {
        const bytes = encodeValue(value)
        expect(hexOf(bytes)).toBe(reference(value))
        expect(decodeValue(bytes)).toEqual(settled(value))
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [255, '18ff'],
    [256, '190100'],
    [65_536, '1a00010000'],
    [2 ** 32, '1b0000000100000000'],
    [Number.MAX_SAFE_INTEGER, '1b001fffffffffffff'],
    [-1, '20'],
    [Number.MIN_SAFE_INTEGER, '3b001ffffffffffffe'],
    [-0, '00'],
    [1.5, 'f93e00'],
    [2 ** -24, 'f90001'],
    [2 ** -14, 'f90400'],
    [100_000.5, 'fa47c35040'],
    [1.1, 'fb3ff199999999999a'],
    [2 ** 53, 'fa5a000000'],
    ['', '60'],
    ['ü', '62c3bc'],
    ['\ufeff', '63efbbbf'],
    [new Uint8Array([1, 2]), '420102'],
    [Buffer.from([1, 2]), '420102'],
    [[], '80'],
    [{}, 'a0'],
    [{ a: undefined, b: 1 }, 'a1616201'],
    [{ bb: 2, b: 1, a: null }, 'a36161f6616201626262 02'],
    [{ value: '__proto__' }, 'a16576616c7565695f5f70726f746f5f5f'],
  ])('encodes %o as the one shortest form', (value, hex) => {
    expect(hexOf(encodeValue(value))).toBe(hex.replaceAll(' ', ''))
    expect(decodeValue(bytesOf(hex))).toEqual(settled(value))
  })

  it('orders keys by bytes where UTF-16 order differs', () => {
    const value = { '\u{10000}': 1, '\uffff\u0001': 2 }
    expect(hexOf(encodeValue(value))).toBe(reference(value))
    expect(decodeValue(encodeValue(value))).toEqual(value)
  })

  it('gives plain arrays of bytes that no later call writes to', () => {
    const first = encodeValue({ a: 'one' })
    const copy = hexOf(first)
    encodeValue({ b: 'another value' })
    expect(first.constructor).toBe(Uint8Array)
    expect(hexOf(first)).toBe(copy)
  })

  it('keeps text that meets the end of its buffer', () => {
    for (let padding = 4_000; padding < 4_100; padding++) {
      const value = [new Uint8Array(padding), 'short text', 'x'.repeat(60)]
      expect(decodeValue(encodeValue(value))).toEqual(value)
    }
  })

  it('survives a getter that encodes something itself', () => {
    const value = {
      a: 1,
      get b() {
        return encodeValue({ inner: 'x'.repeat(5_000) })
      },
    }
    expect(decodeValue(encodeValue(value))).toEqual({ a: 1, b: encodeValue({ inner: 'x'.repeat(5_000) }) })
  })

  const cycle: unknown[] = []
  cycle.push(cycle)
  it.each([
    ['undefined', undefined],
    ['undefined in an array', [undefined]],
    ['a hole', new Array(3)],
    ['an array of four thousand million holes', new Array(2 ** 32 - 1)],
    ['not-a-number', Number.NaN],
    ['infinity', Number.NEGATIVE_INFINITY],
    ['bigint', 1n],
    ['a function', () => 1],
    ['a symbol', Symbol.iterator],
    ['a date', new Date(0)],
    ['a map', new Map()],
    ['a class instance', new (class Thing {})()],
    ['half a surrogate pair', 'a\ud800'],
    ['half a surrogate pair in a key', { '\udc00': 1 }],
    ['a __proto__ key', JSON.parse('{"__proto__": 1}')],
    ['a cycle', cycle],
    ['a frame and a byte', new Uint8Array(limits.maxFrameBytes)],
    ['a long text', 'x'.repeat(limits.maxFrameBytes)],
    ['many short texts', new Array(19_000).fill('x'.repeat(20))],
    ['too many items', new Array(limits.maxValueItems).fill(0)],
  ])('refuses %s', (_name, value) => {
    expect(errorOf(() => encodeValue(value)).code).toBe('invalid-input')
    expect(hexOf(encodeValue([1]))).toBe('8101')
  })
})

describe('decodeValue', () => {
  it.each([
    ['no bytes', ''],
    ['bytes after the value', '0000'],
    ['an integer longer than needed (1 byte)', '1817'],
    ['an integer longer than needed (2 bytes)', '1900ff'],
    ['an integer longer than needed (4 bytes)', '1a0000ffff'],
    ['an integer longer than needed (8 bytes)', '1b00000000ffffffff'],
    ['a string length longer than needed', '780161'],
    ['an array length longer than needed', '98 01 00'],
    ['an integer of 2^53', '1b0020000000000000'],
    ['an integer of 2^64 - 1', '1bffffffffffffffff'],
    ['a negative integer below the safe ones', '3b001fffffffffffff'],
    ['reserved lengths', '1c'],
    ['reserved lengths 2', '1e'],
    ['indefinite bytes', '5f4101ff'],
    ['indefinite text', '7f6161ff'],
    ['an indefinite array', '9f01ff'],
    ['an indefinite map', 'bf616101ff'],
    ['a lone break', 'ff'],
    ['a tag', 'c074323031332d30332d32315432303a30343a30305a'],
    ['a bignum', 'c249010000000000000000'],
    ['undefined', 'f7'],
    ['a simple value', 'f0'],
    ['a two-byte simple value', 'f820'],
    ['a half NaN', 'f97e00'],
    ['a single NaN', 'fa7fc00000'],
    ['a double NaN', 'fb7ff8000000000000'],
    ['infinity', 'f97c00'],
    ['minus infinity', 'f9fc00'],
    ['a double infinity', 'fb7ff0000000000000'],
    ['an integer as a half', 'f93c00'],
    ['an integer as a single', 'fa47c35000'],
    ['an integer as a double', 'fb41e0000000000000'],
    ['minus zero', 'f98000'],
    ['a half written as a single', 'fa3fc00000'],
    ['a single written as a double', 'fb40f86a0800000000'],
    ['repeated keys', 'a2616101616102'],
    ['keys out of order', 'a2616201616102'],
    ['a longer key before a shorter one', 'a262616101616202'],
    ['a number as a key', 'a10102'],
    ['bytes as a key', 'a1416101'],
    ['a __proto__ key', 'a1695f5f70726f746f5f5f01'],
    ['a __proto__ key deep inside', '81a16161a1695f5f70726f746f5f5fa0'],
    ['a key without a value', 'a16161'],
    ['text cut short', '6261'],
    ['bytes cut short', '4201'],
    ['an integer cut short', '19 01'],
    ['a float cut short', 'fb3ff1'],
    ['an overlong encoding', '62c0af'],
    ['an encoded surrogate', '63eda080'],
    ['a lone continuation byte', '6180'],
    ['a code point above the last', '64f4908080'],
    ['invalid UTF-8 in a key', 'a161ff01'],
    ['an array of 2^31 items', '9a80000000'],
    ['an array of 2^53 - 1 items', '9b001fffffffffffff'],
    ['a map of 2^31 entries', 'ba80000000'],
    ['a text of 2^32 - 1 bytes', '7affffffff'],
    ['bytes of 2^53 - 1 bytes', '5b001fffffffffffff'],
  ])('refuses %s', (_name, hex) => {
    const error = errorOf(() => decodeValue(bytesOf(hex)))
    expect(error.code).toBe('malformed')
    expect(error.detail).toMatch(/, at byte \d+$/)
  })

  it('accepts only bytes that the encoder makes', () => {
    let accepted = 0
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.tuple(values, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
        const encoded = encodeValue(value)
        encoded[at % encoded.length] = byte
        return encoded
      }),
    )
    fc.assert(
      fc.property(bytes, (input) => {
        let value: unknown
        try {
          value = decodeValue(input)
        } catch (error) {
          expect(error).toBeInstanceOf(MooringError)
          return
        }
        accepted++
        expect(hexOf(encodeValue(value))).toBe(hexOf(input))
        expect(Object.getPrototypeOf({})).toBe(Object.prototype)
      }),
      { numRuns: 20_000 },
    )
    expect(accepted).toBeGreaterThan(500)
  })

  it('agrees with an independent decoder on every half float', () => {
    for (let bits = 0; bits < 65_536; bits++) {
      const bytes = new Uint8Array([0xf9, bits >> 8, bits & 255])
      const expected: unknown = referenceDecode(bytes)
      if (Number.isSafeInteger(expected) || !Number.isFinite(expected)) {
        expect(() => decodeValue(bytes)).toThrow(MooringError)
      } else if (decodeValue(bytes) !== expected || hexOf(encodeValue(expected)) !== hexOf(bytes)) {
        expect.unreachable(`half float ${bits.toString(16)}`)
      }
    }
  })

  it('counts depth: the limit passes, one more does not', () => {
    const nested = (depth: number): Uint8Array => bytesOf(`${'81'.repeat(depth)}00`)
    expect(decodeValue(nested(limits.maxValueDepth))).toBeDefined()
    expect(errorOf(() => decodeValue(nested(limits.maxValueDepth + 1))).detail).toContain('too deep')
    expect(errorOf(() => decodeValue(nested(10_000))).detail).toContain('too deep')
    expect(errorOf(() => decodeValue(bytesOf('a16161a0'), { maxDepth: 1 })).detail).toContain('too deep')
    expect(encodeValue(decodeValue(nested(limits.maxValueDepth)))).toEqual(nested(limits.maxValueDepth))
    expect(decodeValue(bytesOf('00'), { maxDepth: 0 })).toBe(0)
  })

  it('counts items: a key and its value are two, the outermost value is one', () => {
    const value = { a: [1, 2], b: 'x' }
    const bytes = encodeValue(value)
    expect(decodeValue(bytes, { maxItems: 7 })).toEqual(value)
    expect(encodeValue(value, { maxItems: 7 })).toEqual(bytes)
    expect(errorOf(() => decodeValue(bytes, { maxItems: 6 })).detail).toContain('too many items')
    expect(errorOf(() => encodeValue(value, { maxItems: 6 })).detail).toContain('too many items')
  })

  it('refuses a million items although the bytes are there', () => {
    const bytes = new Uint8Array(200_005)
    bytes.set(bytesOf('9a00030d40'))
    expect(errorOf(() => decodeValue(bytes)).detail).toContain('too many items')
  })

  it('refuses bytes above the limit before it reads one', () => {
    const bytes = new Uint8Array(limits.maxFrameBytes + 1).fill(0xff)
    expect(errorOf(() => decodeValue(bytes)).code).toBe('frame-too-large')
    expect(errorOf(() => decodeValue(bytesOf('6161'), { maxBytes: 1 })).code).toBe('frame-too-large')
    expect(errorOf(() => encodeValue('a', { maxBytes: 1 })).code).toBe('invalid-input')
    expect(decodeValue(encodeValue('a', { maxBytes: 2 }), { maxBytes: 2 })).toBe('a')
  })

  it('gives views of the input, as plain byte arrays even from a Buffer', () => {
    const bytes = Buffer.from('00420102', 'hex').subarray(1)
    const value = decodeValue(bytes)
    expect(value).toEqual(new Uint8Array([1, 2]))
    bytes[1] = 9
    expect(value).toEqual(new Uint8Array([9, 2]))
  })

  it('takes keys that share their length and letters for what they are', () => {
    for (const key of ['abcb', 'aacb', 'axcb', 'abcb', 'a\u0000cb']) {
      expect(Object.keys(decodeValue(encodeValue({ [key]: 1 })) as object)).toEqual([key])
    }
  })

  it('never takes the Latin-1 bytes of a key it has seen for its UTF-8 bytes', () => {
    for (let unit = 0x80; unit < 0x100; unit++) {
      for (let other = 0x20; other < 0x80; other++) {
        const key = String.fromCharCode(unit, other)
        decodeValue(encodeValue({ [key]: 1 }))
        const bytes = new Uint8Array([0xa1, 0x62, unit, other, 1])
        expect(errorOf(() => decodeValue(bytes)).detail).toContain('UTF-8')
      }
    }
  })

  it('makes own properties of names that objects inherit', () => {
    const value = decodeValue(encodeValue({ constructor: 1, hasOwnProperty: 2, toString: 3 })) as object
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(Object.hasOwn(value, 'constructor')).toBe(true)
    expect(Object.keys(value)).toHaveLength(3)
  })
})
