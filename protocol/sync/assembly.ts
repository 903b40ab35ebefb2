/**
 * Deltas that are taken or refused together: a signature covers everything before it, and what it covers may be longer
 * than a frame. Keeps true: what waits for its signature is bounded, and nothing else comes in between.
 */
import { MooringError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { DiallerFrame, Frame } from './frames.ts'

type Delta = Frame<DiallerFrame, 'delta'>

export interface Submitted {
  /** Of the first change, counted from 1 over the stream. */
  readonly first: number
  /** More than one when the changes of several are taken or refused together. */
  readonly frames: readonly (readonly Uint8Array[])[]
  readonly tips: Delta['tips']
}

export class Assembly {
  #handle = 0
  #first = 0
  #frames: (readonly Uint8Array[])[] = []
  #tips: Delta['tips'][number][] = []
  #changes = 0
  #bytes = 0

  /** What is complete with this delta; undefined while more is to come. @throws `malformed`, `quota-exceeded` */
  add(first: number, { handle, tips, more }: Delta, chunks: readonly Uint8Array[]): Submitted | undefined {
    if (more !== true && this.#frames.length === 0) return { first, frames: [chunks], tips }
    if (this.#frames.length === 0) {
      this.#handle = handle
      this.#first = first
    }
    if (handle !== this.#handle) throw new MooringError('malformed', { detail: 'a delta that had to be completed' })
    // Copies, because what arrived is a view of what the transport read: kept for long, a little would keep all of that.
    this.#frames.push(chunks.map((chunk) => Uint8Array.from(chunk)))
    this.#tips.push(...tips.map((tip) => ({ ...tip, signature: Uint8Array.from(tip.signature) })))
    this.#changes += chunks.length
    this.#bytes += chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
    const isLong = this.#changes > limits.maxSupplyChanges || this.#bytes > limits.maxSupplyBytes
    if (isLong || this.#tips.length > limits.maxSupplyTips) {
      throw new MooringError('quota-exceeded', { detail: 'deltas that are taken or refused together' })
    }
    return more === true ? undefined : this.#take()
  }

  #take(): Submitted {
    const submitted = { first: this.#first, frames: this.#frames, tips: this.#tips }
    this.#frames = []
    this.#tips = []
    this.#changes = 0
    this.#bytes = 0
    return submitted
  }
}
