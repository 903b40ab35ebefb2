/**
 * What one loop is asked to do while it works on something else, and its sleep while there is nothing. Keeps: what is asked
 * for is bounded, and whatever comes while it works is found before it sleeps.
 */
import { MooringError } from '../../protocol/errors.ts'

/** What a replica may ask for while it takes nothing: all of an SDK's blocks at once, several times over. */
const maxJobs = 2_048

export class Jobs {
  readonly #signal: AbortSignal
  readonly #jobs: (() => Promise<void>)[] = []
  #wake: (() => void) | undefined

  /** Nobody sleeps after the signal. */
  constructor(signal: AbortSignal) {
    this.#signal = signal
    signal.addEventListener('abort', () => this.wake(), { once: true })
  }

  get isEmpty(): boolean {
    return this.#jobs.length === 0
  }

  /** @throws `quota-exceeded` */
  add(job: () => Promise<void>): void {
    if (this.#jobs.length >= maxJobs) throw new MooringError('quota-exceeded', { detail: 'requests that wait' })
    this.#jobs.push(job)
    this.wake()
  }

  /** The oldest, begun. */
  next(): Promise<void> | undefined {
    return this.#jobs.shift()?.()
  }

  wake(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  sleep(): Promise<void> {
    if (this.#signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}
