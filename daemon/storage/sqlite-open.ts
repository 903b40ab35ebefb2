/**
 * Opening the database file. Keeps: one store per state directory, no byte of a file that is damaged, foreign or
 * newer is changed, and a connection that writes is durable at every commit or is not handed out at all.
 */
import { closeSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import { isBusy, isFull, isUnreadable } from './sqlite-errors.ts'

export const databaseName = 'mooring.db'
const lockName = 'daemon.lock'
/** 'MOOR', in the header of the file. */
export const applicationId = 0x4d_4f_4f_52
const header = Buffer.from('SQLite format 3\0')
const maxFirstPageBytes = 4_096
/** Below this, two connections in WAL mode could corrupt the file. */
const minVersion = [3, 51, 3] as const
/** Pages without content that the file keeps, for what is written next: a quarter of a megabyte. */
const keptFreePages = 64
/** Pages that the file is shortened by at once, up to eight megabytes to be moved. */
const shrinkPages = 2_048
/** The write-ahead log is cut back to this after a checkpoint. */
const journalSizeLimit = 16 * 1024 * 1024

/**
 * Takes the state directory for as long as the connection lives. The lock is one of the operating system on an open
 * file, so it ends with the process however that ends; a file with a process id in it would outlive a SIGKILL.
 * @throws `state-in-use`
 */
export function lockDirectory(dir: string): Database.Database {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const lock = new Database(join(dir, lockName), { timeout: 0 })
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    if (isBusy(error)) throw new MooringError('state-in-use')
    throw error
  }
}

/**
 * Looks at an existing file without changing it.
 * @returns its schema version; 0 for a file that is missing or empty
 * @throws `database-corrupt`, `database-newer`
 */
export function inspectDatabase(path: string, newestVersion: number): number {
  if (!checkHeader(path)) return 0
  try {
    const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 50 })
    try {
      const version = Number(db.pragma('user_version', { simple: true }))
      const tables = Number(db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get())
      const id = Number(db.pragma('application_id', { simple: true }))
      if (version === 0 && tables === 0 && (id === 0 || id === applicationId)) return 0
      if (id !== applicationId) throw corrupt('the file belongs to another program')
      if (version > newestVersion) {
        throw new MooringError('database-newer', {
          detail: `the file has version ${version}, this program knows ${newestVersion}`,
        })
      }
      return version
    } finally {
      db.close()
    }
  } catch (error) {
    if (isInterruptedFirstStart(path, error)) return 0
    throw isUnreadable(error) ? corrupt('SQLite cannot read the file', error) : error
  }
}

/**
 * The power went while the file got its first page: the only time at which there is a journal to roll back, because the
 * database has a write-ahead log from then on. Whoever writes next rolls it back, to a file without content.
 */
function isInterruptedFirstStart(path: string, error: unknown): boolean {
  const isRollback = error instanceof Error && 'code' in error && error.code === 'SQLITE_READONLY_ROLLBACK'
  return isRollback && statSync(path).size <= maxFirstPageBytes
}

/**
 * The connection that writes.
 * @throws `storage-failed` when a setting that durability rests on did not take hold
 */
export function openWriter(path: string): Database.Database {
  const db = new Database(path, { timeout: 50 })
  try {
    setUp(db)
    // Before anything is written: pages of removed rows can then be given back a piece at a time.
    db.pragma('auto_vacuum = INCREMENTAL')
    db.pragma('journal_mode = WAL')
    // The library's default in WAL mode is NORMAL, which loses acknowledged commits when the power goes.
    db.pragma('synchronous = FULL')
    // On Apple systems an fsync alone does not reach the platter.
    db.pragma('fullfsync = ON')
    db.pragma('checkpoint_fullfsync = ON')
    db.pragma(`journal_size_limit = ${journalSizeLimit}`)
    // Inside a commit a checkpoint that fails says nothing: see `sqlite-checkpoint.ts`.
    db.pragma('wal_autocheckpoint = 0')
    assertDurable(db)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * Gives a database of an earlier version the form in which it can be shortened, which takes writing it anew, once. False
 * when there is no space for that now; it is tried again at the next start.
 */
export function makeShrinkable(db: Database.Database): boolean {
  if (db.pragma('auto_vacuum', { simple: true }) === 2) return true
  try {
    db.exec('VACUUM')
    return true
  } catch (error) {
    if (isFull(error)) return false
    throw error
  }
}

/** Gives pages without content back to the file system. @returns whether there was anything to give back */
export function shrink(db: Database.Database): boolean {
  const free = Number(db.pragma('freelist_count', { simple: true })) - keptFreePages
  if (free <= 0 || db.pragma('auto_vacuum', { simple: true }) !== 2) return false
  db.pragma(`incremental_vacuum(${Math.min(free, shrinkPages)})`)
  return true
}

/** A connection that only reads. It sees every commit that was made before the statement starts. */
export function openReader(path: string): Database.Database {
  const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 50 })
  setUp(db)
  return db
}

/** The settings that a promise rests on, as SQLite reports them. */
export interface DurabilitySettings {
  readonly synchronous: number
  readonly journalMode: string
  readonly foreignKeys: number
  readonly trustedSchema: number
  readonly cellSizeCheck: number
  readonly busyTimeoutMs: number
  readonly journalSizeLimit: number
  readonly walAutocheckpoint: number
  readonly sqliteVersion: string
}

export function readSettings(db: Database.Database): DurabilitySettings {
  const number = (name: string): number => Number(db.pragma(name, { simple: true }))
  return {
    synchronous: number('synchronous'),
    journalMode: String(db.pragma('journal_mode', { simple: true })),
    foreignKeys: number('foreign_keys'),
    trustedSchema: number('trusted_schema'),
    cellSizeCheck: number('cell_size_check'),
    busyTimeoutMs: number('busy_timeout'),
    journalSizeLimit: number('journal_size_limit'),
    walAutocheckpoint: number('wal_autocheckpoint'),
    sqliteVersion: String(db.prepare('SELECT sqlite_version()').pluck().get()),
  }
}

function setUp(db: Database.Database): void {
  // Nothing in the file may make SQLite run code, and a damaged page is to be noticed where it is read.
  db.pragma('trusted_schema = OFF')
  db.pragma('cell_size_check = ON')
  db.pragma('foreign_keys = ON')
}

function assertDurable(db: Database.Database): void {
  const { synchronous, journalMode, sqliteVersion, walAutocheckpoint } = readSettings(db)
  if (synchronous !== 2) throw new MooringError('storage-failed', { detail: `synchronous is ${synchronous}, not FULL` })
  if (journalMode !== 'wal') throw new MooringError('storage-failed', { detail: `journal mode is ${journalMode}` })
  if (walAutocheckpoint !== 0)
    throw new MooringError('storage-failed', { detail: 'SQLite makes checkpoints by itself' })
  if (isOlder(sqliteVersion)) throw new MooringError('storage-failed', { detail: `SQLite ${sqliteVersion} is too old` })
}

function isOlder(version: string): boolean {
  const parts = version.split('.').map(Number)
  for (const [n, least] of minVersion.entries()) {
    const part = parts[n] ?? 0
    if (part !== least) return part < least
  }
  return false
}

/** Whether there is a file with content. The first bytes are read here, so that SQLite never opens a foreign file. */
function checkHeader(path: string): boolean {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0) {
    // A log without its database: the database was lost, and a new one must not be laid over what is left.
    if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) throw corrupt('the database file is empty')
    return false
  }
  const start = Buffer.alloc(header.length)
  const fd = openSync(path, 'r')
  try {
    readSync(fd, start, 0, start.length, 0)
  } finally {
    closeSync(fd)
  }
  if (!start.equals(header)) throw corrupt('the file is not a database')
  return true
}

const corrupt = (detail: string, cause?: unknown): MooringError =>
  new MooringError('database-corrupt', { detail, cause })
