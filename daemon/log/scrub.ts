/**
 * Looks through the store once for each start, slowly, for damage that nobody has met: what is found while replicas still
 * hold it can be had back. Keeps: it takes a small part of the time, and nobody waits for it.
 */
import { asError } from '../../protocol/errors.ts'
import type { Clock } from '../../protocol/index.ts'
import type { Logger } from '../log.ts'
import type { CheckPosition, Storage } from '../storage/storage.ts'

export interface ScrubInit {
  readonly storage: Pick<Storage, 'lookThrough'>
  readonly clock: Clock
  readonly logger: Logger
}

/** After the start, which has enough to read. */
const firstMs = 5_000
/** A piece that took T is followed by a pause of so many times T, and of this at least. */
const restFactor = 20
const minRestMs = 50

export class Scrub {
  readonly #init: ScrubInit
  #cancel: (() => void) | undefined
  #running: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(init: ScrubInit) {
    this.#init = init
  }

  start(): void {
    this.#next({ part: 'log', after: 0 }, firstMs)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    await this.#running
  }

  #next(position: CheckPosition, afterMs: number): void {
    this.#cancel = this.#init.clock.after(afterMs, () => {
      this.#running = this.#check(position)
    })
  }

  /** Never rejects. */
  async #check(position: CheckPosition): Promise<void> {
    const { clock, logger, storage } = this.#init
    const beganMs = clock.monotonicMs()
    try {
      const next = await storage.lookThrough(position)
      if (next === undefined || this.#isStopped) return
      this.#next(next, Math.max(minRestMs, (clock.monotonicMs() - beganMs) * restFactor))
    } catch (error) {
      if (!this.#isStopped) logger.error({ err: asError(error), ...position }, 'the store could not be looked through')
    }
  }
}
