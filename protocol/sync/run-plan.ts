/**
 * Looks through the changes of a run before the first byte of it is written. Keeps the invariant that the tables of a
 * run stay within their bounds, however many changes with however many actors there are: what does not fit travels whole.
 */
import { MooringError } from '../errors.ts'
import { readChunkHeader } from './change-structure.ts'
import { ByteReader } from './leb128.ts'
import { type ChangeParts, hashBytes, hashOf, runBounds, takeApart } from './run-parts.ts'

/** A change that is written field by field. */
export interface PlannedChange {
  /** Place in the run. */
  readonly index: number
  readonly chunk: Uint8Array
  readonly parts: ChangeParts
  /** Place of its author in the table of actors. */
  readonly actor: number
  /** Other actors by their place in the table; undefined when they are those of the change before. */
  readonly others: readonly number[] | undefined
  /** Place of its combination of columns in the table of layouts. */
  readonly layout: number
}

export class RunPlan {
  /** Whether all are whole chunks; nothing else can travel in a packed run. */
  isSound = true
  /** By the order in which the run first names them. */
  readonly actors: Uint8Array[] = []
  readonly layouts: number[][] = []
  /** Per change: 0 when it travels whole, else one more than the place of its author. */
  readonly kinds: number[] = []
  readonly entries: PlannedChange[] = []
  readonly whole: Uint8Array[] = []
  /** Per change; undefined for compressed ones. */
  readonly hashes: (string | undefined)[] = []
  readonly columnIds = new Set<number>()
  readonly #actorIndexes = new Map<string, number>()
  readonly #changeIndexes = new Map<string, number>()
  #before: PlannedChange | undefined

  constructor(chunks: readonly Uint8Array[]) {
    for (const [index, chunk] of chunks.entries()) {
      const hash = hashOf(chunk)
      const parts = hash === undefined ? undefined : takeApart(chunk, hash)
      const entry = parts === undefined ? undefined : this.#enter(index, chunk, parts)
      if (entry === undefined) {
        if (!isChunk(chunk)) this.isSound = false
        this.whole.push(chunk)
        this.kinds.push(0)
      } else {
        this.entries.push(entry)
        this.kinds.push(entry.actor + 1)
        this.#before = entry
      }
      this.hashes.push(hash)
      if (hash !== undefined) this.#changeIndexes.set(hash, index)
    }
  }

  /** The change before `index` whose hash is in the chunk at `from`. */
  find(index: number, chunk: Uint8Array, from: number): number | undefined {
    const found = this.#changeIndexes.get(latin1Of(chunk, from, from + hashBytes))
    return found === undefined || found >= index ? undefined : found
  }

  #enter(index: number, chunk: Uint8Array, parts: ChangeParts): PlannedChange | undefined {
    const layout = this.#layoutOf(parts)
    if (layout === undefined) return undefined
    const before = this.#before
    const { actorFrom, actorTo, othersFrom, othersTo } = parts
    if (this.actors.length + 1 + parts.others > runBounds.maxActors) return undefined
    // Runs are mostly of one actor: it is compared before it is looked up.
    const isSameActor =
      before !== undefined &&
      isSame(chunk, actorFrom, actorTo, before.chunk, before.parts.actorFrom, before.parts.actorTo)
    const actor = isSameActor ? before.actor : this.#actorIndex(chunk, actorFrom, actorTo)
    const hasSameOthers =
      before === undefined
        ? parts.others === 0
        : isSame(chunk, othersFrom, othersTo, before.chunk, before.parts.othersFrom, before.parts.othersTo)
    const others = hasSameOthers ? undefined : this.#othersOf(chunk, parts)
    return { index, chunk, parts, actor, others, layout }
  }

  #othersOf(chunk: Uint8Array, { othersFrom, others }: ChangeParts): number[] {
    const reader = new ByteReader(chunk, othersFrom)
    reader.unsigned()
    return Array.from({ length: others }, () => {
      const length = reader.unsigned()
      reader.at += length
      return this.#actorIndex(chunk, reader.at - length, reader.at)
    })
  }

  #actorIndex(chunk: Uint8Array, from: number, to: number): number {
    const key = latin1Of(chunk, from, to)
    const known = this.#actorIndexes.get(key)
    if (known !== undefined) return known
    const index = this.actors.push(chunk.subarray(from, to)) - 1
    this.#actorIndexes.set(key, index)
    return index
  }

  #layoutOf({ columns }: ChangeParts): number | undefined {
    const matches = (layout: readonly number[] | undefined): boolean => {
      if (layout === undefined || layout.length !== columns.length) return false
      for (let n = 0; n < layout.length; n++) if (columns[n]?.id !== layout[n]) return false
      return true
    }
    const recent = this.#before?.layout ?? 0
    if (matches(this.layouts[recent])) return recent
    const known = this.layouts.findIndex(matches)
    if (known >= 0) return known
    const fresh = columns.filter(({ id }) => !this.columnIds.has(id))
    if (this.layouts.length === runBounds.maxLayouts) return undefined
    if (this.columnIds.size + fresh.length > runBounds.maxColumns) return undefined
    for (const { id } of fresh) this.columnIds.add(id)
    return this.layouts.push(columns.map(({ id }) => id)) - 1
  }
}

function isChunk(bytes: Uint8Array): boolean {
  try {
    return readChunkHeader(bytes, 0).end === bytes.length
  } catch (error) {
    if (error instanceof MooringError) return false
    throw error
  }
}

const latin1Of = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1')

function isSame(a: Uint8Array, aFrom: number, aTo: number, b: Uint8Array, bFrom: number, bTo: number): boolean {
  const length = aTo - aFrom
  if (length !== bTo - bFrom) return false
  for (let n = 0; n < length; n++) if (a[aFrom + n] !== b[bFrom + n]) return false
  return true
}
