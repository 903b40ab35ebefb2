/**
 * Tells the daemon what the replica has. Keeps true: what is loaded is told of before anything else is said, so that the
 * answers to the creates that are on their way already say what the daemon holds of it; what is on disk only has to be
 * read first.
 */
import type { BlockAddress } from '../../protocol/index.ts'
import type { Frame } from '../../protocol/sync/index.ts'
import type { Entries } from './entries.ts'
import type { Entry } from './entry.ts'

type HaveEntries = Frame<{ t: 'have'; entries: never[] }, 'have'>['entries']

export interface HaveInit {
  readonly entries: Entries
  isWatched(address: BlockAddress): boolean
  say(entries: HaveEntries, isLast: boolean): void
  /** The conversation has ended meanwhile. */
  isOver(): boolean
}

/** Actors in one entry, each up to 160 bytes: below what a frame and a shape take. */
const maxClock = 1_000

/** Runs up to the first block that has to be read before it returns. */
export async function tellHave({ entries, isWatched, say, isOver }: HaveInit): Promise<void> {
  const known = [...entries.all].filter(({ address, generation }) => generation !== undefined && isWatched(address))
  const inOrder = known.toSorted((a, b) => Number(a.loaded === undefined) - Number(b.loaded === undefined))
  if (inOrder.length === 0) say([], true)
  for (const [index, entry] of inOrder.entries()) {
    const { loaded } = entry
    const clock = loaded === undefined ? await entries.peek(entry, (block) => block.clock()) : loaded.block.clock()
    if (isOver()) return
    sayOne(entry, clock, index === inOrder.length - 1, say)
  }
}

/** A frame each: the clock of one block may be long, and one that is longer than a frame comes in parts. */
function sayOne(
  { address, generation = 0 }: Entry,
  clock: readonly { actor: string; seq: number }[],
  isLast: boolean,
  say: HaveInit['say'],
): void {
  const parts = inParts(clock)
  for (const [part, actors] of parts.entries()) {
    say([{ address, generation, clock: actors }] as HaveEntries, isLast && part === parts.length - 1)
  }
}

/** At least one part, also of nothing. */
function inParts<Item>(items: readonly Item[]): Item[][] {
  const parts: Item[][] = []
  for (let from = 0; from === 0 || from < items.length; from += maxClock) parts.push(items.slice(from, from + maxClock))
  return parts
}
