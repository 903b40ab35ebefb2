/**
 * Folds the write-ahead log back into the database, between transactions and by a statement of its own: the checkpoint
 * that SQLite makes inside a commit keeps to itself when the disk could not sync. Keeps: a failure is never passed over,
 * and the log stays bounded under constant load, also while somebody reads all the time.
 */
import type Database from 'better-sqlite3'
import { isFull } from './sqlite-errors.ts'

export interface CheckpointsInit {
  readonly db: Database.Database
  /** Durability is in doubt from here on. */
  readonly onFailure: (error: unknown) => void
  readonly onFull: () => void
  /** Pages of the log that are folded back without waiting for a quiet moment. @default 1,000, four megabytes */
  readonly maxPages?: number | undefined
}

/** So many times the bound, and readers have to let go: as long as one is in the log, it cannot begin anew. */
const waitFactor = 4

type Mode = 'NOOP' | 'PASSIVE' | 'RESTART' | 'TRUNCATE'
type Report = [busy: number, pages: number, folded: number]

export class Checkpoints {
  readonly #init: CheckpointsInit
  readonly #maxPages: number
  readonly #statements: Record<Mode, Database.Statement<[], Report>>
  #due: NodeJS.Immediate | undefined
  /** Length of the log when it was last looked at, and at which it is folded back next. */
  #pages = 0
  #dueAt: number

  constructor(init: CheckpointsInit) {
    this.#init = init
    this.#maxPages = init.maxPages ?? 1_000
    this.#dueAt = this.#maxPages
    const statement = (mode: Mode) => init.db.prepare<[], Report>(`PRAGMA wal_checkpoint(${mode})`).raw()
    this.#statements = {
      NOOP: statement('NOOP'),
      PASSIVE: statement('PASSIVE'),
      RESTART: statement('RESTART'),
      TRUNCATE: statement('TRUNCATE'),
    }
  }

  /** Something was committed. Whoever waits for that is answered before anything is done here. */
  written(): void {
    this.#due ??= setImmediate(() => {
      this.#due = undefined
      this.#bound()
    })
  }

  /** Folds all of it back and empties the file. False when a reader was in the middle of something: try again. */
  all(): boolean {
    return this.#run('TRUNCATE')?.[0] !== 1
  }

  stop(): void {
    clearImmediate(this.#due)
  }

  #bound(): void {
    const [, pages] = this.#run('NOOP') ?? [0, 0]
    // Shorter than before: it began anew.
    if (pages < this.#pages) this.#dueAt = this.#maxPages
    this.#pages = pages
    if (pages < this.#dueAt) return
    this.#run(pages < this.#maxPages * waitFactor ? 'PASSIVE' : 'RESTART')
    // However far that got: not again with each commit.
    this.#dueAt = pages + this.#maxPages
  }

  #run(mode: Mode): Report | undefined {
    try {
      return this.#statements[mode].get()
    } catch (error) {
      if (isFull(error)) this.#init.onFull()
      else this.#init.onFailure(error)
      return undefined
    }
  }
}
