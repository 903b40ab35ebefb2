/**
 * Opening the file of a replica. Keeps: one process per file, no byte of a file that is damaged, foreign or newer is
 * changed, and a connection that writes is durable at every commit or is not handed out at all.
 */
import { closeSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import { isBusy, isUnreadable } from './sqlite-errors.ts'

/** 'MOOP', in the header of the file. */
const applicationId = 0x4d_4f_4f_50
const header = Buffer.from('SQLite format 3\0')
const maxFirstPageBytes = 4_096
/** Below this, two connections in WAL mode could corrupt the file. */
const minVersion = [3, 51, 3] as const
/** The write-ahead log is cut back to this after a checkpoint. */
const journalSizeLimit = 4 * 1024 * 1024
/** For the process before this one to end: a supervisor may start the next while the last still writes. */
const lockWaitMs = 3_000

/** Of version 1, and what each later version adds. */
const schemas = [
  `
-- What is known of the whole replica. Keeps: the cursor never covers more than what the other tables hold.
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

-- The blocks. Keeps: an address has one content, of one generation; none yet when the daemon never heard of it.
CREATE TABLE block (
  id INTEGER PRIMARY KEY,
  address TEXT NOT NULL UNIQUE,
  schema TEXT NOT NULL,
  generation INTEGER,
  gone TEXT
) STRICT;

-- Documents. Keeps: each was loaded again before it replaced the changes it holds, and none of them was unsettled.
CREATE TABLE snapshot (
  block INTEGER PRIMARY KEY REFERENCES block (id),
  changes INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;

-- Changes that are in no snapshot. Keeps: positions are in the order in which they came, so dependencies come first.
CREATE TABLE change (
  position INTEGER PRIMARY KEY,
  block INTEGER NOT NULL REFERENCES block (id),
  unsettled INTEGER NOT NULL CHECK (unsettled IN (0, 1)),
  bytes BLOB NOT NULL
) STRICT;
CREATE INDEX change_by_block ON change (block, position);
CREATE INDEX change_unsettled ON change (block, position) WHERE unsettled = 1;

-- Newest change held of each actor of this plugin. Keeps: what is said about possession is true.
CREATE TABLE own (
  block INTEGER NOT NULL REFERENCES block (id),
  actor TEXT NOT NULL,
  seq INTEGER NOT NULL,
  hash TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (block, actor)
) STRICT, WITHOUT ROWID;

-- What the daemon refused for good. Keeps: nothing that a person wrote is thrown away.
CREATE TABLE aside (
  position INTEGER PRIMARY KEY,
  block INTEGER NOT NULL REFERENCES block (id),
  part INTEGER NOT NULL,
  code TEXT NOT NULL,
  detail TEXT,
  bytes BLOB NOT NULL
) STRICT;
CREATE INDEX aside_by_block ON aside (block, part, position);
`,
  `
-- Signatures of other authors over their changes, so that these can be supplied to a daemon that lost them. Keeps: of
-- each actor the newest, and of those before it enough that what lies between two is short. It stands for the changes
-- after from_seq, up to its own; weight is how much they are, in bytes and operations.
CREATE TABLE tip (
  block INTEGER NOT NULL REFERENCES block (id),
  actor TEXT NOT NULL,
  seq INTEGER NOT NULL,
  hash TEXT NOT NULL,
  signature BLOB NOT NULL,
  peer TEXT NOT NULL,
  from_seq INTEGER NOT NULL,
  weight INTEGER NOT NULL,
  PRIMARY KEY (block, actor, seq)
) STRICT, WITHOUT ROWID;
`,
  `
-- What the daemon said of the generation of a block beside its content, with its seal. Keeps: written together with the
-- generation, so that it is that one which a daemon that lost it is shown. Without a seal: nothing was said.
ALTER TABLE block ADD COLUMN owner TEXT;
ALTER TABLE block ADD COLUMN created_at_ms INTEGER;
ALTER TABLE block ADD COLUMN meta TEXT;
ALTER TABLE block ADD COLUMN seal BLOB;
`,
  `
-- When meta was said, which the seal stands for as well. Keeps: of two versions of meta the later one counts. Seals of before
-- do not fit any more: what they came with is said anew by the daemon.
ALTER TABLE block ADD COLUMN meta_at_ms INTEGER;
`,
]
const version = schemas.length

/**
 * Takes the file for as long as the connection lives. The lock is one of the operating system on an open file, so it
 * ends with the process however that ends; a file with a process id in it would outlive a SIGKILL.
 * @throws `replica-in-use`
 */
export function lockFile(path: string): Database.Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const lock = new Database(`${path}.lock`, { timeout: lockWaitMs })
  try {
    lock.exec('BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock.close()
    if (!isBusy(error)) throw error
    throw new MooringError('replica-in-use', {
      detail: `another process has ${path} open; give this one a home of its own, or keep its replica in memory`,
    })
  }
}

/**
 * The connection that writes.
 * @throws `database-corrupt`, `database-newer`; `storage-failed` when a setting that durability rests on did not hold
 */
export function openFile(path: string): Database.Database {
  inspect(path)
  const db = new Database(path, { timeout: 50 })
  try {
    db.pragma('trusted_schema = OFF')
    db.pragma('cell_size_check = ON')
    db.pragma('foreign_keys = ON')
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
    if (number(db, 'user_version') < version) createTables(db)
    return db
  } catch (error) {
    db.close()
    throw isUnreadable(error) ? corrupt(path, 'SQLite cannot read it', error) : error
  }
}

/** Tells a file from its copies. */
export function placeOf(path: string): string {
  const { ino, birthtimeMs } = statSync(path)
  return `${ino} ${birthtimeMs}`
}

/** Makes an empty database one of a replica, and one of an older version one of this. */
export function createTables(db: Database.Database): void {
  db.transaction(() => {
    for (const schema of schemas.slice(number(db, 'user_version'))) db.exec(schema)
    db.pragma(`application_id = ${applicationId}`)
    db.pragma(`user_version = ${version}`)
  }).immediate()
}

const number = (db: Database.Database, name: string): number => Number(db.pragma(name, { simple: true }))

function assertDurable(db: Database.Database): void {
  const synchronous = number(db, 'synchronous')
  const mode = String(db.pragma('journal_mode', { simple: true }))
  const sqlite = String(db.prepare('SELECT sqlite_version()').pluck().get())
  if (synchronous !== 2) throw new MooringError('storage-failed', { detail: `synchronous is ${synchronous}, not FULL` })
  if (mode !== 'wal') throw new MooringError('storage-failed', { detail: `journal mode is ${mode}` })
  if (number(db, 'wal_autocheckpoint') !== 0)
    throw new MooringError('storage-failed', { detail: 'SQLite makes checkpoints by itself' })
  if (isOlder(sqlite)) throw new MooringError('storage-failed', { detail: `SQLite ${sqlite} is too old` })
}

function isOlder(found: string): boolean {
  const parts = found.split('.').map(Number)
  for (const [n, least] of minVersion.entries()) {
    const part = parts[n] ?? 0
    if (part !== least) return part < least
  }
  return false
}

/** Looks at an existing file without changing it. */
function inspect(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0) {
    // A log without its database: the database was lost, and a new one must not be laid over what is left.
    if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) throw corrupt(path, 'it is empty')
    return
  }
  if (!firstBytes(path).equals(header)) throw corrupt(path, 'it is no database')
  try {
    const db = new Database(path, { readonly: true, fileMustExist: true, timeout: 50 })
    try {
      const found = number(db, 'user_version')
      const id = number(db, 'application_id')
      const tables = Number(db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get())
      if (id !== applicationId && (found !== 0 || tables > 0)) throw corrupt(path, 'it belongs to another program')
      if (found > version) {
        throw new MooringError('database-newer', {
          detail: `${path} has version ${found}, this program knows ${version}`,
        })
      }
    } finally {
      db.close()
    }
  } catch (error) {
    if (isInterruptedFirstStart(path, error)) return
    throw isUnreadable(error) ? corrupt(path, 'SQLite cannot read it', error) : error
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

function firstBytes(path: string): Buffer {
  const bytes = Buffer.alloc(header.length)
  const fd = openSync(path, 'r')
  try {
    readSync(fd, bytes, 0, bytes.length, 0)
  } finally {
    closeSync(fd)
  }
  return bytes
}

/** Never mended by itself: the file may hold edits that are nowhere else. */
function corrupt(path: string, what: string, cause?: unknown): MooringError {
  return new MooringError('database-corrupt', {
    detail: `${path}: ${what}; move it away, and what the daemon has is received anew`,
    cause,
  })
}
