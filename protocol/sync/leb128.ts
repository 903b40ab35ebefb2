/**
 * Reads the fields of a change: LEB128 numbers, counted bytes and text. Keeps one invariant: a number that is not in
 * its shortest form, or that JavaScript cannot hold exactly, is refused, never rounded.
 */
import { refuse } from './structure-rules.ts'

const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A cursor over bytes; it never reads at or past `end`. */
export class ByteReader {
  readonly bytes: Uint8Array
  at: number
  readonly end: number

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = end
  }

  get done(): boolean {
    return this.at >= this.end
  }

  byte(): number {
    if (this.at >= this.end) refuse('truncated')
    return this.bytes[this.at++] as number
  }

  /** Unsigned, 0 … 2⁵³ − 1. */
  unsigned(): number {
    let byte = this.byte()
    if (byte < 0x80) return byte
    let value = byte & 0x7f
    let unit = 0x80
    do {
      byte = this.byte()
      value += (byte & 0x7f) * unit
      if (value > Number.MAX_SAFE_INTEGER) refuse('number-range')
      unit *= 0x80
    } while (byte >= 0x80 && unit <= Number.MAX_SAFE_INTEGER)
    if (byte >= 0x80) refuse('number-range')
    if (byte === 0) refuse('leb128')
    return value
  }

  /** Signed, ±(2⁵³ − 1). */
  signed(): number {
    let byte = this.byte()
    if (byte < 0x80) return byte < 0x40 ? byte : byte - 0x80
    let value = 0
    let unit = 1
    let before = byte
    do {
      value += (byte & 0x7f) * unit
      unit *= 0x80
      before = byte
      byte = this.byte()
    } while (byte >= 0x80 && unit < 2 ** 49)
    if (byte >= 0x80) refuse('number-range')
    // A last byte that only repeats the sign of the byte before it adds nothing.
    if ((byte === 0 && (before & 0x40) === 0) || (byte === 0x7f && (before & 0x40) !== 0)) refuse('leb128')
    // The sign is applied to the last seven bits alone: the unsigned sum could be beyond exact integers.
    value += (byte < 0x40 ? byte : byte - 0x80) * unit
    if (!Number.isSafeInteger(value)) refuse('number-range')
    return value
  }

  /** A view of the next `length` bytes, not a copy. */
  take(length: number): Uint8Array {
    const from = this.at
    if (length > this.end - from) refuse('truncated')
    this.at = from + length
    return this.bytes.subarray(from, this.at)
  }

  /** Passes over the next `length` bytes. Where they begin. */
  skip(length: number): number {
    const from = this.at
    if (length > this.end - from) refuse('truncated')
    this.at = from + length
    return from
  }

  /** A length followed by that many bytes of UTF-8. */
  text(): string {
    const length = this.unsigned()
    if (length > this.end - this.at) refuse('truncated')
    const from = this.at
    this.at += length
    return decodeText(this.bytes, from, this.at)
  }
}

/** @throws `bad-change` with the rule `utf8`. */
export function decodeText(bytes: Uint8Array, from: number, to: number): string {
  // Keys are short and nearly always ASCII; the decoder costs more than the whole rest of such a change.
  if (to - from <= 32) {
    let ascii = ''
    let at = from
    for (; at < to; at++) {
      const byte = bytes[at] as number
      if (byte >= 0x80) break
      ascii += String.fromCharCode(byte)
    }
    if (at === to) return ascii
  }
  try {
    return text.decode(bytes.subarray(from, to))
  } catch {
    return refuse('utf8')
  }
}

/** Refuses bytes that are not UTF-8, without making a string of them. */
export function checkText(bytes: Uint8Array, from: number, to: number): void {
  for (let at = from; at < to; at++) {
    if ((bytes[at] as number) >= 0x80) {
      decodeText(bytes, at, to)
      return
    }
  }
}

/**
 * Whether the bytes are exactly one LEB128 number of at most 64 bits in its shortest form. Values may be larger than
 * JavaScript holds exactly, so only their form is looked at.
 */
export function isWholeLeb128(bytes: Uint8Array, from: number, to: number, signed: boolean): boolean {
  const length = to - from
  if (length < 1 || length > 10) return false
  for (let at = from; at < to - 1; at++) if ((bytes[at] as number) < 0x80) return false
  const last = bytes[to - 1] as number
  if (last >= 0x80) return false
  if (length === 1) return true
  const before = bytes[to - 2] as number
  if (!signed) return last !== 0 && (length < 10 || last === 1)
  if ((last === 0 && (before & 0x40) === 0) || (last === 0x7f && (before & 0x40) !== 0)) return false
  return length < 10 || last === 0 || last === 0x7f
}
