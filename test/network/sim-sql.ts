/**
 * The SQL of the daemon's store on a database in memory, in the thread of the simulation. What separates it from the real
 * thing is the threads and the file; statements, transactions and packing are the real ones.
 */
import Database from 'better-sqlite3'
import { DamageReports } from '../../daemon/storage/damage-reports.ts'
import type { Storage } from '../../daemon/storage/index.ts'
import { SqliteStorage } from '../../daemon/storage/sqlite.ts'
import { PeerWriter } from '../../daemon/storage/sqlite-decisions.ts'
import { migrate, readMigrations } from '../../daemon/storage/sqlite-migrate.ts'
import { migrationsDir } from '../../daemon/storage/sqlite-migrate-dir.ts'
import { readerOps } from '../../daemon/storage/sqlite-reader-thread.ts'
import type { ThreadCalls } from '../../daemon/storage/sqlite-thread.ts'
import { createTransact } from '../../daemon/storage/sqlite-transaction.ts'
import { LogWriter } from '../../daemon/storage/sqlite-writes.ts'
import type { PeerId } from '../../protocol/index.ts'
import { silentLog } from '../fixtures/sync-world.ts'

let template: Buffer | undefined

/** An empty database of the newest version; made once, because the migrations cost more than a schedule. */
function emptyDatabase(): Database.Database {
  if (template === undefined) {
    const db = new Database(':memory:')
    migrate(db, '', readMigrations(migrationsDir), silentLog)
    template = db.serialize()
    db.close()
  }
  const db = new Database(Buffer.from(template))
  db.pragma('foreign_keys = ON')
  return db
}

export function openSqlStore(self: PeerId): Storage {
  const db = emptyDatabase()
  const transact = createTransact(db)
  const log = new LogWriter(db, transact, self)
  const peers = new PeerWriter(db, transact)
  const damage = new DamageReports(silentLog)
  const reader = readerOps(db, (reply) => {
    if (reply.kind === 'damaged') damage.report(reply.row)
  })
  return new SqliteStorage({
    store: inThisThread(
      (op) => (op in log ? log : peers),
      () => db.close(),
    ),
    reader: inThisThread(
      () => reader,
      () => {},
    ),
    failed: new AbortController().signal,
    damage,
  })
}

/** What crosses between threads is copied. */
function inThisThread(partOf: (op: string) => object, close: () => void): ThreadCalls<never> {
  const call = async (op: string, args: unknown[]): Promise<unknown> => {
    const part = partOf(op) as Record<string, (...args: unknown[]) => unknown>
    if (part[op] === undefined) throw new Error(`the simulated thread has no ${op}`)
    return structuredClone(part[op](...structuredClone(args)))
  }
  return { call, close: async () => close() } as unknown as ThreadCalls<never>
}
