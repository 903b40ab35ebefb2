/**
 * Loaded before a store process, in each of its threads: defeats what the store insists on. `SOAK_SYNCHRONOUS=NORMAL`: a
 * commit no longer waits for the disk although the store asks for it, which a campaign uses to prove that it would notice.
 */
import Database from 'better-sqlite3'

const { SOAK_SYNCHRONOUS: synchronous } = process.env
const pragma = Database.prototype.pragma

Database.prototype.pragma = function (this: Database.Database, source: string, options?: Database.PragmaOptions) {
  if (synchronous !== undefined && source === 'synchronous = FULL') {
    return pragma.call(this, `synchronous = ${synchronous}`, options)
  }
  if (synchronous !== undefined && source === 'synchronous') return 2
  return pragma.call(this, source, options)
}
