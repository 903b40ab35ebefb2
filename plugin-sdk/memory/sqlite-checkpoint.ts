/**
 * Folds the write-ahead log of a replica back into its file, between transactions and by a statement of its own: the
 * checkpoint that SQLite makes inside a commit keeps to itself when the disk could not sync. Keeps: a failure is never
 * passed over, and the log stays bounded under constant load.
 */
import type Database from 'better-sqlite3'
import { isFull } from './sqlite-errors.ts'

export interface CheckpointsInit {
  readonly db: Database.Database
  /** Durability is in doubt from here on. */
  readonly onFailure: (error: unknown) => void
  /** Pages of the log that are folded back without waiting for a quiet moment. @default 1,000, four megabytes */
  readonly maxPages?: number | undefined
}

/** After the last write: then all of the log is folded back. */
const quietMs = 1_000

/** Commits after which the log is looked at before the next one. */
const maxUnseen = 8

type Mode = 'NOOP' | 'PASSIVE' | 'TRUNCATE'
type Report = [busy: number, pages: number, folded: number]

export class Checkpoints {
  readonly #init: CheckpointsInit
  readonly #maxPages: number
  readonly #statements: Record<Mode, Database.Statement<[], Report>>
  readonly #quiet: NodeJS.Timeout
  #due: NodeJS.Immediate | undefined
  /** Commits since the log was looked at. */
  #unseen = 0
  /** Length of the log when it was last looked at, and at which it is folded back next. */
  #pages = 0
  #dueAt: number

  constructor(init: CheckpointsInit) {
    this.#init = init
    this.#maxPages = init.maxPages ?? 1_000
    this.#dueAt = this.#maxPages
    const statement = (mode: Mode) => init.db.prepare<[], Report>(`PRAGMA wal_checkpoint(${mode})`).raw()
    this.#statements = { NOOP: statement('NOOP'), PASSIVE: statement('PASSIVE'), TRUNCATE: statement('TRUNCATE') }
    this.#quiet = setTimeout(() => this.#run('TRUNCATE'), quietMs)
  }

  /** Something was committed. Whoever waits for that is answered before anything is done here. */
  written(): void {
    this.#quiet.refresh()
    this.#unseen++
    // A thread that always finds another message never comes to what it put off.
    if (this.#unseen >= maxUnseen) this.#look()
    else this.#due ??= setImmediate(() => this.#look())
  }

  /** Folds the log back for the last time. */
  close(): void {
    clearTimeout(this.#quiet)
    clearImmediate(this.#due)
    // Here, because SQLite says nothing of what fails when it closes.
    this.#run('TRUNCATE')
  }

  #look(): void {
    clearImmediate(this.#due)
    this.#due = undefined
    this.#unseen = 0
    this.#bound()
  }

  #bound(): void {
    const [, pages] = this.#run('NOOP') ?? [0, 0]
    // Shorter than before: it began anew.
    if (pages < this.#pages) this.#dueAt = this.#maxPages
    this.#pages = pages
    if (pages < this.#dueAt) return
    this.#run('PASSIVE')
    // However far that got: not again with each commit.
    this.#dueAt = pages + this.#maxPages
  }

  #run(mode: Mode): Report | undefined {
    try {
      return this.#statements[mode].get()
    } catch (error) {
      // Without space the log stays as it is, and what is in it is as durable as it was.
      if (!isFull(error)) this.#init.onFailure(error)
      return undefined
    }
  }
}
