/** Nothing acknowledged is lost: a process that is killed in the middle of its commits, and a log that is torn. */
import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openStorage } from '../../daemon/storage/index.ts'
import { openSqlite } from '../../daemon/storage/sqlite.ts'
import { LineProcess } from '../fixtures/line-process.ts'
import { change, createBlock, readAll, recordingLog, self } from '../fixtures/storage-entries.ts'
import { checkWritten, writtenBytes } from '../fixtures/storage-writer.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const writer = new URL('../fixtures/storage-writer.ts', import.meta.url)
const seed = Number(process.env.MOORING_SEED ?? 20_261)
const kills = Number(process.env.STORAGE_KILLS ?? 50)

/** Numbers from 0 to 1 that follow from the seed. */
function seeded(start: number): () => number {
  let state = start
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

const open = (dir: string) => openStorage({ backend: 'sqlite', dir, log: recordingLog(), self })
const countOf = (line: string): number => Number(line.split(' ')[1])

describe('a killed process', () => {
  it(`loses nothing acknowledged and keeps whole calls only, ${kills} times (MOORING_SEED=${seed})`, async () => {
    const dir = tempDir()
    const random = seeded(seed)
    // The next processes are started ahead: loading the program is not what is tested.
    const ready = Array.from({ length: 2 }, () => LineProcess.run(writer, 'append', dir))
    let acked = 0
    let recovered = 0
    for (let round = 0; round < kills; round += 1) {
      const child = ready.shift() ?? LineProcess.run(writer, 'append', dir)
      child.send(`go ${recovered}`)
      recovered = countOf(await child.expectLine())
      expect(recovered, `round ${round}`).toBeGreaterThanOrEqual(acked)
      const acks = 1 + Math.floor(random() * 30)
      for (let n = 0; n < acks; n += 1) acked = Math.max(acked, countOf(await child.expectLine()))
      const killed = child.kill()
      ready.push(LineProcess.run(writer, 'append', dir))
      // What it had printed before it died counts as well.
      for (let line = await child.next(); line !== undefined; line = await child.next()) {
        acked = Math.max(acked, countOf(line))
      }
      await killed
    }
    await Promise.all(ready.map((child) => child.kill()))
    const storage = await open(dir)
    onTestFinished(() => storage.close())
    expect(await checkWritten(storage, 0)).toBeGreaterThanOrEqual(acked)
    await storage.close()
    const db = new Database(join(dir, 'mooring.db'), { readonly: true })
    onTestFinished(() => void db.close())
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    expect(db.pragma('foreign_key_check')).toEqual([])
  }, 120_000)
})

describe('a torn write-ahead log', () => {
  it(`opens to a whole prefix wherever it is cut or damaged (MOORING_SEED=${seed})`, async () => {
    const random = seeded(seed)
    const source = tempDir()
    // Not folded back while the test looks at it.
    const storage = await openSqlite({ dir: source, log: recordingLog(), self, idleMs: 600_000 })
    onTestFinished(() => storage.close())
    await createBlock(storage)
    let count = 0
    for (let size = 1; size <= 20; size += 1) {
      const entries = Array.from({ length: size }, (_, index) => {
        count += 1
        return change(1, 'writer', count, { bytes: writtenBytes(count, index, size) })
      })
      await storage.append(entries)
    }
    const logBytes = statSync(join(source, 'mooring.db-wal')).size
    let shortened = 0
    for (let round = 0; round < 12; round += 1) {
      const dir = tempDir()
      for (const name of ['mooring.db', 'mooring.db-wal']) copyFileSync(join(source, name), join(dir, name))
      const log = readFileSync(join(dir, 'mooring.db-wal'))
      // The first half holds the schema; the calls are in the second.
      const at = Math.floor(logBytes * (0.5 + random() / 2))
      log.writeUInt8(log.readUInt8(at) ^ 0x10, at)
      writeFileSync(join(dir, 'mooring.db-wal'), round % 2 === 0 ? log.subarray(0, at) : log)
      const torn = await open(dir)
      onTestFinished(() => torn.close())
      const found = await checkWritten(torn, 0)
      expect(found).toBeLessThanOrEqual(count)
      if (found < count) shortened += 1
      await torn.append([change(1, 'writer', found + 1, { bytes: writtenBytes(found + 1, 0, 1) })])
      expect(await readAll(torn)).toHaveLength(found + 1)
      await torn.close()
    }
    expect(shortened).toBeGreaterThan(0)
  }, 60_000)
})
