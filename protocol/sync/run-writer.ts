/**
 * Writes the bytes of a run: a growing buffer with the numbers that changes are made of. Keeps one invariant: it never
 * grows beyond the bound that it was made with, so what a hostile run asks to be rebuilt costs no more than that.
 */
import { refuse } from './structure-rules.ts'

/** Below this, copying byte by byte is faster than the call that copies a range. */
const shortCopy = 24

export class ByteWriter {
  #bytes: Uint8Array
  #length = 0
  readonly #maxBytes: number

  constructor(expectedBytes: number, maxBytes: number) {
    this.#bytes = new Uint8Array(Math.min(Math.max(expectedBytes, 64), maxBytes))
    this.#maxBytes = maxBytes
  }

  get length(): number {
    return this.#length
  }

  /** What was written so far, as a view that the next write may leave behind. */
  view(from = 0): Uint8Array {
    return this.#bytes.subarray(from, this.#length)
  }

  /** What was written, in a buffer of exactly that length: nothing unused is kept alive by it. */
  finish(): Uint8Array {
    return this.#bytes.length === this.#length ? this.#bytes : this.#bytes.slice(0, this.#length)
  }

  byte(value: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = value
  }

  /** Shortest LEB128 of 0 … 2⁵³ − 1. */
  unsigned(value: number): void {
    this.#room(8)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) + 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
  }

  /** Shortest signed LEB128 of ±(2⁵³ − 1). */
  signed(value: number): void {
    this.#room(8)
    let rest = value
    while (rest < -0x40 || rest > 0x3f) {
      const low = rest & 0x7f
      this.#bytes[this.#length++] = low + 0x80
      rest = (rest - low) / 0x80
    }
    this.#bytes[this.#length++] = rest & 0x7f
  }

  copy(bytes: Uint8Array, from = 0, to = bytes.length): void {
    this.#room(to - from)
    if (to - from > shortCopy) {
      this.#bytes.set(bytes.subarray(from, to), this.#length)
      this.#length += to - from
    } else for (let at = from; at < to; at++) this.#bytes[this.#length++] = bytes[at] as number
  }

  /** Characters below 256, as the digests of this run are kept. */
  latin1(text: string): void {
    this.#room(text.length)
    for (let at = 0; at < text.length; at++) this.#bytes[this.#length++] = text.charCodeAt(at)
  }

  /** Writes over what is there already. */
  patch(at: number, text: string): void {
    for (let n = 0; n < text.length; n++) this.#bytes[at + n] = text.charCodeAt(n)
  }

  #room(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#bytes.length) return
    // A number may ask for a few bytes more than it takes, hence the slack above the bound.
    if (needed > this.#maxBytes + 8) refuse('run-bytes')
    const grown = new Uint8Array(Math.min(Math.max(needed, this.#bytes.length * 2), this.#maxBytes + 8))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}

/** Length of {@link ByteWriter.unsigned}. */
export function unsignedBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}

/** Length of {@link ByteWriter.signed}. */
export function signedBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest < -0x40 || rest > 0x3f; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}
