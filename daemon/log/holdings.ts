/**
 * What is kept in memory for the conversations of a peer: what they watch, what they say that they have. Keeps: it is bounded
 * for each stream and for all streams of one key, whatever they say, and a stream that ends gives all of its part back.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'

/** About what each takes, with its share of the map that it is in. */
export const holdingCosts = {
  /** Beside its text. */
  watch: 128,
  actor: 160,
  block: 384,
  /** Beside its text. */
  address: 128,
  handle: 192,
} as const

export class Holdings {
  readonly #peers = new Map<PeerId, number>()

  /** Bytes that are held for a peer. */
  of(peer: PeerId): number {
    return this.#peers.get(peer) ?? 0
  }

  begin(peer: PeerId): Holding {
    return new Holding({
      total: () => this.of(peer),
      move: (bytes) => {
        const left = this.of(peer) + bytes
        if (left > 0) this.#peers.set(peer, left)
        else this.#peers.delete(peer)
      },
    })
  }
}

interface Account {
  total(): number
  move(bytes: number): void
}

/** The part of one stream. */
export class Holding {
  readonly #account: Account
  #bytes = 0
  #hasEnded = false

  constructor(account: Account) {
    this.#account = account
  }

  get bytes(): number {
    return this.#bytes
  }

  /** @throws `quota-exceeded` */
  add(bytes: number): void {
    if (this.#hasEnded) return
    const isStreamOver = this.#bytes + bytes > limits.maxHeldBytesPerStream
    if (isStreamOver || this.#account.total() + bytes > limits.maxHeldBytesPerPeer) {
      const detail = isStreamOver ? 'maxHeldBytesPerStream' : 'maxHeldBytesPerPeer'
      throw new MooringError('quota-exceeded', { detail })
    }
    this.#bytes += bytes
    this.#account.move(bytes)
  }

  free(bytes: number): void {
    // What is told of the end of a stream may still be on its way.
    if (this.#hasEnded) return
    this.#bytes -= bytes
    this.#account.move(-bytes)
  }

  end(): void {
    this.free(this.#bytes)
    this.#hasEnded = true
  }
}
