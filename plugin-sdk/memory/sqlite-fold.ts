/**
 * Folds the changes of a block into a snapshot when there are as many as the snapshot holds, and at least a thousand, so
 * that its cost stays proportional to what is written; in a pause if there is one. Keeps: nothing waits for it, one runs
 * at a time, and one that fails leaves every change where it was.
 */
import { Worker } from 'node:worker_threads'
import { schemaNamed } from '../../protocol/schemas/index.ts'
import type { FoldedRows, FoldResult, FoldTask } from './fold.ts'
import type { Tables } from './sqlite-tables.ts'

const minChanges = 1_000
/**
 * So many are folded in the middle of the work as well. Otherwise the work goes first: folding takes a processor from it for
 * as long as the next start would take to load them, should there be no pause before.
 */
const manyChanges = 200_000
/** After the last write, in ms: whoever types is not disturbed by it. */
const quietMs = 2_000

// The sources run as they are and also compiled: the entry has the extension that this file has.
const entry = new URL(`./fold-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

export interface FolderInit {
  /** Something was committed. */
  onWritten(): void
  onFailure(error: unknown): void
  /** Changes of a block that are folded also while it is written to. @default 200_000 */
  readonly busyAt: number | undefined
}

export class Folder {
  readonly #tables: Tables
  readonly #init: FolderInit
  readonly #busyAt: number
  /** Changes of a block behind its snapshot, and how many it takes to look again. */
  readonly #tails = new Map<number, { changes: number; dueAt: number }>()
  #working: { readonly block: number; readonly worker: Worker } | undefined
  #isClosed = false
  #quiet: NodeJS.Timeout | undefined

  constructor(tables: Tables, init: FolderInit) {
    this.#tables = tables
    this.#init = init
    this.#busyAt = init.busyAt ?? manyChanges
    tables.onGrown = (block, changes) => this.#grown(block, changes)
    for (const { block, changes } of tables.tails()) this.#grown(block, changes)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#quiet)
    void this.#working?.worker.terminate()
  }

  #grown(block: number, changes: number): void {
    const tail = this.#tails.get(block) ?? { changes: 0, dueAt: minChanges }
    tail.changes += changes
    this.#tails.set(block, tail)
    if (tail.changes < tail.dueAt) return
    if (tail.changes >= Math.max(this.#busyAt, tail.dueAt)) this.#next(this.#busyAt)
    else if (this.#quiet === undefined) this.#quiet = setTimeout(() => this.#next(minChanges), quietMs)
    else this.#quiet.refresh()
  }

  #next(atLeast: number): void {
    if (this.#working !== undefined || this.#isClosed) return
    for (const [block, tail] of this.#tails) {
      if (tail.changes < Math.max(tail.dueAt, atLeast)) continue
      const task = this.#tables.foldable(block, minChanges)
      // Too few of them are settled, or the snapshot is large: looked at again when the tail has grown.
      tail.dueAt = tail.changes + minChanges
      if (task === undefined) continue
      const { schema, snapshot, changes } = task
      const { initial, upgrades } = schemaNamed(schema)
      // What a newer version added may be in no row: it is in every document by itself.
      const whole = [...upgrades.map(({ bytes }) => bytes), ...changes]
      this.#work(block, { base: snapshot ?? initial.bytes, changes: whole }, task)
      return
    }
  }

  #work(block: number, task: FoldTask, state: FoldedRows): void {
    // A thread of its own, which ends afterwards: the engine never gives memory back to a thread that goes on.
    const worker = new Worker(entry, { workerData: task, name: 'mooring fold' })
    this.#working = { block, worker }
    const finish = (): void => {
      if (this.#working?.worker !== worker) return
      this.#working = undefined
      this.#next(this.#busyAt)
      this.#quiet?.refresh()
    }
    worker.once('message', (result: FoldResult) => {
      if (this.#isClosed) return
      try {
        this.#tables.fold(block, state, result.bytes, result.changes)
        this.#init.onWritten()
        const folded = task.changes.length
        const before = this.#tails.get(block)?.changes ?? folded
        this.#tails.set(block, { changes: before - folded, dueAt: Math.max(minChanges, result.changes) })
      } catch (error) {
        this.#init.onFailure(error)
      }
    })
    worker.once('error', (error) => {
      // Tried again only when the tail has doubled: what fails once will most likely fail again.
      const tail = this.#tails.get(block)
      if (tail !== undefined) tail.dueAt = 2 * tail.changes
      this.#init.onFailure(error)
    })
    worker.once('exit', finish)
  }
}
