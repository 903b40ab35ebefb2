/**
 * When a block may be called live. Keeps true: not before everything has come that the daemon had when it told of the
 * block, and not while an edit is refused.
 */
import type { Entries } from './entries.ts'
import type { Entry } from './entry.ts'

export class Liveness {
  readonly #entries: Entries
  /** The daemon has said on this conversation that everything up to some moment was sent. */
  #isSynced = false

  constructor(entries: Entries) {
    this.#entries = entries
  }

  connected(): void {
    this.#isSynced = false
    for (const { loaded, gone } of this.#entries.all) {
      if (gone === undefined) loaded?.handle.setState('catching-up', 'connected; receiving what was missed')
    }
  }

  synced(): void {
    this.#isSynced = true
    for (const entry of this.#entries.all) {
      entry.awaited.clear()
      this.look(entry)
    }
  }

  look({ awaited, generation, gone, isLost, isOther, loaded, retry }: Entry): void {
    const isKnown = generation !== undefined && gone === undefined && !isOther && !isLost
    if (!this.#isSynced || !isKnown || awaited.size > 0 || retry !== undefined) return
    loaded?.handle.setState('live', 'in step with the daemon')
  }
}
