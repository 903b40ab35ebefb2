/**
 * What an author holds of a watched pattern: which blocks match it, as they come and go. Keeps: a block is told of once
 * when it comes and once when it goes, and telling costs no document.
 */
import {
  type BlockAddress,
  type BlockMeta,
  isSameMeta,
  isSchemaName,
  patternCovers,
  type SchemaName,
} from '../../protocol/index.ts'
import { type Entry, metaOf } from './entry.ts'

export interface WatchedBlock {
  readonly address: BlockAddress
  readonly schema: SchemaName
  /** What is said of it beside its content. */
  readonly meta: BlockMeta
}

export interface BlockWatchEvents {
  /** A block that matches has come; open it to read it. */
  block: WatchedBlock
  /** What is said of a block that matches was changed. */
  meta: WatchedBlock
  /** It was deleted, or is no longer readable. */
  gone: { readonly address: BlockAddress; readonly reason: string }
}

type Listener<Event> = (event: Event) => void

export interface BlockWatchInit {
  readonly pattern: string
  readonly entries: { readonly all: Iterable<Entry> }
  onListenerError(error: unknown): void
  onStop(watch: BlockWatch): void
}

export class BlockWatch {
  readonly pattern: string
  readonly #init: BlockWatchInit
  readonly #blocks = new Map<BlockAddress, WatchedBlock>()
  readonly #listeners = {
    block: new Set<Listener<WatchedBlock>>(),
    meta: new Set<Listener<WatchedBlock>>(),
    gone: new Set<Listener<BlockWatchEvents['gone']>>(),
  }

  constructor(init: BlockWatchInit) {
    this.#init = init
    this.pattern = init.pattern
    for (const entry of init.entries.all) this.look(entry)
  }

  /** The blocks that match, by address; those of an earlier process are among them before the daemon is heard. */
  get blocks(): WatchedBlock[] {
    return [...this.#blocks.values()].sort((a, b) => (a.address < b.address ? -1 : 1))
  }

  /** Returns how to stop listening. What matches already is in {@link blocks}. */
  on<Event extends keyof BlockWatchEvents>(event: Event, listener: Listener<BlockWatchEvents[Event]>): () => void {
    const listeners = this.#listeners[event] as Set<Listener<BlockWatchEvents[Event]>>
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /** What was opened stays open; the other blocks of the pattern are no longer kept. */
  stop(): void {
    for (const listeners of Object.values(this.#listeners)) listeners.clear()
    this.#init.onStop(this)
  }

  /** @internal A block may have come or gone. */
  look(entry: Entry): void {
    const { address, schema, generation, gone } = entry
    if (!patternCovers(this.pattern, address) || !isSchemaName(schema)) return
    const known = this.#blocks.get(address)
    if (generation !== undefined && gone === undefined) {
      const block = { address, schema, meta: metaOf(entry) }
      this.#blocks.set(address, block)
      if (known === undefined) this.#tell('block', block)
      else if (!isSameMeta(known.meta, block.meta)) this.#tell('meta', block)
    } else if (this.#blocks.delete(address)) this.#tell('gone', { address, reason: gone ?? 'deleted' })
  }

  #tell<Event extends keyof BlockWatchEvents>(event: Event, value: BlockWatchEvents[Event]): void {
    for (const listener of [...(this.#listeners[event] as Set<Listener<BlockWatchEvents[Event]>>)]) {
      try {
        listener(value)
      } catch (error) {
        this.#init.onListenerError(error)
      }
    }
  }
}
