/**
 * Brings a database to the newest version: numbered SQL files, in order, each in one transaction. Keeps: before a
 * database that holds something is changed, a copy of it lies beside it that was read back and found complete.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import type { StorageLog } from './backend.ts'
import { isFull } from './sqlite-errors.ts'
import { applicationId } from './sqlite-open.ts'
import { defineRowSum } from './sqlite-row-sum.ts'

export interface Migration {
  readonly version: number
  /** File name, for messages. */
  readonly name: string
  readonly sql: string
}

/**
 * The migrations of a folder, in order.
 * @throws `internal` when a number is missing or used twice: then nobody could say what a version means
 */
export function readMigrations(folder: string): Migration[] {
  const names = readdirSync(folder)
    .filter((name) => /^\d{3}-[a-z0-9-]+\.sql$/.test(name))
    .sort()
  return names.map((name, index) => {
    const version = Number(name.slice(0, 3))
    if (version !== index + 1) throw new MooringError('internal', { detail: `migration ${name} is out of order` })
    return { version, name, sql: readFileSync(join(folder, name), 'utf8') }
  })
}

/** @throws `storage-full`, `storage-failed`; the database is then as the last finished migration left it */
export function migrate(db: Database.Database, dir: string, migrations: readonly Migration[], log: StorageLog): void {
  const from = Number(db.pragma('user_version', { simple: true }))
  defineRowSum(db)
  for (const migration of migrations) {
    if (migration.version <= from) continue
    // A database that was made just now holds nothing worth a copy.
    const snapshot = from > 0 ? makeSnapshot(db, dir, migration.version) : undefined
    apply(db, migration)
    log.info({ version: migration.version, migration: migration.name, snapshot }, 'database migrated')
  }
}

function apply(db: Database.Database, { version, name, sql }: Migration): void {
  // A migration may have to rebuild a table that others refer to; the references are checked as a whole instead.
  // The switch has no effect inside a transaction, so it is thrown out here.
  db.pragma('foreign_keys = OFF')
  try {
    db.transaction(() => {
      db.exec(sql)
      const broken = db.prepare('SELECT count(*) FROM pragma_foreign_key_check').pluck().get()
      if (broken !== 0) throw new Error(`${broken} rows refer to rows that do not exist`)
      db.pragma(`application_id = ${applicationId}`)
      db.pragma(`user_version = ${version}`)
    }).immediate()
  } catch (error) {
    throw failure(`migration ${name} failed and was undone`, error)
  } finally {
    db.pragma('foreign_keys = ON')
  }
}

/** @returns the path of the copy, relative to the state directory */
function makeSnapshot(db: Database.Database, dir: string, version: number): string {
  const name = join('snapshots', `before-${String(version).padStart(3, '0')}.db`)
  const path = join(dir, name)
  const partial = `${path}.partial`
  try {
    mkdirSync(join(dir, 'snapshots'), { recursive: true, mode: 0o700 })
    rmSync(partial, { force: true })
    db.prepare('VACUUM INTO ?').run(partial)
    verifySnapshot(db, partial)
    sync(partial, 'r+')
    // Only a whole, checked copy gets the name; one of an earlier attempt is older and may go.
    renameSync(partial, path)
    // The name is durable once its folder is; Windows has no such thing to ask for.
    if (process.platform !== 'win32') sync(join(dir, 'snapshots'), 'r')
    return name
  } catch (error) {
    rmSync(partial, { force: true })
    throw failure(`the snapshot before version ${version} could not be made`, error)
  }
}

function verifySnapshot(original: Database.Database, path: string): void {
  const copy = new Database(path, { readonly: true, fileMustExist: true })
  try {
    const report = copy.pragma('integrity_check', { simple: true })
    if (report !== 'ok') throw new Error(`integrity check: ${report}`)
    const expected = JSON.stringify(countRows(original))
    const found = JSON.stringify(countRows(copy))
    if (expected !== found) throw new Error(`row counts differ: ${expected} became ${found}`)
  } finally {
    copy.close()
  }
}

function countRows(db: Database.Database): [table: string, rows: number][] {
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all()
  return tables.map((table) => {
    const name = String(table)
    return [
      name,
      Number(
        db
          .prepare(`SELECT count(*) FROM "${name.replaceAll('"', '""')}"`)
          .pluck()
          .get(),
      ),
    ]
  })
}

function sync(path: string, flags: 'r' | 'r+'): void {
  const fd = openSync(path, flags)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

const failure = (detail: string, cause: unknown): MooringError =>
  isFull(cause) || (cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC')
    ? new MooringError('storage-full', { detail, cause })
    : new MooringError('storage-failed', { detail, cause })
