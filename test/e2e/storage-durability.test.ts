/** What durability rests on: the settings of the connection that writes, and that a failure ends every promise. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { SqliteInit, SqliteStorage } from '../../daemon/storage/sqlite.ts'
import { openSqlite } from '../../daemon/storage/sqlite.ts'
import { LineProcess } from '../fixtures/line-process.ts'
import { change, changes, createBlock, readAll, recordingLog, self } from '../fixtures/storage-entries.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

async function open(dir: string, init: Partial<SqliteInit> = {}): Promise<SqliteStorage> {
  const storage = await openSqlite({ dir, log: recordingLog(), self, ...init })
  onTestFinished(() => storage.close())
  return storage
}

describe('durability', () => {
  it('writes with synchronous=FULL into a write-ahead log, and trusts nothing in the file', async () => {
    const storage = await open(tempDir())
    const settings = await storage.settings()
    expect(settings).toMatchObject({
      synchronous: 2,
      journalMode: 'wal',
      foreignKeys: 1,
      trustedSchema: 0,
      cellSizeCheck: 1,
      busyTimeoutMs: 50,
      walAutocheckpoint: 0,
    })
    expect(settings.journalSizeLimit).toBeGreaterThan(0)
  })

  it('folds the write-ahead log back when nothing is going on', async () => {
    const dir = tempDir()
    const storage = await open(dir, { idleMs: 50 })
    const block = await createBlock(storage)
    await storage.append(changes(block, 'a', 200))
    const folded = () =>
      vi.waitFor(() => expect(statSync(join(dir, 'mooring.db-wal')).size).toBe(0), { timeout: 10_000 })
    await folded()
    await storage.append([change(block, 'b', 1)])
    await folded()
    expect(await readAll(storage)).toHaveLength(201)
  })

  it('keeps the write-ahead log short while it is written to and read from all the time', async () => {
    const dir = tempDir()
    const storage = await open(dir, { idleMs: 600_000, walPages: 50 })
    const block = await createBlock(storage)
    const bytes = new Uint8Array(3_500).fill(7)
    let isDone = false
    const reading = (async () => {
      while (!isDone) await storage.readLog({ after: 0, until: await storage.lastSeq(), maxBytes: 1_000_000 })
    })()
    const sizes: number[] = []
    for (let call = 0; call < 300; call++) {
      await storage.append(changes(block, `actor${call}`, 8, { bytes }))
      sizes.push(statSync(join(dir, 'mooring.db-wal')).size)
    }
    isDone = true
    await reading
    // Ten megabytes were written; four times fifty pages is where readers have to let go.
    expect(Math.max(...sizes)).toBeLessThan(2 * 1024 * 1024)
    expect(await readAll(storage)).toHaveLength(2_400)
  }, 30_000)
})

describe('a failure', () => {
  it.each(['store', 'reader'])('of the %s thread ends every promise', async (role) => {
    const workers: Worker[] = []
    const onWorker = (worker: Worker): void => void workers.push(worker)
    process.on('worker', onWorker)
    onTestFinished(() => void process.off('worker', onWorker))
    const dir = tempDir()
    const log = recordingLog()
    const storage = await open(dir, { log })
    const block = await createBlock(storage)
    const index = role === 'store' ? 0 : 1
    const pending = role === 'store' ? storage.append(changes(block, 'a', 5_000)) : storage.blockState(block)
    const settled = pending.then(
      () => 'stored',
      (error: { code?: string }) => error.code,
    )
    await workers[index]?.terminate()
    // A call that the thread had finished before it died may be answered; it must not stay open.
    expect(['stored', 'storage-failed']).toContain(await settled)
    expect(storage.failed.aborted).toBe(true)
    expect(storage.failed.reason).toMatchObject({ code: 'storage-failed' })
    await expect(storage.append([change(block, 'a', 1)])).rejects.toMatchObject({ code: 'storage-failed' })
    await expect(storage.lastSeq()).rejects.toMatchObject({ code: 'storage-failed' })
    expect(log.lines.some(({ level }) => level === 'error')).toBe(true)
    await storage.close()
    const again = await open(dir)
    expect((await again.blocks()).map(({ id }) => id)).toEqual([block])
  })

  // A bound on the size of files makes a write fail that is no matter of space: SQLite reports an I/O error.
  it.skipIf(process.platform === 'win32')(
    'of a write stops everything, and the next start has what was stored before',
    async () => {
      const dir = tempDir()
      const writer = new URL('../fixtures/storage-writer.ts', import.meta.url).pathname
      // In blocks of 512 or 1024 bytes, depending on the shell: 8 or 16 MiB.
      const script = 'ulimit -f 16384 && exec "$0" "$@"'
      const child = new LineProcess('/bin/sh', ['-c', script, process.execPath, writer, 'overflow', dir])
      expect(await child.expectLine()).toBe('result storage-failed storage-failed true storage-failed')
      await child.kill()
      const storage = await open(dir)
      const rows = await readAll(storage)
      expect(rows.length % 101).toBe(0)
      expect(rows.map(({ actorSeq }) => actorSeq)).toEqual(rows.map((_, index) => index + 1))
    },
    30_000,
  )
})
