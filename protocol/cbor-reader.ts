/**
 * Bytes to value in a single pass that checks and builds at once. Keeps true: every accepted encoding is the one the
 * writer makes, and a length or count is believed only after it was compared with the bytes that are really there.
 */
import { MooringError } from './errors.ts'
import { fromHalfBits, isHalf } from './half-float.ts'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Up to here a loop over ASCII beats the call into the text decoder. */
const shortTextBytes = 48

/**
 * Keys come from a few declared shapes and repeat in every frame; looking a string up is cheaper than building it.
 * Entries are compared byte by byte before use, so a peer that fills the table only loses it its own speed.
 */
const keyTable: string[] = new Array<string>(512).fill('')
const keyTableBytes = 32

/** @throws `malformed`, `frame-too-large` */
export function readValue(bytes: Uint8Array, maxBytes: number, maxDepth: number, maxItems: number): unknown {
  if (bytes.length > maxBytes) {
    throw new MooringError('frame-too-large', { detail: `${bytes.length} bytes, the limit is ${maxBytes}` })
  }
  return new Reader(bytes, maxDepth, maxItems).readAll()
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #end: number
  readonly #maxDepth: number
  #itemsLeft: number
  #pos = 0

  constructor(bytes: Uint8Array, maxDepth: number, maxItems: number) {
    this.#bytes = bytes
    this.#end = bytes.length
    this.#maxDepth = maxDepth
    this.#itemsLeft = maxItems
  }

  readAll(): unknown {
    this.#charge(1)
    const value = this.#value(0)
    if (this.#pos !== this.#end) this.#fail('bytes after the value')
    return value
  }

  #value(depth: number): unknown {
    const initial = this.#byte()
    const info = initial & 31
    switch (initial >>> 5) {
      case 0:
        return this.#argument(info)
      case 1: {
        const argument = this.#argument(info)
        if (argument === Number.MAX_SAFE_INTEGER) this.#fail('integer beyond 2^53')
        return -1 - argument
      }
      case 2: {
        const start = this.#span(info)
        return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, this.#pos - start)
      }
      case 3: {
        const start = this.#span(info)
        return this.#text(start, this.#pos)
      }
      case 4:
        return this.#array(info, depth + 1)
      case 5:
        return this.#object(info, depth + 1)
      case 6:
        return this.#fail('tag')
      default:
        return this.#simple(info)
    }
  }

  #array(info: number, depth: number): unknown[] {
    const count = this.#count(info, 1, depth)
    const array: unknown[] = []
    for (let i = 0; i < count; i++) array.push(this.#value(depth))
    return array
  }

  #object(info: number, depth: number): Record<string, unknown> {
    const count = this.#count(info, 2, depth)
    const object: Record<string, unknown> = {}
    let previousStart = 0
    let previousEnd = -1
    for (let i = 0; i < count; i++) {
      const initial = this.#byte()
      if (initial >>> 5 !== 3) this.#fail('key that is not a string')
      const start = this.#span(initial & 31)
      const end = this.#pos
      if (previousEnd >= 0 && !this.#ascends(previousStart, previousEnd, start, end))
        this.#fail('keys out of order or repeated')
      const key = this.#key(start, end)
      if (key === '__proto__') this.#fail('__proto__ key')
      object[key] = this.#value(depth)
      previousStart = start
      previousEnd = end
    }
    return object
  }

  /** Entries of an array or object header. Charged before anything is allocated for them. */
  #count(info: number, itemsPerEntry: number, depth: number): number {
    const count = this.#argument(info)
    if (depth > this.#maxDepth) this.#fail('nested too deep')
    // Each item takes a byte at least: a header cannot announce more than the frame still holds.
    if (count * itemsPerEntry > this.#end - this.#pos) this.#fail('fewer items than announced')
    this.#charge(count * itemsPerEntry)
    return count
  }

  #charge(items: number): void {
    this.#itemsLeft -= items
    if (this.#itemsLeft < 0) this.#fail('too many items')
  }

  /** Whether the second key sorts after the first: shorter first, then by bytes, which is the order of their encodings. */
  #ascends(start: number, end: number, nextStart: number, nextEnd: number): boolean {
    const length = end - start
    const nextLength = nextEnd - nextStart
    if (length !== nextLength) return length < nextLength
    for (let i = 0; i < length; i++) {
      const byte = this.#bytes[start + i] ?? 0
      const nextByte = this.#bytes[nextStart + i] ?? 0
      if (byte !== nextByte) return byte < nextByte
    }
    return false
  }

  #key(start: number, end: number): string {
    const bytes = this.#bytes
    const length = end - start
    if (length === 0 || length > keyTableBytes) return this.#text(start, end)
    const slot =
      (length * 37 + (bytes[start] ?? 0) * 11 + (bytes[end - 1] ?? 0) * 5 + (bytes[start + (length >> 1)] ?? 0)) & 511
    const known = keyTable[slot] ?? ''
    if (known.length === length) {
      let i = 0
      while (i < length && known.charCodeAt(i) === bytes[start + i]) i++
      if (i === length) return known
    }
    const key = this.#text(start, end)
    // Only ASCII: there, one code unit is one byte and the comparison above is exact.
    if (key.length === length) keyTable[slot] = key
    return key
  }

  #text(start: number, end: number): string {
    const bytes = this.#bytes
    if (end - start <= shortTextBytes) {
      let text = ''
      let i = start
      for (; i < end; i++) {
        const byte = bytes[i] ?? 0
        if (byte > 127) break
        text += String.fromCharCode(byte)
      }
      if (i === end) return text
    }
    try {
      return decoder.decode(bytes.subarray(start, end))
    } catch {
      return this.#fail('text that is not UTF-8')
    }
  }

  /** Steps over a string's bytes and returns where they begin; they end at the new position. */
  #span(info: number): number {
    const length = this.#argument(info)
    const start = this.#pos
    if (length > this.#end - start) this.#fail('string longer than the bytes')
    this.#pos = start + length
    return start
  }

  /** The argument of a header: a non-negative safe integer in its shortest form. */
  #argument(info: number): number {
    if (info < 24) return info
    let value: number
    if (info === 24) {
      value = this.#byte()
      if (value < 24) this.#fail('integer longer than needed')
    } else if (info === 25) {
      value = this.#byte() * 256 + this.#byte()
      if (value < 256) this.#fail('integer longer than needed')
    } else if (info === 26) {
      value = this.#word()
      if (value < 65_536) this.#fail('integer longer than needed')
    } else if (info === 27) {
      const high = this.#word()
      value = high * 2 ** 32 + this.#word()
      if (high === 0) this.#fail('integer longer than needed')
      if (high > 0x1f_ffff) this.#fail('integer beyond 2^53')
    } else {
      return this.#fail(info === 31 ? 'indefinite length' : 'reserved length')
    }
    return value
  }

  #simple(info: number): unknown {
    switch (info) {
      case 20:
        return false
      case 21:
        return true
      case 22:
        return null
      case 23:
        return this.#fail('undefined')
      case 25:
        return this.#float(fromHalfBits(this.#byte() * 256 + this.#byte()))
      case 26: {
        const value = float32Of(this.#word())
        if (isHalf(value)) this.#fail('float longer than needed')
        return this.#float(value)
      }
      case 27: {
        const high = this.#word()
        const value = float64Of(high, this.#word())
        if (Math.fround(value) === value) this.#fail('float longer than needed')
        return this.#float(value)
      }
      default:
        return this.#fail('simple value')
    }
  }

  #float(value: number): number {
    if (!Number.isFinite(value)) this.#fail('number that is not finite')
    // An integer has its own, shorter form; minus zero does too, as zero.
    if (Number.isSafeInteger(value)) this.#fail('integer written as a float')
    return value
  }

  #word(): number {
    return this.#byte() * 2 ** 24 + this.#byte() * 65_536 + this.#byte() * 256 + this.#byte()
  }

  #byte(): number {
    const byte = this.#bytes[this.#pos]
    if (byte === undefined) return this.#fail('end of the bytes inside a value')
    this.#pos++
    return byte
  }

  #fail(rule: string): never {
    throw new MooringError('malformed', { detail: `${rule}, at byte ${this.#pos}` })
  }
}

const scratch = new DataView(new ArrayBuffer(8))

function float32Of(bits: number): number {
  scratch.setUint32(0, bits)
  return scratch.getFloat32(0)
}

function float64Of(high: number, low: number): number {
  scratch.setUint32(0, high)
  scratch.setUint32(4, low)
  return scratch.getFloat64(0)
}
