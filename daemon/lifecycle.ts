/**
 * Starts parts in order and stops them in reverse. A start that fails stops what had started; a stop that fails or
 * hangs never keeps the next part from being stopped.
 */
import { asError, type Clock, MooringError } from '../protocol/index.ts'
import type { Logger } from './log.ts'

export interface Part {
  readonly name: string
  start?(): Promise<void> | void
  stop?(): Promise<void> | void
  /** @default 5,000 ms */
  readonly stopWithinMs?: number
}

export class Lifecycle {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #started: Part[] = []
  #stopping: Promise<readonly Error[]> | undefined

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock
    this.#log = log
  }

  /** Starts one part after those before it. @throws what the part throws; call {@link stop} then */
  async start(part: Part): Promise<void> {
    // Counted before it has started: a part that fails halfway has something to clean up too.
    this.#started.push(part)
    await part.start?.()
  }

  /** Stops everything that was started, last first. Returns what failed; concurrent calls share one stop. */
  stop(): Promise<readonly Error[]> {
    this.#stopping ??= this.#stopAll()
    return this.#stopping
  }

  async #stopAll(): Promise<readonly Error[]> {
    const failures: Error[] = []
    for (const part of this.#started.splice(0).reverse()) {
      try {
        await this.#within(part.stopWithinMs ?? 5_000, part.name, async () => part.stop?.())
      } catch (error) {
        failures.push(asError(error))
        this.#log.error({ part: part.name, err: asError(error) }, 'a part did not stop cleanly')
      }
    }
    return failures
  }

  async #within(ms: number, name: string, work: () => Promise<void> | undefined): Promise<void> {
    let cancel = (): void => {}
    const late = new Promise<never>((_resolve, reject) => {
      cancel = this.#clock.after(ms, () => reject(new MooringError('timeout', { detail: `stopping ${name}` })))
    })
    try {
      await Promise.race([work(), late])
    } finally {
      cancel()
    }
  }
}
