/**
 * How much to ask a transport for that takes the memory for a read before anything has arrived. Keeps true: a stream on
 * which nothing happens holds a small buffer, and one on which much does is read in large pieces.
 */

/** All that one datagram can bring: a heartbeat, an answer, a small change. */
const restingBytes = 2 * 1024

export class ReadSize {
  readonly #maxBytes: number
  #bytes = restingBytes

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Bytes to ask for. */
  get bytes(): number {
    return this.#bytes
  }

  /** Told of what a read gave: one that was filled had more behind it, any other shows what is to be expected. */
  got(bytes: number): void {
    const next = bytes < this.#bytes ? 2 * bytes : 4 * this.#bytes
    this.#bytes = Math.min(this.#maxBytes, Math.max(restingBytes, next))
  }
}
