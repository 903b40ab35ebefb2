/**
 * Value to bytes. Keeps true: one value has one encoding (shortest integers and floats, keys in the order of their
 * encodings), and nothing is written that the reader on the other side would refuse.
 */
import { MooringError } from './errors.ts'
import { halfBits, isHalf } from './half-float.ts'

const encoder = new TextEncoder()

/** Up to here a loop over ASCII beats the call into the text encoder. */
const shortTextChars = 64
/** Above this many keys the sort of the engine beats insertion, which wins on the few, mostly sorted keys of a frame. */
const fewKeys = 16
const longestHeader = 9
const startBytes = 4 * 1024
/** A larger buffer is not kept for the next value: one big frame should not hold memory for good. */
const keptBytes = 512 * 1024

/** Reused between calls; absent while in use, since a getter of the value may encode something itself. */
let idle: Writer | undefined

/** @throws `invalid-input` */
export function writeValue(value: unknown, maxBytes: number, maxDepth: number, maxItems: number): Uint8Array {
  const writer = idle ?? new Writer()
  idle = undefined
  const bytes = writer.write(value, maxBytes, maxDepth, maxItems)
  if (writer.capacity <= keptBytes) idle = writer
  return bytes
}

class Writer {
  #buffer = new Uint8Array(startBytes)
  #view = new DataView(this.#buffer.buffer)
  #pos = 0
  #maxBytes = 0
  #maxDepth = 0
  #itemsLeft = 0

  get capacity(): number {
    return this.#buffer.length
  }

  write(value: unknown, maxBytes: number, maxDepth: number, maxItems: number): Uint8Array {
    this.#pos = 0
    this.#maxBytes = maxBytes
    this.#maxDepth = maxDepth
    this.#itemsLeft = maxItems
    this.#value(value, 0)
    if (this.#pos > maxBytes) fail(`more than ${maxBytes} bytes`)
    return this.#buffer.slice(0, this.#pos)
  }

  #value(value: unknown, depth: number): void {
    if (--this.#itemsLeft < 0) fail('too many items')
    switch (typeof value) {
      case 'string':
        this.#text(value)
        break
      case 'number':
        this.#number(value)
        break
      case 'boolean':
        this.#byte(value ? 0xf5 : 0xf4)
        break
      case 'object':
        if (value === null) this.#byte(0xf6)
        else if (value instanceof Uint8Array) this.#bytes(0x40, value)
        else if (Array.isArray(value)) this.#array(value, depth + 1)
        else if (isPlain(value)) this.#object(value, depth + 1)
        else fail('only plain objects have an encoding')
        break
      default:
        fail(`${typeof value} has no encoding`)
    }
  }

  #array(array: readonly unknown[], depth: number): void {
    if (depth > this.#maxDepth) fail('nested too deep')
    // Counted here already: a sparse array may claim four thousand million entries.
    if (array.length > this.#itemsLeft) fail('too many items')
    this.#header(0x80, array.length)
    for (let i = 0; i < array.length; i++) this.#value(array[i], depth)
  }

  #object(object: Record<string, unknown>, depth: number): void {
    if (depth > this.#maxDepth) fail('nested too deep')
    const keys = sortedKeys(object)
    this.#itemsLeft -= keys.length
    this.#header(0xa0, keys.length)
    for (const key of keys) {
      if (key === '__proto__') fail('__proto__ key')
      this.#text(key)
      this.#value(object[key], depth)
    }
  }

  #text(text: string): void {
    const length = text.length
    if (length <= shortTextChars) {
      // Room for the header too: growing between the characters and the header would drop the characters.
      this.#reserve(length + longestHeader)
      const buffer = this.#buffer
      const start = this.#pos + (length < 24 ? 1 : 2)
      let i = 0
      for (; i < length; i++) {
        const unit = text.charCodeAt(i)
        if (unit > 127) break
        buffer[start + i] = unit
      }
      if (i === length) {
        this.#header(0x60, length)
        this.#pos = start + length
        return
      }
    }
    if (length > this.#maxBytes) fail(`more than ${this.#maxBytes} bytes`)
    if (!text.isWellFormed()) fail('text with half a surrogate pair')
    this.#bytes(0x60, encoder.encode(text))
  }

  #bytes(major: number, bytes: Uint8Array): void {
    if (bytes.length > this.#maxBytes) fail(`more than ${this.#maxBytes} bytes`)
    this.#header(major, bytes.length)
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#pos)
    this.#pos += bytes.length
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value)) {
      if (value >= 0) this.#header(0, value)
      else this.#header(0x20, -1 - value)
      return
    }
    if (!Number.isFinite(value)) fail('number that is not finite')
    this.#reserve(longestHeader)
    const start = this.#pos
    if (isHalf(value)) {
      this.#buffer[start] = 0xf9
      this.#view.setUint16(start + 1, halfBits(value))
      this.#pos = start + 3
    } else if (Math.fround(value) === value) {
      this.#buffer[start] = 0xfa
      this.#view.setFloat32(start + 1, value)
      this.#pos = start + 5
    } else {
      this.#buffer[start] = 0xfb
      this.#view.setFloat64(start + 1, value)
      this.#pos = start + 9
    }
  }

  /** Major type (in the upper three bits) and argument in the shortest form. */
  #header(major: number, argument: number): void {
    this.#reserve(longestHeader)
    const buffer = this.#buffer
    const start = this.#pos
    if (argument < 24) {
      buffer[start] = major | argument
      this.#pos = start + 1
    } else if (argument < 256) {
      buffer[start] = major | 24
      buffer[start + 1] = argument
      this.#pos = start + 2
    } else if (argument < 65_536) {
      buffer[start] = major | 25
      this.#view.setUint16(start + 1, argument)
      this.#pos = start + 3
    } else if (argument < 2 ** 32) {
      buffer[start] = major | 26
      this.#view.setUint32(start + 1, argument)
      this.#pos = start + 5
    } else {
      buffer[start] = major | 27
      this.#view.setUint32(start + 1, Math.floor(argument / 2 ** 32))
      this.#view.setUint32(start + 5, argument % 2 ** 32)
      this.#pos = start + 9
    }
  }

  #byte(byte: number): void {
    this.#reserve(1)
    this.#buffer[this.#pos++] = byte
  }

  #reserve(bytes: number): void {
    const needed = this.#pos + bytes
    if (needed <= this.#buffer.length) return
    // What is refused at the end anyway should not first grow to its full size.
    if (this.#pos > this.#maxBytes) fail(`more than ${this.#maxBytes} bytes`)
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2))
    grown.set(this.#buffer.subarray(0, this.#pos))
    this.#buffer = grown
    this.#view = new DataView(grown.buffer)
  }
}

/** Keys that have a value, in the order of their encodings: fewer bytes first, then by bytes. */
function sortedKeys(object: Record<string, unknown>): string[] {
  const keys: string[] = []
  let isAscii = true
  for (const key of Object.keys(object)) {
    if (object[key] === undefined) continue
    keys.push(key)
    for (let i = 0; isAscii && i < key.length; i++) isAscii = key.charCodeAt(i) < 128
  }
  if (!isAscii) return keys.sort(compareUtf8)
  if (keys.length > fewKeys) return keys.sort(compareAscii)
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i] ?? ''
    let hole = i
    for (; hole > 0; hole--) {
      const before = keys[hole - 1] ?? ''
      if (compareAscii(before, key) <= 0) break
      keys[hole] = before
    }
    keys[hole] = key
  }
  return keys
}

function compareAscii(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
}

/** By encoded bytes; comparing the strings would order by UTF-16 units, which differs above U+FFFF. */
function compareUtf8(a: string, b: string): number {
  const left = encoder.encode(a)
  const right = encoder.encode(b)
  if (left.length !== right.length) return left.length - right.length
  for (let i = 0; i < left.length; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** A literal or a decoded object, also one from another realm; never a class instance, whose encoding would lose its class. */
function isPlain(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

function fail(rule: string): never {
  throw new MooringError('invalid-input', { detail: rule })
}
