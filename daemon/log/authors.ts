/** Whose an actor is. Computed from the keys that were ever approved, not remembered: the actor id is made from the key. */
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import { actorPrefix, plainActor } from '../../protocol/sync/index.ts'

const prefixDigits = 32

export class Authors {
  readonly #self: PeerId
  readonly #peers: () => Iterable<PeerId>
  readonly #byPrefix = new Map<string, PeerId>()
  readonly #seen = new Set<PeerId>()

  constructor(self: PeerId, peers: () => Iterable<PeerId>) {
    this.#self = self
    this.#peers = peers
  }

  /** Undefined for the actor of a frozen initial change, which is nobody's. */
  of(actor: ActorId): PeerId | undefined {
    const prefix = plainActor(actor)?.slice(0, prefixDigits)
    if (prefix === undefined) return undefined
    const known = this.#byPrefix.get(prefix)
    if (known !== undefined) return known
    // The daemon writes too: what it joins is signed like anything else.
    for (const peer of [this.#self, ...this.#peers()]) {
      if (this.#seen.has(peer)) continue
      this.#seen.add(peer)
      this.#byPrefix.set(Buffer.from(actorPrefix(this.#self, peer)).toString('hex'), peer)
    }
    return this.#byPrefix.get(prefix)
  }
}
