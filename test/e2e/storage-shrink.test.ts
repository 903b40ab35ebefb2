/** The database gets shorter when rows go, while nothing else is going on, also one that an earlier version made. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { openSqlite } from '../../daemon/storage/sqlite.ts'
import type { BlockId, Storage } from '../../daemon/storage/storage.ts'
import { change, changes, createBlock, readAll, recordingLog, self } from '../fixtures/storage-entries.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const count = 3_000
const bytes = new Uint8Array(4_000).fill(7)
const megabyte = 1024 * 1024

const sizeOf = (dir: string): number =>
  ['mooring.db', 'mooring.db-wal'].reduce(
    (sum, name) => sum + (statSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  )

async function open(dir: string): Promise<Storage> {
  const storage = await openSqlite({ dir, log: recordingLog(), self, idleMs: 5 })
  onTestFinished(() => storage.close())
  return storage
}

async function fill(storage: Storage): Promise<BlockId> {
  const block = await createBlock(storage)
  await storage.append(changes(block, 'a', count, { bytes }))
  return block
}

async function foldAll(storage: Storage, block: BlockId): Promise<void> {
  const until = await storage.lastSeq()
  await storage.putSnapshot({ block, seq: until, changes: count, heads: [], bytes: new Uint8Array(1_000) })
  await storage.putVerified({ block, seq: until, heads: [] })
  while ((await storage.fold({ block, until, maxRows: 500 })).rows > 0);
}

describe('the file of a database', () => {
  it('gets shorter, and takes new rows meanwhile', async () => {
    const dir = tempDir()
    const storage = await open(dir)
    const block = await fill(storage)
    await foldAll(storage, block)
    await storage.append([change(block, 'a', count + 1)])
    await vi.waitFor(() => expect(sizeOf(dir)).toBeLessThan(2 * megabyte), { timeout: 20_000, interval: 20 })
    expect(await readAll(storage)).toHaveLength(1)
  })

  it('of an earlier version is given the form in which it can', async () => {
    const dir = tempDir()
    const first = await open(dir)
    const block = await fill(first)
    await first.close()
    const db = new Database(join(dir, 'mooring.db'))
    db.pragma('auto_vacuum = NONE')
    db.exec('VACUUM')
    expect(db.pragma('auto_vacuum', { simple: true })).toBe(0)
    db.close()

    const storage = await open(dir)
    expect(await readAll(storage)).toHaveLength(count)
    await foldAll(storage, block)
    await vi.waitFor(() => expect(sizeOf(dir)).toBeLessThan(2 * megabyte), { timeout: 20_000, interval: 20 })
  })
})
