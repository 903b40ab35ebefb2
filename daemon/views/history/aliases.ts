/**
 * What was brought back is a new operation that stands for an old one: which, the daemon writes into its change. Keeps: an old
 * operation is found by whatever stands for it now, however often it was taken back and brought back.
 */
import { readNote } from './note.ts'
import { ownerOf } from './page.ts'
import type { Timeline } from './timeline.ts'

/** So many operations of a change, from one on, stand for so many others, from `root` on. */
export interface AliasRun {
  readonly index: number
  readonly length: number
  /** `<counter>@<actor>`, and itself no alias. */
  readonly root: string
}

interface Run {
  readonly from: number
  readonly length: number
  readonly rootActor: string
  readonly rootFrom: number
  readonly actor: string
}

/** Only the newest can be there: nothing is brought back while another of its kind is. More than one, where two did at once. */
const maxCandidates = 4

export class Aliases {
  /** By the actor of the new operations, and by that of the old ones; oldest first. */
  readonly #byActor = new Map<string, Run[]>()
  readonly #byRoot = new Map<string, Run[]>()

  constructor(timeline: Timeline, daemon: string) {
    for (const { actor, startOp, message } of timeline.entries) {
      if (message === null || ownerOf(actor) !== daemon) continue
      for (const { index, length, root } of readNote(message)?.aliases ?? []) {
        const [rootFrom, rootActor] = split(root)
        const run = { from: startOp + index, length, rootActor, rootFrom, actor }
        push(this.#byActor, actor, run)
        push(this.#byRoot, rootActor, run)
      }
    }
  }

  rootOf(id: string): string {
    const [counter, actor] = split(id)
    const run = this.#byActor.get(actor)?.find(({ from, length }) => counter >= from && counter < from + length)
    return run === undefined ? id : `${run.rootFrom + counter - run.from}@${run.rootActor}`
  }

  /** The operations that may stand for the same as this one, the newest first. */
  candidates(id: string): string[] {
    const root = this.rootOf(id)
    const [counter, actor] = split(root)
    const found: string[] = []
    for (const run of (this.#byRoot.get(actor) ?? []).toReversed()) {
      if (found.length === maxCandidates) break
      if (counter >= run.rootFrom && counter < run.rootFrom + run.length) {
        found.push(`${run.from + counter - run.rootFrom}@${run.actor}`)
      }
    }
    return [...found, root]
  }
}

function split(id: string): [counter: number, actor: string] {
  const at = id.indexOf('@')
  return [Number(id.slice(0, at)), id.slice(at + 1)]
}

function push(runs: Map<string, Run[]>, key: string, run: Run): void {
  const known = runs.get(key)
  if (known === undefined) runs.set(key, [run])
  else known.push(run)
}

/** Collects what is made, as runs. */
export class AliasWriter {
  readonly runs: AliasRun[] = []

  add(index: number, root: string): void {
    const last = this.runs.at(-1)
    const [counter, actor] = split(root)
    const [lastCounter, lastActor] = last === undefined ? [0, ''] : split(last.root)
    const isNext =
      last !== undefined &&
      lastActor === actor &&
      last.index + last.length === index &&
      lastCounter + last.length === counter
    if (isNext) this.runs[this.runs.length - 1] = { ...last, length: last.length + 1 }
    else this.runs.push({ index, length: 1, root })
  }
}
