/**
 * One write transaction at a time on the only connection that writes. Keeps: it is committed as a whole or leaves
 * nothing behind, and it waits a bounded time for a program that should not be there.
 */
import type Database from 'better-sqlite3'
import { isBusy, isIndexAtOdds } from './sqlite-errors.ts'

export type Transact = <T>(work: () => T) => T

/** Times the busy timeout: a backup tool gets a second to let go. */
const attempts = 20

export function createTransact(db: Database.Database): Transact {
  const run = db.transaction((work: () => unknown) => work()).immediate
  return <T>(work: () => T): T => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return run(work) as T
      } catch (error) {
        // A value that turned in a row is not what an index has of it, and the row cannot be changed before they agree.
        if (isIndexAtOdds(error) && attempt < attempts) {
          db.exec('REINDEX')
          attempt = attempts - 1
          continue
        }
        // The lock is taken by BEGIN IMMEDIATE, so nothing of the work has happened when it is refused.
        if (!isBusy(error) || attempt === attempts) throw error
      }
    }
  }
}
