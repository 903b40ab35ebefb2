/**
 * Asks the daemon for blocks by address. Keeps: a plugin that opens thousands at once never has more questions open than
 * the daemon lets wait, and whatever is asked for is asked for in the end.
 */
import { type Channel, parseAddress } from '../../protocol/index.ts'
import type { DiallerEffect, DiallerSession } from '../../protocol/sync/index.ts'
import type { Entry } from './entry.ts'
import type { Having } from './have.ts'

export interface Conversation {
  readonly session: DiallerSession
  readonly channel: Channel
  readonly asking: Asking
  readonly having: Having
}

/** The daemon ends the stream of a replica that has 2,048 waiting; this many keep it busy. */
const maxOpen = 512

export class Asking {
  readonly #session: DiallerSession
  /** Blocks by the handle that stands for them on this conversation. */
  readonly byWire = new Map<number, Entry>()
  /** Asked for and not answered. */
  readonly #open = new Map<number, Entry>()
  readonly #asked = new Set<Entry>()
  readonly #waiting = new Set<Entry>()
  readonly #reminded = new Set<Entry>()

  constructor(session: DiallerSession) {
    this.#session = session
  }

  /** `create` also tells the handle of a block that exists. */
  ask(entry: Entry): DiallerEffect[] {
    // Once, however often something is said about it before the answer.
    if (this.#asked.has(entry)) return []
    this.#asked.add(entry)
    this.#waiting.add(entry)
    return this.#next()
  }

  /** Whether the daemon may still be told, on this conversation, what it said of the block later than it knows. */
  mayRemind(entry: Entry): boolean {
    return !this.#reminded.has(entry)
  }

  remind(entry: Entry): DiallerEffect[] {
    this.#reminded.add(entry)
    return this.ask(entry)
  }

  /** The daemon introduced the block under this handle, or refused to. */
  answered(handle: number): DiallerEffect[] {
    const entry = this.#open.get(handle)
    if (entry === undefined) return []
    this.#open.delete(handle)
    this.#asked.delete(entry)
    return this.#next()
  }

  #next(): DiallerEffect[] {
    const effects: DiallerEffect[] = []
    for (const entry of this.#waiting) {
      if (this.#open.size >= maxOpen) break
      this.#waiting.delete(entry)
      const { scope, label } = parseAddress(entry.address)
      // Deleted while this replica was away, it stays deleted: who never knew it, or opens it again, makes another.
      const created = this.#session.create({ scope, label, schema: entry.schema, ...knownOf(entry) })
      this.#open.set(created.handle, entry)
      this.byWire.set(created.handle, entry)
      effects.push(...created.effects)
    }
    return effects
  }
}

/** What is known of the block: a daemon that lost it takes it back with its own word for that, unless it was deleted. */
function knownOf({ generation, gone, isWantedAnew, sealed, wanted = {} }: Entry) {
  if (generation === undefined || isWantedAnew) return { meta: wanted }
  if (sealed === undefined || gone === 'deleted') return { meta: {}, generation }
  const { meta, ...rest } = sealed
  return { meta, generation, sealed: rest }
}
