/**
 * Takes one change back by further operations. Keeps: only what is still as that change left it is changed: what others wrote
 * since, at the same place or at another, stays. Formatting of texts is not taken back.
 */
import type * as Automerge from '@automerge/automerge'
import { type Aliases, type AliasRun, AliasWriter } from './aliases.ts'
import { SequenceIndex } from './sequence-index.ts'
import type { Engine } from './timeline.ts'
import { copyValue, idOf, type Place, putCopy, shownAt } from './value-copy.ts'

/** What decoding says of an operation. */
interface Op {
  readonly id: string
  readonly action: string
  readonly obj: string
  readonly key?: string
  readonly elemId?: string
  readonly insert?: boolean
  readonly value?: unknown
  readonly pred: readonly string[]
}

interface TextEdit {
  readonly at: number
  readonly remove: number
  readonly insert: string
  /** What the inserted character stands for. */
  readonly root?: string
}

/** Answers which of the new operations stand for older ones. @throws when the engine refuses an operation */
export function applyInverse(engine: Engine, change: Automerge.DecodedChange, aliases: Aliases): readonly AliasRun[] {
  return new Inverse(engine, change, aliases).run()
}

class Inverse {
  readonly #engine: Engine
  readonly #aliases: Aliases
  readonly #writer = new AliasWriter()
  readonly #before: string[]
  readonly #after: string[]
  readonly #ops: readonly Op[]
  /** Objects that the change made and that go as a whole. */
  readonly #gone = new Set<string>()
  readonly #rootOf: (id: string) => string

  constructor(engine: Engine, change: Automerge.DecodedChange, aliases: Aliases) {
    this.#engine = engine
    this.#aliases = aliases
    this.#rootOf = (id) => aliases.rootOf(id)
    this.#before = change.deps
    this.#after = [change.hash]
    const { actor, startOp } = change
    this.#ops = (change.ops as unknown as Op[]).map((op, index) => ({ ...op, id: `${startOp + index}@${actor}` }))
  }

  run(): readonly AliasRun[] {
    for (const op of this.#ops) {
      const object = op.key === undefined ? undefined : this.#present(op.obj)
      if (op.key !== undefined && object !== undefined) this.#key(op, object, op.key)
    }
    const inSequences = this.#ops.filter(({ key }) => key === undefined)
    for (const [made, ops] of Map.groupBy(inSequences, ({ obj }) => obj)) {
      const object = this.#present(made)
      if (object === undefined) continue
      const { type } = this.#engine.objInfo(object)
      if (type === 'text') this.#text(made, object, ops)
      else if (type === 'list') this.#list(made, object, ops)
    }
    return this.#writer.runs
  }

  /** What stands for an object now; undefined when it was taken away. */
  #present(object: string): string | undefined {
    if (object === '_root') return object
    if (this.#gone.has(object)) return undefined
    return this.#aliases.candidates(object).find((each) => this.#engine.objInfo(each).path !== undefined)
  }

  #isSame(value: readonly unknown[] | undefined, id: string): boolean {
    return value !== undefined && this.#rootOf(idOf(value)) === this.#rootOf(id)
  }

  #key(op: Op, object: string, key: string): void {
    const engine = this.#engine
    const now = engine.getAll(object, key)
    const old = shownAt(engine, op.obj, key, this.#before)
    if (op.action === 'inc') {
      if (now.some((value) => op.pred.some((id) => this.#isSame(value, id))))
        engine.increment(object, key, -Number(op.value))
    } else if (op.action === 'del') {
      if (now.length === 0 && old !== undefined) this.#put({ object, prop: key }, old)
    } else if (now.some((value) => this.#isSame(value, op.id)) && this.#isAsMade(op)) {
      this.#gone.add(op.id)
      if (old === undefined) engine.delete(object, key)
      else this.#put({ object, prop: key }, old)
    }
  }

  /** Whether an object holds what the change put into it, and nothing that came later. */
  #isAsMade({ action, id }: Op): boolean {
    if (!action.startsWith('make')) return true
    const now = this.#present(id)
    if (now === undefined) return false
    const then = copyValue(this.#engine, id, this.#rootOf, this.#after)
    return JSON.stringify(copyValue(this.#engine, now, this.#rootOf)) === JSON.stringify(then)
  }

  #put(place: Place, value: readonly unknown[]): void {
    putCopy(this.#engine, place, value, this.#before, (index, old) => this.#writer.add(index, this.#rootOf(old)))
  }

  #text(made: string, object: string, ops: readonly Op[]): void {
    const engine = this.#engine
    const now = new SequenceIndex(engine, object)
    const shown = (id: string): number | undefined => {
      for (const each of this.#aliases.candidates(id)) {
        const at = now.visible(each)
        if (at !== undefined) return at
      }
      return undefined
    }
    const edits: TextEdit[] = []
    for (const op of ops) {
      const at = op.insert === true ? shown(op.id) : undefined
      if (at !== undefined) edits.push({ at, remove: now.widthAt(at), insert: '' })
    }
    const before = new SequenceIndex(engine, made, this.#before)
    for (const op of ops) {
      if (op.action !== 'del' || op.elemId === undefined) continue
      const at = before.visible(op.elemId)
      // Another one may have put it back, or never had it go.
      if (at === undefined || shown(op.elemId) !== undefined) continue
      const [newest = op.elemId] = this.#aliases.candidates(op.elemId)
      const root = this.#rootOf(op.elemId)
      edits.push({ at: now.placeOf(newest), remove: 0, insert: before.characterAt(at), root })
    }
    // From the end to the beginning, so that no edit moves the place of another; what goes to one place keeps its order.
    for (const run of joined(edits)) {
      if (run.remove > 0) engine.splice(object, run.at, run.remove, '')
      else {
        const first = engine.pendingOps()
        engine.splice(object, run.at, 0, run.insert)
        for (const [index, root] of run.roots.entries()) this.#writer.add(first + index, root)
      }
    }
  }

  #list(made: string, object: string, ops: readonly Op[]): void {
    const engine = this.#engine
    const idsOf = (list: string, heads?: string[]): string[] =>
      Array.from({ length: engine.length(list, heads) }, (_, at) => {
        const value = shownAt(engine, list, at, heads)
        return value === undefined ? '' : this.#rootOf(idOf(value))
      })
    const before = idsOf(made, this.#before)
    const now = idsOf(object)
    for (const op of ops) {
      const at = now.indexOf(this.#rootOf(op.id))
      if (op.insert === true) {
        if (at < 0 || !this.#isAsMade(op)) continue
        engine.delete(object, at)
        now.splice(at, 1)
        this.#gone.add(op.id)
        continue
      }
      const preds = op.pred.map(this.#rootOf)
      const old = before.findIndex((id) => preds.includes(id))
      const value = old < 0 ? undefined : shownAt(engine, made, old, this.#before)
      if (value === undefined) continue
      const there = now.findIndex((id) => preds.includes(id))
      if (op.action === 'inc') {
        if (there >= 0) engine.increment(object, there, -Number(op.value))
      } else if (op.action !== 'del') {
        if (at < 0 || !this.#isAsMade(op)) continue
        this.#put({ object, prop: at }, value)
        now[at] = before[old] ?? ''
      } else if (there < 0) {
        // Behind the nearest one before it that is still there.
        let left = old - 1
        while (left >= 0 && !now.includes(before[left] ?? '')) left -= 1
        const place = left < 0 ? 0 : now.indexOf(before[left] ?? '') + 1
        this.#put({ object, prop: place, isNew: true }, value)
        now.splice(place, 0, before[old] ?? '')
      }
    }
  }
}

interface TextRun {
  readonly at: number
  readonly remove: number
  readonly insert: string
  readonly roots: readonly string[]
}

/** Neighbours of one kind in one call, the last one first. */
function joined(edits: readonly TextEdit[]): TextRun[] {
  const runs: { at: number; remove: number; insert: string; roots: string[] }[] = []
  for (const { at, remove, insert, root } of edits.toSorted((a, b) => a.at - b.at || a.remove - b.remove)) {
    const last = runs.at(-1)
    const isNext =
      last !== undefined &&
      (remove > 0 ? last.remove > 0 && last.at + last.remove === at : last.remove === 0 && last.at === at)
    if (!isNext || last === undefined) runs.push({ at, remove, insert, roots: root === undefined ? [] : [root] })
    else {
      last.remove += remove
      last.insert += insert
      if (root !== undefined) last.roots.push(root)
    }
  }
  return runs.reverse()
}
