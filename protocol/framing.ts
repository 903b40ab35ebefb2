/**
 * Frames on a byte stream: a length (unsigned LEB128, shortest form, at most four bytes) and so many bytes. Keeps true: a
 * length is compared with the limit before anything is kept for it, and memory grows with what was received, never with
 * what was announced.
 */
import { MooringError } from './errors.ts'

const maxHeaderBytes = 4
/** What four length bytes can say; no limit may be above it. */
const maxLength = 2 ** (7 * maxHeaderBytes) - 1

/**
 * Length and body in one new buffer, so that a frame is one write.
 *
 * @throws `invalid-input` for an empty body or one of 256 MiB.
 */
export function encodeFrame(body: Uint8Array): Uint8Array {
  const length = body.length
  if (length === 0 || length > maxLength) {
    throw new MooringError('invalid-input', { detail: `a frame has 1 to ${maxLength} bytes, not ${length}` })
  }
  const headerBytes = length < 2 ** 7 ? 1 : length < 2 ** 14 ? 2 : length < 2 ** 21 ? 3 : 4
  const frame = new Uint8Array(headerBytes + length)
  for (let i = 0, rest = length; i < headerBytes; i++, rest >>>= 7) {
    frame[i] = i === headerBytes - 1 ? rest : (rest & 127) | 128
  }
  frame.set(body, headerBytes)
  return frame
}

export interface FrameDecoderInit {
  /** Longest body in bytes. */
  readonly maxFrameBytes: number
}

/**
 * Cuts a byte stream, however it is chunked, into frame bodies. A state machine without I/O: bytes in, bodies out. After
 * a refusal the position in the stream is lost, so the decoder stays failed and throws the same error again.
 */
export class FrameDecoder {
  #maxFrameBytes = 0
  /** Length read so far, and how many of its bytes. Bytes are counted so that `80 00` is told from `00`. */
  #length = 0
  #headerBytes = 0
  #hasLength = false
  /** Begun body. Grows by doubling, so a body that arrives in n pieces is copied about twice, not n times. */
  #body = new Uint8Array(0)
  #bodyBytes = 0
  #failure: MooringError | undefined

  constructor(init: FrameDecoderInit) {
    this.maxFrameBytes = init.maxFrameBytes
  }

  get maxFrameBytes(): number {
    return this.#maxFrameBytes
  }

  /** Raised when a session leaves the lobby. Applies to lengths that are read from now on. */
  set maxFrameBytes(bytes: number) {
    if (!Number.isInteger(bytes) || bytes < 1 || bytes > maxLength) {
      throw new MooringError('invalid-input', { detail: `a frame limit is 1 to ${maxLength} bytes` })
    }
    this.#maxFrameBytes = bytes
  }

  /** Bytes of an unfinished frame, its length included. */
  get pendingBytes(): number {
    return this.#headerBytes + this.#bodyBytes
  }

  /** Whether a frame has begun and not ended: then the deadline of a frame runs. */
  get hasPartial(): boolean {
    return this.pendingBytes > 0
  }

  /**
   * The bodies that the chunk completes, in order. A body that lies within the chunk is a view of it, not a copy: the
   * caller must not write to the chunk afterwards.
   *
   * @throws `frame-too-large`, `malformed` (a length of zero, or not in its shortest form). Frames before the bad one in
   * the same chunk are dropped with it: nothing was acknowledged, and the stream ends.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#failure !== undefined) throw this.#failure
    const frames: Uint8Array[] = []
    let pos = 0
    while (pos < chunk.length) {
      if (!this.#hasLength) {
        this.#readLengthByte(chunk[pos++] ?? 0)
        continue
      }
      const taken = Math.min(this.#length - this.#bodyBytes, chunk.length - pos)
      if (taken === this.#length) {
        // Not `subarray`: on a Buffer that would give a Buffer, which compares and slices differently.
        frames.push(new Uint8Array(chunk.buffer, chunk.byteOffset + pos, taken))
        this.#startOver()
      } else {
        this.#keep(chunk, pos, taken)
        if (this.#bodyBytes === this.#length) {
          frames.push(this.#body.subarray(0, this.#length))
          this.#startOver()
        }
      }
      pos += taken
    }
    return frames
  }

  /**
   * Told that the stream has ended.
   *
   * @throws `malformed` in the middle of a frame: what was received of it is no frame.
   */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.hasPartial) this.#fail('malformed', `the stream ended ${this.pendingBytes} bytes into a frame`)
  }

  #readLengthByte(byte: number): void {
    const length = this.#length + (byte & 127) * 2 ** (7 * this.#headerBytes)
    this.#headerBytes++
    // Further length bytes only add, so this is known before the last of them arrives.
    if (length > this.#maxFrameBytes) {
      this.#fail('frame-too-large', `a frame of at least ${length} bytes, the limit is ${this.#maxFrameBytes}`)
    }
    this.#length = length
    if (byte > 127) {
      if (this.#headerBytes === maxHeaderBytes) this.#fail('malformed', 'a length of more than four bytes')
      return
    }
    if (byte === 0 && this.#headerBytes > 1) this.#fail('malformed', 'a length that is longer than needed')
    if (length === 0) this.#fail('malformed', 'a frame of no bytes')
    this.#hasLength = true
  }

  #keep(chunk: Uint8Array, pos: number, count: number): void {
    const needed = this.#bodyBytes + count
    if (needed > this.#body.length) {
      const grown = new Uint8Array(Math.min(this.#length, Math.max(needed, this.#body.length * 2)))
      grown.set(this.#body.subarray(0, this.#bodyBytes))
      this.#body = grown
    }
    this.#body.set(chunk.subarray(pos, pos + count), this.#bodyBytes)
    this.#bodyBytes = needed
  }

  #startOver(): void {
    this.#length = 0
    this.#headerBytes = 0
    this.#hasLength = false
    this.#body = new Uint8Array(0)
    this.#bodyBytes = 0
  }

  #fail(code: 'malformed' | 'frame-too-large', detail: string): never {
    this.#failure = new MooringError(code, { detail })
    this.#startOver()
    throw this.#failure
  }
}
