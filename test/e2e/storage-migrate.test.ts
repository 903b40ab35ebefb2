/** Migrations: a checked copy before each, all of one or nothing of it. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openSqlite } from '../../daemon/storage/sqlite.ts'
import { applicationId } from '../../daemon/storage/sqlite-open.ts'
import { daemonPerson } from '../fixtures/cast.ts'
import { change, changes, createBlock, readAll, recordingLog, self } from '../fixtures/storage-entries.ts'
import { tempDir } from '../fixtures/temp-dir.ts'
import { describeStorage } from '../vectors/describe.ts'

const shipped = fileURLToPath(new URL('../../daemon/storage/migrations/', import.meta.url))

const shippedFiles = readdirSync(shipped)
  .filter((name) => name.endsWith('.sql'))
  .sort()
/** The version of a database that this program makes. */
const current = shippedFiles.length
/** Databases of earlier versions, as they were; see `test/vectors`. */
const vectorsDir = fileURLToPath(new URL('../vectors/', import.meta.url))
const vectors = readdirSync(vectorsDir).flatMap((name) => /^(\d{3})\.db\.gz$/.exec(name)?.[1] ?? [])
/** The number of the `n`th migration after those of this version, as in its file name. */
const later = (n: number): string => String(current + n).padStart(3, '0')

/** The migrations of this version and others after them. */
function migrations(others: Readonly<Record<string, string>>): string {
  const folder = tempDir()
  for (const name of shippedFiles) copyFileSync(join(shipped, name), join(folder, name))
  for (const [name, sql] of Object.entries(others)) writeFileSync(join(folder, name), sql)
  return folder
}

async function open(dir: string, migrationsDir: string, log = recordingLog()) {
  const storage = await openSqlite({ dir, log, self, migrationsDir })
  onTestFinished(() => storage.close())
  return storage
}

/** A closed database of this version with one block and five changes. */
async function currentVersion(): Promise<string> {
  const dir = tempDir()
  const storage = await open(dir, migrations({}))
  await storage.append(changes(await createBlock(storage), 'a', 5))
  await storage.close()
  return dir
}

/** Looks into a database without this project's code. */
function inspect<T>(path: string, look: (db: Database.Database) => T): T {
  const db = new Database(path, { readonly: true, fileMustExist: true })
  try {
    return look(db)
  } finally {
    db.close()
  }
}

const versionOf = (path: string) => inspect(path, (db) => db.pragma('user_version', { simple: true }))
const countOf = (path: string, table: string) =>
  inspect(path, (db) => db.prepare(`SELECT count(*) FROM ${table}`).pluck().get())

const addColour = { [`${later(1)}-colour.sql`]: "ALTER TABLE block ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey';" }

describe('migrations', () => {
  it('numbers a new database with the newest version and makes no copy of it', async () => {
    const dir = tempDir()
    const storage = await open(dir, migrations(addColour))
    await storage.close()
    expect(versionOf(join(dir, 'mooring.db'))).toBe(current + 1)
    expect(existsSync(join(dir, 'snapshots'))).toBe(false)
  })

  it('ships files that are numbered without gaps', async () => {
    expect(shippedFiles.map((name) => Number(name.slice(0, 3)))).toEqual(shippedFiles.map((_, index) => index + 1))
  })

  it('keeps a checked copy of the old version and everything that was stored', async () => {
    const dir = await currentVersion()
    const log = recordingLog()
    const storage = await open(dir, migrations(addColour), log)
    expect(await readAll(storage)).toHaveLength(5)
    await storage.close()
    const copy = join(dir, 'snapshots', `before-${later(1)}.db`)
    expect([versionOf(copy), countOf(copy, 'change')]).toEqual([current, 5])
    expect(inspect(copy, (db) => db.pragma('integrity_check', { simple: true }))).toBe('ok')
    expect(versionOf(join(dir, 'mooring.db'))).toBe(current + 1)
    expect(readdirSync(join(dir, 'snapshots'))).toEqual([`before-${later(1)}.db`])
    expect(log.lines).toMatchObject([
      { level: 'info', fields: { version: current + 1, snapshot: `snapshots/before-${later(1)}.db` } },
    ])
  })

  it('applies several in order, each with its own copy', async () => {
    const dir = await currentVersion()
    const third = { [`${later(2)}-tint.sql`]: "UPDATE block SET colour = 'blue'; CREATE INDEX tint ON block (colour);" }
    await (await open(dir, migrations({ ...addColour, ...third }))).close()
    expect(readdirSync(join(dir, 'snapshots')).sort()).toEqual([`before-${later(1)}.db`, `before-${later(2)}.db`])
    expect(versionOf(join(dir, 'snapshots', `before-${later(2)}.db`))).toBe(current + 1)
    expect(inspect(join(dir, 'mooring.db'), (db) => db.prepare('SELECT colour FROM block').pluck().all())).toEqual([
      'blue',
    ])
  })

  it.each([
    ['a statement that fails', 'ALTER TABLE block ADD COLUMN colour TEXT; INSERT INTO nowhere VALUES (1);'],
    ['a row that refers to nothing', 'DELETE FROM block;'],
  ])('undoes a migration with %s, and the old version still opens', async (_what, sql) => {
    const dir = await currentVersion()
    await expect(open(dir, migrations({ [`${later(1)}-broken.sql`]: sql }))).rejects.toMatchObject({
      code: 'storage-failed',
      detail: `migration ${later(1)}-broken.sql failed and was undone`,
    })
    const path = join(dir, 'mooring.db')
    expect([versionOf(path), countOf(path, 'change'), countOf(path, 'block')]).toEqual([current, 5, 1])
    expect(
      inspect(path, (db) =>
        db
          .prepare('SELECT * FROM block')
          .columns()
          .map(({ name }) => name),
      ),
    ).not.toContain('colour')
    const storage = await open(dir, migrations({}))
    expect(await readAll(storage)).toHaveLength(5)
  })

  it('changes nothing when the copy cannot be made', async () => {
    const dir = await currentVersion()
    writeFileSync(join(dir, 'snapshots'), 'in the way')
    await expect(open(dir, migrations(addColour))).rejects.toMatchObject({ code: 'storage-failed' })
    expect(versionOf(join(dir, 'mooring.db'))).toBe(current)
  })

  it('changes nothing when the copy does not hold what the database says it holds', async () => {
    const dir = await currentVersion()
    const path = join(dir, 'mooring.db')
    // Each of two indexes gets the pages of the other one: the log now counts no changes although it has five.
    const db = new Database(path)
    db.unsafeMode(true)
    db.pragma('writable_schema = ON')
    db.exec(`UPDATE sqlite_schema SET rootpage = (SELECT sum(rootpage) FROM sqlite_schema
      WHERE name IN ('change_by_block', 'event_by_block')) - rootpage WHERE name IN ('change_by_block', 'event_by_block')`)
    db.close()
    await expect(open(dir, migrations(addColour))).rejects.toMatchObject({
      code: 'storage-failed',
      detail: `the snapshot before version ${current + 1} could not be made`,
    })
    expect(versionOf(path)).toBe(current)
    expect(readdirSync(join(dir, 'snapshots'))).toEqual([])
  })

  it('replaces what an interrupted attempt left behind', async () => {
    const dir = await currentVersion()
    mkdirSync(join(dir, 'snapshots'))
    writeFileSync(join(dir, 'snapshots', `before-${later(1)}.db.partial`), 'half a copy')
    writeFileSync(join(dir, 'snapshots', `before-${later(1)}.db`), 'an older copy')
    await (await open(dir, migrations(addColour))).close()
    expect(countOf(join(dir, 'snapshots', `before-${later(1)}.db`), 'change')).toBe(5)
    expect(readdirSync(join(dir, 'snapshots'))).toEqual([`before-${later(1)}.db`])
  })

  it('takes a database of the first version on, with what is in it', async () => {
    const dir = tempDir()
    const path = join(dir, 'mooring.db')
    const db = new Database(path)
    db.exec(readFileSync(join(shipped, '001-initial.sql'), 'utf8'))
    db.exec("INSERT INTO epoch (id, start_seq) VALUES ('0123456789abcdef', 0)")
    db.pragma(`application_id = ${applicationId}`)
    db.pragma('user_version = 1')
    db.close()
    const storage = await open(dir, shipped)
    expect(await storage.epochs()).toHaveLength(1)
    expect(await storage.quarantined()).toEqual([])
    await storage.append(changes(await createBlock(storage), 'a', 5))
    expect(await readAll(storage)).toHaveLength(5)
    expect(versionOf(path)).toBe(current)
  })

  it.each(vectors)('takes a database of version %s on, and every row of it is sound', async (version) => {
    const dir = tempDir()
    writeFileSync(join(dir, 'mooring.db'), gunzipSync(readFileSync(join(vectorsDir, `${version}.db.gz`))))
    const log = recordingLog()
    const storage = await openSqlite({ dir, log, self: daemonPerson.peer })
    onTestFinished(() => storage.close())
    // And what later versions say besides.
    expect(await describeStorage(storage)).toMatchObject(
      JSON.parse(readFileSync(join(vectorsDir, `${version}.json`), 'utf8')),
    )
    expect(log.lines.filter(({ level }) => level !== 'info')).toEqual([])
    const [block] = await storage.blocks()
    expect(block?.metaAtMs).toBe(block?.createdAtMs)
    const from = { origin: { peer: daemonPerson.peer, replica: self as never } }
    expect(await storage.append([change(block?.id ?? 0, 'later', 1, from)])).toMatchObject([{ kind: 'stored' }])
  })

  it('refuses a folder with a missing number', async () => {
    await expect(open(tempDir(), migrations({ [`${later(2)}-late.sql`]: 'SELECT 1;' }))).rejects.toMatchObject({
      code: 'internal',
    })
  })
})
