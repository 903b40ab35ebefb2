/**
 * Values to bytes and back: deterministic CBOR, of which exactly one encoding exists per value, so that bytes can be
 * hashed, signed and compared. Nothing is built from hostile bytes before its size, depth and item count are bounded.
 */
import { readValue } from './cbor-reader.ts'
import { writeValue } from './cbor-writer.ts'
import { limits } from './limits.ts'

/** Bounds of one encoded value. What is left out has the bound of a frame. */
export interface CodecLimits {
  /** Bytes of the whole encoding. @default limits.maxFrameBytes */
  readonly maxBytes?: number
  /** Arrays and objects inside each other; a lone number has none. @default limits.maxValueDepth */
  readonly maxDepth?: number
  /** Values in total, the outermost included; a property counts twice, for its key and its value. @default limits.maxValueItems */
  readonly maxItems?: number
}

/**
 * The one encoding of a value: null, booleans, finite numbers, strings, `Uint8Array`, arrays and plain objects.
 * Properties that are `undefined` are left out. What can be encoded can be decoded under the same bounds.
 *
 * The bytes are freshly allocated and belong to the caller.
 *
 * @throws `invalid-input` for anything else (class instances, bigint, lone surrogates, a `__proto__` key, cycles), and
 * above a bound.
 */
export function encodeValue(value: unknown, bounds: CodecLimits = {}): Uint8Array {
  return writeValue(
    value,
    bounds.maxBytes ?? limits.maxFrameBytes,
    bounds.maxDepth ?? limits.maxValueDepth,
    bounds.maxItems ?? limits.maxValueItems,
  )
}

/**
 * The value of an encoding, or a refusal of every encoding but the one that {@link encodeValue} makes.
 *
 * Byte strings are views of `bytes`, not copies: that keeps a large delta from being copied twice. Whoever keeps one for longer
 * than the frame copies it, since a view of 16 bytes keeps the whole frame alive. Objects are plain, without
 * `__proto__` among their own keys.
 *
 * @throws `frame-too-large` above `maxBytes`, before a byte is read; `malformed` with the rule and the position otherwise.
 */
export function decodeValue(bytes: Uint8Array, bounds: CodecLimits = {}): unknown {
  return readValue(
    bytes,
    bounds.maxBytes ?? limits.maxFrameBytes,
    bounds.maxDepth ?? limits.maxValueDepth,
    bounds.maxItems ?? limits.maxValueItems,
  )
}
