/** Which blocks a conversation is about. Keeps true: never more than the daemon takes, and what is open is among them. */
import { type BlockAddress, limits } from '../../protocol/index.ts'
import type { DiallerEffect, DiallerSession } from '../../protocol/sync/index.ts'
import type { Entries } from './entries.ts'

export class Watches {
  readonly #entries: Entries
  #watched = new Set<BlockAddress>()

  constructor(entries: Entries) {
    this.#entries = entries
  }

  get all(): ReadonlySet<BlockAddress> {
    return this.#watched
  }

  /** For a new conversation: what is open comes first. */
  begin(): BlockAddress[] {
    const rank = ({ loaded }: { loaded: unknown }): number => Number(loaded === undefined)
    const all = [...this.#entries.all].sort((a, b) => rank(a) - rank(b))
    this.#watched = new Set(all.slice(0, limits.maxWatches).map(({ address }) => address))
    return [...this.#watched]
  }

  /** One that nobody has opened makes room when there are as many as may be. */
  add(session: DiallerSession, address: BlockAddress): DiallerEffect[] {
    if (this.#watched.has(address)) return []
    const effects: DiallerEffect[] = []
    const idle = [...this.#watched].find((each) => this.#entries.find(each)?.loaded === undefined)
    if (this.#watched.size >= limits.maxWatches && idle !== undefined) {
      this.#watched.delete(idle)
      effects.push(...session.unwatch(idle))
    }
    this.#watched.add(address)
    effects.push(...session.watch(address))
    return effects
  }
}
