/**
 * Which blocks a conversation is about: what was opened, now or by an earlier process, and the patterns that a plugin
 * watches. Keeps true: never more than the daemon takes, and what is open is among them.
 */
import { type BlockAddress, isPattern, limits, MooringError, patternCovers } from '../../protocol/index.ts'
import type { DiallerEffect, DiallerSession } from '../../protocol/sync/index.ts'
import { BlockWatch } from './block-watch.ts'
import type { Entries, Keeping } from './entries.ts'
import type { Entry } from './entry.ts'

export interface WatchesInit {
  readonly entries: Entries
  readonly keeping: Keeping | undefined
  onListenerError(error: unknown): void
  /** Says something on the present conversation, if there is one. */
  say(what: (session: DiallerSession) => DiallerEffect[]): void
}

export class Watches {
  readonly #init: WatchesInit
  readonly #entries: Entries
  /** What an earlier process watched goes on as long as nobody says otherwise. */
  readonly #patterns: Set<string>
  readonly #open = new Set<BlockWatch>()
  #blocks = new Set<BlockAddress>()

  constructor(init: WatchesInit) {
    this.#init = init
    this.#entries = init.entries
    this.#patterns = new Set(init.keeping?.store.state.patterns)
  }

  /** @throws `invalid-input` for what is no pattern with a star, `quota-exceeded` */
  watch(pattern: string): BlockWatch {
    if (this.#add(pattern)) {
      this.#keep()
      this.#init.say((session) => session.watch(pattern))
    }
    const watch = new BlockWatch({
      pattern,
      entries: this.#entries,
      onListenerError: (error) => this.#init.onListenerError(error),
      onStop: (stopped) => this.#stop(stopped),
    })
    this.#open.add(watch)
    return watch
  }

  /** A block may have come or gone. */
  look(entry: Entry): void {
    for (const watch of this.#open) watch.look(entry)
  }

  covers(address: BlockAddress): boolean {
    if (this.#blocks.has(address)) return true
    for (const pattern of this.#patterns) if (patternCovers(pattern, address)) return true
    return false
  }

  /** For a new conversation: what is open comes first. */
  begin(): string[] {
    const rank = ({ loaded }: Entry): number => Number(loaded === undefined)
    const isKnown = ({ loaded, generation }: Entry): boolean => loaded !== undefined || generation !== undefined
    this.#blocks = new Set()
    const all = [...this.#entries.all].filter((entry) => isKnown(entry) && !this.covers(entry.address))
    const named = all.sort((a, b) => rank(a) - rank(b)).slice(0, limits.maxWatchedBlocks)
    this.#blocks = new Set(named.map(({ address }) => address))
    return [...this.#patterns, ...this.#blocks]
  }

  /** One that nobody has opened makes room when there are as many as may be. */
  add(session: DiallerSession, address: BlockAddress): DiallerEffect[] {
    if (this.covers(address)) return []
    const effects: DiallerEffect[] = []
    const isFull = this.#blocks.size >= limits.maxWatchedBlocks
    const idle = isFull ? [...this.#blocks].find((each) => this.#entries.find(each)?.loaded === undefined) : undefined
    if (idle !== undefined) {
      this.#blocks.delete(idle)
      effects.push(...session.unwatch(idle))
    }
    this.#blocks.add(address)
    effects.push(...session.watch(address))
    return effects
  }

  #add(pattern: string): boolean {
    if (!pattern.includes('*') || !isPattern(pattern, 'block')) {
      throw new MooringError('invalid-input', { detail: 'a watch is space:<id>/*, agent:<id>/* or space:*/*' })
    }
    if (this.#patterns.has(pattern)) return false
    if (this.#patterns.size >= limits.maxWatches) throw new MooringError('quota-exceeded', { detail: 'maxWatches' })
    this.#patterns.add(pattern)
    return true
  }

  #stop(watch: BlockWatch): void {
    const { pattern } = watch
    if (!this.#open.delete(watch)) return
    for (const other of this.#open) if (other.pattern === pattern) return
    this.#patterns.delete(pattern)
    this.#keep()
    this.#init.say((session) => {
      const effects: DiallerEffect[] = []
      // What somebody has opened goes on, under its own address.
      for (const { address, isAsked } of this.#entries.all) {
        if (isAsked && patternCovers(pattern, address)) effects.push(...this.add(session, address))
      }
      return [...effects, ...session.unwatch(pattern)]
    })
  }

  #keep(): void {
    this.#init.keeping?.journal.add({ kind: 'patterns', patterns: [...this.#patterns] })
  }
}
