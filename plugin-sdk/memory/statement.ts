/** What a replica says of what it has, so that the daemon sends the rest and nothing else. Keeps every frame within bounds. */
import type { DiallerFrame, Frame } from '../../protocol/sync/index.ts'
import type { Block } from './block.ts'

type Own = Frame<DiallerFrame, 'open'>['own']
type Have = Frame<DiallerFrame, 'have'>['entries']

/** Changes named in `open`, each up to 400 bytes: they share a frame with the watches. */
const maxOwn = 400
/** Actors in one entry of `have`, each up to 160 bytes: below what a frame and a shape take. */
const maxClock = 1_000

/** What the replica holds of what it made, newest last; what is left out is merely sent to it once more. */
export function ownOf(blocks: readonly Block[]): Own {
  const own = blocks.flatMap(({ address, generation, own: made }) =>
    generation === undefined ? [] : made.map((last) => ({ address, generation, ...last })),
  )
  return own.slice(-maxOwn) as Own
}

/** One entry for a frame each: the clock of a block may be long, and one that is longer than a frame comes in parts. */
export function haveOf(blocks: readonly Block[]): Have {
  const known = blocks.filter(({ generation }) => generation !== undefined)
  return known.flatMap((block) => {
    const { address, generation = 0 } = block
    return inParts(block.clock()).map((clock) => ({ address, generation, clock }))
  }) as Have
}

/** At least one part, also of nothing. */
function inParts<Item>(items: readonly Item[]): Item[][] {
  const parts: Item[][] = []
  for (let from = 0; from === 0 || from < items.length; from += maxClock) parts.push(items.slice(from, from + maxClock))
  return parts
}
