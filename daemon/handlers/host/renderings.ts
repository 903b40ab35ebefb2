/** Bounds what is made for one key at a time. Keeps: counted is the work, not the calls, because a call that was given up is still worked on. */
import { MooringError, type PeerId } from '../../../protocol/index.ts'

/** There is one worker for everyone, first come first served. */
const maxRenderings = 4

export class Renderings {
  readonly #running = new Map<PeerId, number>()
  readonly #max: number

  constructor(max = maxRenderings) {
    this.#max = max
  }

  /** @throws `too-many-calls` */
  async run<Made>(peer: PeerId, operation: string, make: () => Promise<Made>): Promise<Made> {
    const running = this.#running.get(peer) ?? 0
    if (running >= this.#max) throw new MooringError('too-many-calls', { detail: operation })
    this.#running.set(peer, running + 1)
    try {
      return await make()
    } finally {
      const left = (this.#running.get(peer) ?? 1) - 1
      if (left > 0) this.#running.set(peer, left)
      else this.#running.delete(peer)
    }
  }
}
