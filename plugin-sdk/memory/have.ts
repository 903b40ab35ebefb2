/**
 * Tells the daemon what the replica has, as much at a time as the daemon asks for. Keeps true: what is loaded is told of
 * before what has to be read from disk, and so that the answers to the creates that are on their way already say what the
 * daemon holds of it.
 */
import { type BlockAddress, limits } from '../../protocol/index.ts'
import { type Frame, HaveAllowance } from '../../protocol/sync/index.ts'
import type { Entries } from './entries.ts'

type HaveEntries = Frame<{ t: 'have'; entries: never[] }, 'have'>['entries']

export interface HaveInit {
  readonly entries: Entries
  isWatched(address: BlockAddress): boolean
  say(entries: HaveEntries, isLast: boolean): void
  /** The conversation has ended meanwhile. */
  isOver(): boolean
  onError(error: unknown): void
}

/** Actors in one entry, each up to 160 bytes: below what a frame and a shape take. */
const maxClock = 1_000

/** Of one conversation. */
export class Having {
  readonly #init: HaveInit
  readonly #allowed = new HaveAllowance()
  #hasBegun = false
  #goOn: (() => void) | undefined

  constructor(init: HaveInit) {
    this.#init = init
  }

  /** The daemon wants to hear what the replica has, or more of it. Runs up to the first block that has to be read. */
  asked(): void {
    this.#allowed.grant(limits.haveBytes)
    this.#goOn?.()
    if (this.#hasBegun) return
    this.#hasBegun = true
    this.#tell().catch((error) => this.#init.onError(error))
  }

  async #tell(): Promise<void> {
    const { entries, isOver, isWatched, say } = this.#init
    const known = [...entries.all].filter(({ address, generation }) => generation !== undefined && isWatched(address))
    const inOrder = known.toSorted((a, b) => Number(a.loaded === undefined) - Number(b.loaded === undefined))
    if (inOrder.length === 0) say([], true)
    for (const [index, entry] of inOrder.entries()) {
      const { address, generation = 0, loaded } = entry
      const clock = loaded === undefined ? await entries.peek(entry, (block) => block.clock()) : loaded.block.clock()
      // A frame each: the clock of one block may be long, and one that is longer than a frame comes in parts.
      const parts = inParts(clock)
      for (const [part, actors] of parts.entries()) {
        if (this.#allowed.isUsedUp) await new Promise<void>((resolve) => (this.#goOn = resolve))
        if (isOver()) return
        const said = [{ address, generation, clock: actors }]
        this.#allowed.use(said)
        say(said as HaveEntries, index === inOrder.length - 1 && part === parts.length - 1)
      }
    }
  }
}

/** At least one part, also of nothing. */
function inParts<Item>(items: readonly Item[]): Item[][] {
  const parts: Item[][] = []
  for (let from = 0; from === 0 || from < items.length; from += maxClock) parts.push(items.slice(from, from + maxClock))
  return parts
}
