/** The author of a simulated plugin: one edit at a time, of a kind that the randomness chooses. */
import { type BlockHandle, Counter, splice } from '../../plugin-sdk/memory/index.ts'
import type { SimRandom } from './sim-random.ts'

export type Schema = 'text' | 'map'

export function edit(handle: BlockHandle, random: SimRandom, size = 12): void {
  if (handle.schema === 'text') editText(handle as unknown as BlockHandle<'text'>, random, size)
  else editMap(handle as unknown as BlockHandle<'map'>, random)
}

/** Something that fills credit windows. */
export function fill(handle: BlockHandle, random: SimRandom): void {
  if (handle.schema !== 'map') return
  const bytes = random.bytes(random.int(100_000, 160_000))
  ;(handle as unknown as BlockHandle<'map'>).change(({ map }) => {
    map[`huge${random.int(0, 3)}`] = bytes
  })
}

/** As many operations as one change may have: a few of them are all that one peer may send in a second. */
export function flood(handle: BlockHandle): void {
  if (handle.schema !== 'map') return
  ;(handle as unknown as BlockHandle<'map'>).change(({ map }) => {
    // As one text: a character is an operation. The next one replaces it as a whole.
    map.flood = 'a'.repeat(19_000)
  })
}

function editText(handle: BlockHandle<'text'>, random: SimRandom, size: number): void {
  handle.change((draft) => {
    const { length } = draft.text
    const at = random.int(0, length)
    const deleted = random.chance(0.3) ? Math.min(length - at, random.int(1, size)) : 0
    const text = String.fromCharCode(97 + random.int(0, 25)).repeat(random.int(1, size))
    splice(draft, ['text'], at, deleted, random.chance(0.85) ? text : '')
  })
}

function editMap(handle: BlockHandle<'map'>, random: SimRandom): void {
  handle.change(({ map }) => {
    const key = `key${random.int(0, 5)}`
    const present = map[key]
    const kind = random.int(0, 5)
    if (kind === 0) map[`count${key}`] = new Counter(1)
    const count = map[`count${key}`]
    // An author may look at the block in the middle of an edit.
    void handle.value
    if (kind === 1 && count instanceof Counter) count.increment(random.int(1, 9))
    else if (kind === 2) delete map[key]
    else if (kind === 3) map[key] = { made: random.int(0, 99), list: [1, 2] }
    else if (kind === 4 && Array.isArray(present)) present.push(random.int(0, 99))
    else if (kind === 5) map[key] = [random.int(0, 99)]
    else map[key] = random.int(0, 1_000)
  })
}
