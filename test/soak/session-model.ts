/**
 * A recorded session of two people typing into one text, told so that each can replay their part whatever they know of the
 * other's: every character that was ever typed has a place in one order, and an edit names characters instead of positions.
 * Keeps: whoever knows all edits has the recorded text, which is checked when the session is read.
 */
import { type ConcurrentTrace, loadFriendsForever } from '../fixtures/traces.ts'

/** One edit of one person. */
export interface Step {
  /** So many edits of the other were known when it was made. */
  readonly knows: number
  /** Characters, by their place in the order. */
  readonly removes: readonly number[]
  /** Places of the characters of `text`, one behind the other. */
  readonly inserts: readonly number[]
  readonly text: string
}

export interface Session {
  readonly people: readonly [readonly Step[], readonly Step[]]
  /** Places in the order. */
  readonly places: number
  /** The text when both are through. */
  readonly endContent: string
}

interface Character {
  readonly by: number
  /** Which edit of its author it came with. */
  readonly at: number
  /** By person: the first of their edits that removed it. */
  readonly removedAt: [number, number]
  next: Character | undefined
  place: number
}

/** The session up to so many edits of both together; all of them by default. */
export function readSession(edits = Number.POSITIVE_INFINITY): Session {
  const trace = loadFriendsForever()
  const known = versionsOf(trace)
  const head: Character = { by: -1, at: -1, removedAt: [Infinity, Infinity], next: undefined, place: -1 }
  const drafts: { knows: number; removes: Character[]; inserts: Character[]; text: string }[][] = [[], []]
  for (const [index, { agent, patches }] of trace.txns.slice(0, edits).entries()) {
    const version = known[index] ?? [0, 0]
    const mine = drafts[agent] ?? []
    const removes: Character[] = []
    const inserts: Character[] = []
    let typed = ''
    for (const [at, removed, inserted] of patches) {
      const isThere = (character: Character): boolean =>
        character.by >= 0 &&
        character.at < (version[character.by] ?? 0) &&
        character.removedAt.every((first, person) => first >= (version[person] ?? 0))
      let left = head
      for (let passed = 0; passed < at; ) {
        left = left.next ?? head
        if (isThere(left)) passed++
      }
      for (let gone = left.next, more = removed; more > 0 && gone !== undefined; gone = gone.next) {
        if (!isThere(gone)) continue
        removes.push(gone)
        more--
      }
      for (const text of inserted) {
        const character: Character = {
          by: agent,
          at: mine.length,
          removedAt: [Infinity, Infinity],
          next: left.next,
          place: 0,
        }
        left.next = character
        left = character
        inserts.push(character)
        typed += text
      }
    }
    for (const { removedAt } of removes) removedAt[agent as 0 | 1] = Math.min(removedAt[agent as 0 | 1], mine.length)
    mine.push({ knows: version[1 - agent] ?? 0, removes, inserts, text: typed })
    drafts[agent] = mine
  }
  let places = 0
  for (let character = head.next; character !== undefined; character = character.next) character.place = places++
  const [left = [], right = []] = drafts.map((steps) => steps.map(placed))
  const session = { people: [left, right], places, endContent: '' } as const
  const endContent = contentOf(session)
  if (edits >= trace.txns.length && endContent !== trace.endContent) throw new Error('the session was read wrongly')
  return { ...session, endContent }
}

const placed = (draft: { knows: number; removes: Character[]; inserts: Character[]; text: string }): Step => ({
  knows: draft.knows,
  removes: draft.removes.map(({ place }) => place),
  inserts: draft.inserts.map(({ place }) => place),
  text: draft.text,
})

/** By edit: how many edits of each person were known when it was made. */
function versionsOf({ txns }: ConcurrentTrace): [number, number][] {
  const before: [number, number][] = []
  const after: [number, number][] = []
  for (const { parents, agent } of txns) {
    const version: [number, number] = [0, 0]
    for (const parent of parents) {
      for (const person of [0, 1] as const) version[person] = Math.max(version[person], after[parent]?.[person] ?? 0)
    }
    before.push(version)
    const made: [number, number] = [...version]
    made[agent as 0 | 1]++
    after.push(made)
  }
  return before
}

function contentOf({ people, places }: Pick<Session, 'people' | 'places'>): string {
  const view = new View(places)
  const characters: string[] = []
  for (const steps of people) {
    for (const step of steps) {
      view.apply(step)
      for (const [index, place] of step.inserts.entries()) characters[place] = step.text[index] ?? ''
    }
  }
  return characters.filter((_, place) => view.has(place)).join('')
}

/** Which characters a replica has: what it takes to say where in its text an edit belongs. */
export class View {
  readonly #inserted: Uint8Array
  readonly #removed: Uint8Array
  /** Sums over ranges whose length is the lowest bit of their end. */
  readonly #sums: Int32Array

  constructor(places: number) {
    this.#inserted = new Uint8Array(places)
    this.#removed = new Uint8Array(places)
    this.#sums = new Int32Array(places + 1)
  }

  has(place: number): boolean {
    return this.#inserted[place] === 1 && this.#removed[place] === 0
  }

  /** How many characters stand before a place. */
  before(place: number): number {
    let sum = 0
    for (let end = place; end > 0; end -= end & -end) sum += this.#sums[end] ?? 0
    return sum
  }

  apply({ removes, inserts }: Pick<Step, 'removes' | 'inserts'>): void {
    for (const place of removes) this.#change(place, this.#removed)
    for (const place of inserts) this.#change(place, this.#inserted)
  }

  /** In either order, because the other person may remove what they were told of before it arrives. */
  #change(place: number, marks: Uint8Array): void {
    const had = this.has(place)
    marks[place] = 1
    const more = Number(this.has(place)) - Number(had)
    if (more === 0) return
    for (let end = place + 1; end < this.#sums.length; end += end & -end)
      this.#sums[end] = (this.#sums[end] ?? 0) + more
  }
}
