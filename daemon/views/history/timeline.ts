/**
 * The changes of a held document in one order: each after what it builds on, and the same order wherever and whenever the
 * document is made. Keeps: brought up to date it costs what is new; what the authors' clocks say decides nothing.
 */
import type * as Automerge from '@automerge/automerge'
import type { ActorId, ChangeHash } from '../../../protocol/ids.ts'

export type Engine = ReturnType<typeof Automerge.getBackend>

export interface TimelineEntry {
  readonly hash: ChangeHash
  readonly actor: ActorId
  readonly seq: number
  readonly startOp: number
  readonly maxOp: number
  /** What the author's clock said, in seconds; anything, from a hostile one. */
  readonly timeS: number
  readonly message: string | null
  readonly deps: readonly ChangeHash[]
}

export class Timeline {
  /** In order. */
  entries: readonly TimelineEntry[] = []
  #heads: string[] = []
  /** Made when somebody asks. */
  #written: ReadonlyMap<string, readonly TimelineEntry[]> | undefined

  /** Takes in what the document has by now. */
  update(engine: Engine): this {
    const heads = engine.getHeads()
    if (heads.join() === this.#heads.join()) return this
    // One string for each actor, however many changes it wrote.
    const actors = new Map<string, ActorId>()
    const added = engine.getChangesMeta(this.#heads).map((meta): TimelineEntry => {
      const actor = actors.get(meta.actor) ?? (meta.actor as ActorId)
      actors.set(actor, actor)
      const { hash, seq, startOp, maxOp, time: timeS, message, deps } = meta
      return { hash: hash as ChangeHash, actor, seq, startOp, maxOp, timeS, message, deps: deps as ChangeHash[] }
    })
    this.entries = [...this.entries, ...added].sort(compare)
    this.#heads = heads
    this.#written = undefined
    return this
  }

  /** Position of a change; -1 for one that the document does not have. */
  indexOf(hash: ChangeHash): number {
    return this.entries.findIndex((entry) => entry.hash === hash)
  }

  /** The change that made an operation, which is named `<counter>@<actor>`. */
  writerOf(operation: string): TimelineEntry | undefined {
    const at = operation.indexOf('@')
    const counter = Number(operation.slice(0, at))
    const written = this.#byActor().get(operation.slice(at + 1)) ?? []
    let low = 0
    let high = written.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((written[middle]?.maxOp ?? 0) < counter) low = middle + 1
      else high = middle
    }
    const found = written[low]
    return found !== undefined && found.startOp <= counter ? found : undefined
  }

  #byActor(): ReadonlyMap<string, readonly TimelineEntry[]> {
    this.#written ??= Map.groupBy(this.entries, ({ actor }) => actor)
    return this.#written
  }

  /** For each of these counts, rising: the heads of a document of so many changes from the first one on. */
  headsAfter(counts: readonly number[]): ChangeHash[][] {
    const heads = new Set<ChangeHash>()
    const named = new Set<ChangeHash>()
    let at = 0
    return counts.map((count) => {
      for (; at < count; at++) {
        const entry = this.entries[at]
        if (entry === undefined) break
        for (const dep of entry.deps) {
          heads.delete(dep)
          named.add(dep)
        }
        if (!named.has(entry.hash)) heads.add(entry.hash)
      }
      return [...heads].sort()
    })
  }
}

/** What builds on a change has a higher counter, or begins behind it. */
const compare = (a: TimelineEntry, b: TimelineEntry): number =>
  a.maxOp - b.maxOp || a.startOp - b.startOp || (a.actor < b.actor ? -1 : a.actor > b.actor ? 1 : a.seq - b.seq)
