/**
 * Loaded before a store process, in each of its threads: sets what the store leaves at its default, or defeats what it
 * insists on. `SOAK_WAL_PAGES`: folds the write-ahead log back after so many pages. `SOAK_SYNCHRONOUS=NORMAL`: a commit no
 * longer waits for the disk although the store asks for it, which a campaign uses to prove that it would notice.
 */
import Database from 'better-sqlite3'

const { SOAK_WAL_PAGES: walPages, SOAK_SYNCHRONOUS: synchronous } = process.env
const pragma = Database.prototype.pragma

Database.prototype.pragma = function (this: Database.Database, source: string, options?: Database.PragmaOptions) {
  if (synchronous !== undefined && source === 'synchronous = FULL') {
    return pragma.call(this, `synchronous = ${synchronous}`, options)
  }
  if (synchronous !== undefined && source === 'synchronous') return 2
  const result: unknown = pragma.call(this, source, options)
  if (walPages !== undefined && source.startsWith('journal_size_limit')) {
    pragma.call(this, `wal_autocheckpoint = ${walPages}`)
  }
  return result
}
