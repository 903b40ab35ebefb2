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
  /** Orders changes without operations that build on each other: 0 for all others. */
  readonly rank: number
  /** What the author's clock said, in seconds; anything, from a hostile one. */
  readonly timeS: number
  readonly message: string | null
  readonly deps: readonly ChangeHash[]
}

export class Timeline {
  /** In order. */
  entries: readonly TimelineEntry[] = []
  #heads: string[] = []
  /** Changes without operations. */
  readonly #empty = new Map<string, { readonly startOp: number; readonly rank: number }>()
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
      const place = { startOp, maxOp, rank: this.#rankOf(meta) }
      return { hash: hash as ChangeHash, actor, seq, ...place, timeS, message, deps: deps as ChangeHash[] }
    })
    this.entries = [...this.entries, ...added].sort(compare)
    this.#heads = heads
    this.#written = undefined
    return this
  }

  /** How many without operations it builds on that stand at the same counter. Each comes after what it builds on. */
  #rankOf({ hash, startOp, maxOp, deps }: { hash: string; startOp: number; maxOp: number; deps: string[] }): number {
    if (maxOp >= startOp) return 0
    const before = deps.flatMap((dep) => this.#empty.get(dep) ?? []).filter((other) => other.startOp === startOp)
    const rank = 1 + Math.max(0, ...before.map((other) => other.rank))
    this.#empty.set(hash, { startOp, rank })
    return rank
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

/** What builds on a change has a higher counter, begins behind it, or has a higher rank. */
const compare = (a: TimelineEntry, b: TimelineEntry): number =>
  a.maxOp - b.maxOp ||
  a.startOp - b.startOp ||
  a.rank - b.rank ||
  (a.actor < b.actor ? -1 : a.actor > b.actor ? 1 : a.seq - b.seq)
