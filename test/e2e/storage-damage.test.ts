/** A file that is damaged, foreign or newer is not opened and not changed; a damaged row is never served. */
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type CheckPosition, openStorage } from '../../daemon/storage/index.ts'
import {
  alice,
  approve,
  change,
  changeHash,
  changes,
  createBlock,
  peerRow,
  recordingLog,
  self,
} from '../fixtures/storage-entries.ts'
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
  it('is passed over, is reported once and never served', async () => {
    const marker = 'find me: this text is what the change holds, and a bit of it turns'
    const { dir, block } = await makeDatabase(marker)
    flip(dir, readFileSync(databaseOf(dir)).indexOf(marker) + 20)
    const log = recordingLog()
    const storage = await open(dir, log)
    const met: unknown[] = []
    storage.onDamage((row) => met.push(row))
    const found = { seq: 3, block, hash: changeHash(block, 'a', 2), actorSeq: 2 }
    for (const query of [
      { maxBytes: 1_000_000 },
      { block, maxBytes: 1_000_000 },
      { block: [block, 9], maxBytes: 1_000_000 },
    ]) {
      const page = await storage.readLog({ after: 0, until: 4, ...query })
      expect([page.rows.map(({ seq }) => seq), page.next]).toEqual([[2, 4], 4])
      expect(page.damaged).toMatchObject([found])
    }
    // Also where the page has nothing else, and moves on all the same.
    const page = await storage.readLog({ after: 2, until: 4, maxBytes: 1 })
    expect([page.rows, page.damaged.length, page.next]).toEqual([[], 1, 3])
    await expect(storage.blockState(block)).rejects.toMatchObject({ code: 'block-damaged' })
    const row = { table: 'change', block, key: '3' }
    expect(log.lines.filter(({ level }) => level === 'error')).toMatchObject([{ fields: row }])
    expect(met).toEqual(Array.from({ length: 5 }, () => row))
    // Whoever listens later is told, too.
    const late: unknown[] = []
    storage.onDamage((each) => late.push(each))
    expect(late).toEqual([row])
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
      const { rows, damaged } = await storage.readLog({ after: 0, until: 4, maxBytes: 1_000_000 })
      expect([rows.map(({ seq }) => seq), new Set(damaged.map(({ seq }) => seq))]).toEqual([[3, 4], new Set([2])])
    },
  )

  it('is not served as a snapshot either', async () => {
    const { dir, block } = await makeDatabase('snapshot text that is long enough')
    flip(dir, readFileSync(databaseOf(dir)).indexOf('snapshot snapshot') + 12)
    const storage = await open(dir)
    await expect(storage.snapshot(block)).rejects.toMatchObject({ code: 'block-damaged' })
    await storage.putSnapshot({ block, seq: 4, changes: 3, heads: [], bytes: new Uint8Array(3) })
    expect((await storage.snapshot(block))?.bytes).toEqual(new Uint8Array(3))
  })

  it('is found by looking through everything, whoever reads', async () => {
    const { dir, block } = await makeDatabase('snapshot text that is long enough')
    const db = new Database(databaseOf(dir))
    db.exec("UPDATE change SET max_op = 77 WHERE seq = 2; UPDATE event SET data = '{}'; UPDATE clock SET seq = seq + 1")
    db.exec("UPDATE object SET depth = 2; UPDATE snapshot SET heads = x''; UPDATE snapshot SET changes = 9")
    db.close()
    const log = recordingLog()
    const storage = await open(dir, log)
    let position: CheckPosition | undefined = { part: 'log', after: 0 }
    while (position !== undefined) position = await storage.lookThrough(position)
    const tables = log.lines.filter(({ level }) => level === 'error').map(({ fields }) => fields.table)
    expect(new Set(tables)).toEqual(new Set(['change', 'event', 'clock', 'object', 'snapshot']))
    expect(log.lines.find(({ fields }) => fields.table === 'change')?.fields).toMatchObject({ block, key: '2' })
  })

  it.each(['row', 'index'] as const)('whose %s alone rots can be changed all the same', async (where) => {
    const { dir, block } = await makeDatabase()
    const first = await open(dir)
    await approve(first, alice)
    await first.close()
    // The name of a peer stands in its row, and in the index that keeps names apart.
    const file = readFileSync(databaseOf(dir))
    flip(dir, (where === 'row' ? file.indexOf('plugin-a') : file.lastIndexOf('plugin-a')) + 7)
    const storage = await open(dir)
    const [found] = await storage.peers()
    expect(found?.isDamaged).toBe(where === 'row' ? true : undefined)
    await storage.decide({ atMs: 1, peer: { row: peerRow(alice, { grantVersion: 2 }), expectGrantVersion: 1 } })
    expect(await storage.peers()).toMatchObject([{ name: 'plugin-a', grantVersion: 2, state: 'approved' }])
    expect(await storage.append([change(block, 'a', 4)])).toMatchObject([{ kind: 'stored' }])
  })
})
