/** A file that is damaged, foreign or newer is not opened and not changed; a damaged row is never served. */
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openStorage } from '../../daemon/storage/index.ts'
import { change, changes, createBlock, recordingLog, self } from '../fixtures/storage-entries.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const databaseOf = (dir: string): string => join(dir, 'mooring.db')

async function open(dir: string, log = recordingLog()) {
  const storage = await openStorage({ backend: 'sqlite', dir, log, self })
  onTestFinished(() => storage.close())
  return storage
}

/** A closed database with one block and three changes, the second of which has bytes that are found easily. */
async function makeDatabase(marker = 'x'.repeat(64)) {
  const dir = tempDir()
  const storage = await open(dir)
  const block = await createBlock(storage)
  const bytes = Buffer.from(marker)
  await storage.append([change(block, 'a', 1), change(block, 'a', 2, { bytes }), change(block, 'a', 3)])
  await storage.putSnapshot({ block, seq: 4, changes: 3, heads: [], bytes: Buffer.from(`snapshot ${marker}`) })
  await storage.close()
  return { dir, block }
}

/** Turns bits of one byte of the database file. */
function flip(dir: string, at: number): void {
  const file = readFileSync(databaseOf(dir))
  file.writeUInt8(file.readUInt8(at) ^ 0x24, at)
  writeFileSync(databaseOf(dir), file)
}

/** The files that hold data; the lock and the reserve hold none. */
const content = (dir: string) =>
  readdirSync(dir)
    .filter(
      (name) => name.startsWith('mooring.db') && !name.endsWith('-shm') && readFileSync(join(dir, name)).length > 0,
    )
    .map((name) => [name, readFileSync(join(dir, name)).toString('base64')])

async function expectUntouched(dir: string, code: string): Promise<void> {
  const before = content(dir)
  await expect(open(dir)).rejects.toMatchObject({ code })
  expect(content(dir)).toEqual(before)
  // The refusal left no lock behind.
  await expect(open(dir)).rejects.toMatchObject({ code })
}

describe('a file that cannot be used', () => {
  it('is refused when it is not a database', async () => {
    const dir = tempDir()
    writeFileSync(databaseOf(dir), 'this is a shopping list\n'.repeat(500))
    await expectUntouched(dir, 'database-corrupt')
  })

  it('is refused when its header is damaged', async () => {
    const { dir } = await makeDatabase()
    flip(dir, 3)
    await expectUntouched(dir, 'database-corrupt')
  })

  it.each([
    ['page size', 16],
    ['schema format', 47],
    ['first page', 100],
  ])('is refused when its %s is damaged', async (_what, at) => {
    const { dir } = await makeDatabase()
    flip(dir, at)
    await expectUntouched(dir, 'database-corrupt')
  })

  it('is refused when it was cut off', async () => {
    const { dir } = await makeDatabase()
    truncateSync(databaseOf(dir), 4_096)
    await expectUntouched(dir, 'database-corrupt')
  })

  it('is refused when only its write-ahead log is left', async () => {
    const { dir } = await makeDatabase()
    writeFileSync(`${databaseOf(dir)}-wal`, 'something that may be all that is left')
    truncateSync(databaseOf(dir), 0)
    await expectUntouched(dir, 'database-corrupt')
  })

  it('is refused when it belongs to another program', async () => {
    const dir = tempDir()
    const db = new Database(databaseOf(dir))
    db.exec("CREATE TABLE recipe (name TEXT); INSERT INTO recipe VALUES ('soup')")
    db.close()
    await expectUntouched(dir, 'database-corrupt')
  })

  it('is refused when a newer version wrote it', async () => {
    const { dir } = await makeDatabase()
    const db = new Database(databaseOf(dir))
    db.pragma('user_version = 999')
    db.close()
    await expectUntouched(dir, 'database-newer')
  })

  it('is refused when a newer version wrote it and did not fold its log back', async () => {
    const { dir } = await makeDatabase()
    const db = new Database(databaseOf(dir))
    onTestFinished(() => void db.close())
    db.pragma('user_version = 999')
    const copy = tempDir()
    for (const name of ['mooring.db', 'mooring.db-wal']) writeFileSync(join(copy, name), readFileSync(join(dir, name)))
    await expectUntouched(copy, 'database-newer')
  })
})

describe('a damaged row', () => {
  it('ends the page before it, is reported and never served', async () => {
    const marker = 'find me: this text is what the change holds, and a bit of it turns'
    const { dir, block } = await makeDatabase(marker)
    flip(dir, readFileSync(databaseOf(dir)).indexOf(marker) + 20)
    const log = recordingLog()
    const storage = await open(dir, log)
    const page = await storage.readLog({ after: 0, until: 4, maxBytes: 1_000_000 })
    expect([page.rows.map(({ seq }) => seq), page.next]).toEqual([[2], 2])
    const damaged = { code: 'database-corrupt', detail: `damaged change row 3 of block ${block}` }
    await expect(storage.readLog({ after: 2, until: 4, maxBytes: 1 })).rejects.toMatchObject(damaged)
    await expect(storage.readLog({ after: 2, until: 4, block, maxBytes: 1 })).rejects.toMatchObject(damaged)
    const fields = { table: 'change', block, key: '3' }
    expect(log.lines.filter(({ level }) => level === 'error')).toMatchObject([{ fields }])
    // What lies behind it and beside it is as good as it was.
    const rest = await storage.readLog({ after: 3, until: 4, maxBytes: 1 })
    expect(rest.rows.map(({ seq }) => seq)).toEqual([4])
    const other = await createBlock(storage, 'space:home/other')
    expect(await storage.append(changes(other, 'a', 2))).toMatchObject([{ seq: 6 }, { seq: 7 }])
    expect(storage.failed.aborted).toBe(false)
  })

  it.each(['hash', 'actor_seq', 'max_op', 'origin', 'block', 'actor'])(
    'is noticed in the column %s',
    async (column) => {
      const { dir } = await makeDatabase()
      const db = new Database(databaseOf(dir))
      db.pragma('foreign_keys = OFF')
      const blob = column === 'hash' || column === 'actor'
      const value = blob ? Buffer.alloc(column === 'hash' ? 32 : 24, 1) : 77
      db.prepare(`UPDATE change SET ${column} = ? WHERE seq = 2`).run(value)
      db.close()
      const storage = await open(dir)
      await expect(storage.readLog({ after: 0, until: 4, maxBytes: 1 })).rejects.toMatchObject({
        code: 'database-corrupt',
      })
    },
  )

  it('is not served as a snapshot either', async () => {
    const { dir, block } = await makeDatabase('snapshot text that is long enough')
    flip(dir, readFileSync(databaseOf(dir)).indexOf('snapshot snapshot') + 12)
    const storage = await open(dir)
    const detail = `damaged snapshot row ${block} of block ${block}`
    await expect(storage.snapshot(block)).rejects.toMatchObject({ code: 'database-corrupt', detail })
    await storage.putSnapshot({ block, seq: 4, changes: 3, heads: [], bytes: new Uint8Array(3) })
    expect((await storage.snapshot(block))?.bytes).toEqual(new Uint8Array(3))
  })
})
