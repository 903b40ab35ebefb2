/**
 * Which blocks are to be read into the index, and when. Keeps: who is writing needs the processor more, so a block waits until
 * it was quiet for a while, though not for ever; what takes long is done rarely.
 */
import type { BlockId } from '../storage/storage.ts'

/** From the last change of a block. */
const delayMs = 2_000
/** From the first change that is not in the index. */
const maxDelayMs = 20_000
/** What took T is not due again before twenty times T: a twentieth of one processor at most. */
const restFactor = 20

export class DueList {
  readonly #due = new Map<BlockId, number>()
  readonly #since = new Map<BlockId, number>()
  readonly #notBefore = new Map<BlockId, number>()

  /** It has changed. */
  soon(block: BlockId, nowMs: number): void {
    const sinceMs = this.#since.get(block) ?? nowMs
    this.#since.set(block, sinceMs)
    const dueMs = Math.min(nowMs + delayMs, sinceMs + maxDelayMs)
    this.#due.set(block, Math.max(dueMs, this.#notBefore.get(block) ?? 0))
  }

  /** Somebody waits for it. */
  now(block: BlockId): void {
    this.#due.set(block, Number.NEGATIVE_INFINITY)
  }

  /** It could not be read. */
  later(block: BlockId, atMs: number): void {
    this.#notBefore.set(block, atMs)
    this.#due.set(block, atMs)
  }

  rested(block: BlockId, beganMs: number, endedMs: number): void {
    this.#notBefore.set(block, endedMs + (endedMs - beganMs) * restFactor)
  }

  forget(block: BlockId): void {
    for (const map of [this.#due, this.#since, this.#notBefore]) map.delete(block)
  }

  /** One that is due is no longer in the list. */
  take(nowMs: number): BlockId | undefined {
    for (const [block, dueMs] of this.#due) {
      if (dueMs > nowMs) continue
      this.#due.delete(block)
      this.#since.delete(block)
      return block
    }
    return undefined
  }

  /** When the next one is due; never, when there is none. */
  get nextMs(): number {
    let least = Number.POSITIVE_INFINITY
    for (const dueMs of this.#due.values()) least = Math.min(least, dueMs)
    return least
  }

  clear(): void {
    for (const map of [this.#due, this.#since, this.#notBefore]) map.clear()
  }
}
