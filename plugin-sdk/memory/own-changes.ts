/**
 * What was made here in one block: which of it the daemon has not settled, and the newest of each actor. Keeps: unsettled
 * changes stay in the order in which they were made, and what is said to be held is in the document.
 */
import type { ActorId, ChangeHash } from '../../protocol/index.ts'
import { beyond, type LocalChange, unsettledOf } from './local-change.ts'
import type { StoredContent, StoredOwn } from './store.ts'

export class OwnChanges {
  /** How many changes were made here so far. */
  #made = 0
  /** Oldest first. */
  #unsettled: LocalChange[] = []
  readonly #newest = new Map<string, { seq: number; hash: ChangeHash }>()

  get made(): number {
    return this.#made
  }

  get unsettled(): readonly LocalChange[] {
    return this.#unsettled
  }

  /** Newest change that is held of each actor. */
  get newest(): StoredOwn[] {
    return [...this.#newest].map(([actor, last]) => ({ actor: actor as ActorId, ...last }))
  }

  /** Goes on where an earlier process ended. */
  resume(stored: StoredContent): void {
    for (const { actor, seq, hash } of stored.own) this.#newest.set(actor, { seq, hash })
    this.#unsettled = unsettledOf(stored.changes)
    this.#made = this.#unsettled.length
  }

  nextNumber(): number {
    this.#made++
    return this.#made
  }

  add(change: LocalChange): void {
    this.#newest.set(change.actor, { seq: change.seq, hash: change.hash })
    this.#unsettled.push(change)
  }

  /** Takes note of a change that came back, when its actor is one of these. Whether it is. */
  regain(actor: string, seq: number, hash: ChangeHash): boolean {
    const held = this.#newest.get(actor)
    if (held !== undefined && held.seq < seq) this.#newest.set(actor, { seq, hash })
    return held !== undefined
  }

  settle(hashes: ReadonlySet<string>): void {
    // Settled in order, so almost always from the front: a filter each time would cost the whole backlog each time.
    let front = 0
    while (hashes.has(this.#unsettled[front]?.hash ?? '')) front++
    this.#unsettled.splice(0, front)
    if (front < hashes.size) this.#unsettled = this.#unsettled.filter((change) => !hashes.has(change.hash))
  }

  /** The unsettled changes from one on. */
  from(first: LocalChange): LocalChange[] {
    return this.#unsettled.filter((change) => change.number >= first.number)
  }

  /** Those were taken out of the document; `left` are all that are in it. */
  taken(isOut: (hash: string) => boolean, left: readonly { actor: string; seq: number; hash: string }[]): void {
    this.#unsettled = this.#unsettled.filter(({ hash }) => !isOut(hash))
    const actors = new Set(this.#newest.keys())
    this.#newest.clear()
    // What was settled before is still held, and said to be.
    for (const { actor, seq, hash } of left) {
      if (actors.has(actor)) this.#newest.set(actor, { seq, hash: hash as ChangeHash })
    }
  }

  /** The daemon has more of an actor than is here, and that is no loss to be made good. */
  disown(actor: string): void {
    this.#newest.delete(actor)
  }

  /** Which changes are beyond what the daemon holds, although they were settled; undefined when none is. */
  beyond(held: ReadonlyMap<string, number>): ((actor: string, seq: number) => boolean) | undefined {
    return beyond(held, this.#newest, this.#unsettled)
  }

  /** Counts as unsettled again, before whatever waits already: who waits for a later one waits for these too. */
  unsettle(make: (first: number) => LocalChange[]): void {
    this.#unsettled.unshift(...make(this.#unsettled[0]?.number ?? 1))
  }

  clear(): LocalChange[] {
    const unsettled = this.#unsettled
    this.#unsettled = []
    this.#newest.clear()
    return unsettled
  }
}
