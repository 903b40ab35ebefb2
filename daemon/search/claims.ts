/**
 * Who has a right to find what the index does not have yet: whoever was told that it is durable. Keeps: a claim ends when the
 * index has reached it, so there are no more than there are texts that wait.
 */
import type { PeerId } from '../../protocol/ids.ts'

/** Everybody's: after a start nobody knows who was told of what. */
export const everybody = '*'
type Claimant = PeerId | typeof everybody

export class Claims {
  readonly #claims = new Map<number, Map<Claimant, number>>()

  add(source: number, who: Claimant, position: number): void {
    const claims = this.#claims.get(source) ?? new Map<Claimant, number>()
    claims.set(who, Math.max(claims.get(who) ?? 0, position))
    this.#claims.set(source, claims)
  }

  reached(source: number, position: number): void {
    const claims = this.#claims.get(source)
    if (claims === undefined) return
    for (const [who, claimed] of claims) if (claimed <= position) claims.delete(who)
    if (claims.size === 0) this.#claims.delete(source)
  }

  /** Nobody waits for it any more. */
  drop(source: number): void {
    this.#claims.delete(source)
  }

  /** What was there at the start cannot be had; whoever wrote to it since then still waits. */
  dropEverybodys(source: number): void {
    this.#claims.get(source)?.delete(everybody)
    if (this.#claims.get(source)?.size === 0) this.#claims.delete(source)
  }

  /** What the peer waits for, each with its position. */
  *of(peer: Claimant): Generator<readonly [source: number, position: number], void, undefined> {
    for (const [source, claims] of this.#claims) {
      const position = Math.max(claims.get(peer) ?? 0, claims.get(everybody) ?? 0)
      if (position > 0) yield [source, position]
    }
  }

  clear(): void {
    this.#claims.clear()
  }
}
