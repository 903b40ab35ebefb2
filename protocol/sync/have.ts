/**
 * What it counts for that a replica says what it has. Both ends count it, and one `resync` lets `limits.haveBytes` of it be
 * said: a replica may have more than anyone should keep in memory.
 */

interface Named {
  readonly address: string
  readonly clock: { readonly length: number }
}

/** About what an entry, and an actor in it, take on the wire. */
const entryBytes = 64
const actorBytes = 64

export function haveCost(entries: readonly Named[]): number {
  return entries.reduce((sum, { address, clock }) => sum + entryBytes + address.length + actorBytes * clock.length, 0)
}

/** How much may still be said. The entries that use it up may go beyond it, so that none has to be cut for it. */
export class HaveAllowance {
  #left = 0

  get isUsedUp(): boolean {
    return this.#left <= 0
  }

  grant(bytes: number): void {
    this.#left += bytes
  }

  use(entries: readonly Named[]): void {
    this.#left -= haveCost(entries)
  }
}
