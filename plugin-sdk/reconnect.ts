/**
 * When to dial again, and when never. Keeps true: many plugins that lost one daemon do not come back in step, a daemon
 * that asks for time gets it, and an answer that only a person can change is not asked for again.
 */
import { MooringError } from '../protocol/index.ts'

const firstMs = 250
const capMs = 30_000

export interface BackoffInit {
  /** In [0, 1). */
  random(): number
}

/** Exponential back-off with full jitter: the n-th delay is anywhere between 0 and 250 × 2ⁿ ms, at most 30 s. */
export class Backoff {
  readonly #random: () => number
  #failures = 0

  constructor(init: BackoffInit) {
    this.#random = init.random
  }

  /** Delay in ms before the next attempt; never less than what the daemon asked for. */
  next(retryAfterMs = 0): number {
    // The exponent is bounded too: 2^1100 is infinite, and 0 × infinity is no delay at all.
    const ceilingMs = Math.min(capMs, firstMs * 2 ** Math.min(this.#failures, 20))
    this.#failures++
    return retryAfterMs + Math.floor(this.#random() * ceilingMs)
  }

  reset(): void {
    this.#failures = 0
  }
}

/**
 * Codes that end a plugin although the request could be repeated: another process has taken over, and asking again would
 * take it back from that one, in turns for ever.
 */
const takenOver = new Set(['superseded', 'request-superseded'])

/** Codes that are worth another attempt although this very request was refused: a fault of the daemon may be mended. */
const mendable = new Set(['internal', 'storage-failed', 'hello-required'])

/** Whether the answer to a hello, or the end of a connection, is the last word. */
export function isFinal(error: unknown): boolean {
  // What is no error of this project is a fault of a library or of the network.
  if (!(error instanceof MooringError)) return false
  if (takenOver.has(error.code)) return true
  return !error.retryable && !mendable.has(error.code)
}

/** The code of an error of this project. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof MooringError ? error.code : undefined
}
