/** Blocks that failed alone in a fresh worker, and when they may be tried again. Keeps: bounded, however many fail. */
import { MooringError } from '../../protocol/errors.ts'
import type { Clock } from '../../protocol/rpc/clock.ts'
import type { BlockId } from '../storage/storage.ts'

/** A block that failed alone will most likely fail again; its next try may cost everyone else a whole deadline. */
const retryMs = 60_000
const maxFailing = 1_024

export class FailingBlocks {
  readonly #clock: Clock
  /** Oldest first. */
  readonly #until = new Map<BlockId, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @throws `view-failed` with `retryAfterMs` while the block is not to be tried */
  check(block: BlockId): void {
    const retryAfterMs = (this.#until.get(block) ?? 0) - this.#clock.monotonicMs()
    if (retryAfterMs > 0) throw new MooringError('view-failed', { detail: 'the last try failed', retryAfterMs })
  }

  add(block: BlockId): void {
    this.#until.delete(block)
    for (const oldest of this.#until.keys()) {
      if (this.#until.size < maxFailing) break
      this.#until.delete(oldest)
    }
    this.#until.set(block, this.#clock.monotonicMs() + retryMs)
  }

  delete(block: BlockId): void {
    this.#until.delete(block)
  }
}
