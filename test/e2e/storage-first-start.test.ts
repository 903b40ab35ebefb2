/** The power goes while a database gets its first page: the next start finds a journal to roll back, and goes on from nothing. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, it, onTestFinished } from 'vitest'
import { openSqlite } from '../../daemon/storage/sqlite.ts'
import { openSqliteStore } from '../../plugin-sdk/memory/sqlite-store.ts'
import type { ReplicaId } from '../../protocol/ids.ts'
import { createBlock, recordingLog, self } from '../fixtures/storage-entries.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

/** A file with one page, and a journal that says that there was none. */
function leaveHalfMade(path: string): void {
  const whole = join(tempDir(), 'whole.db')
  const db = new Database(whole)
  db.pragma('user_version = 0')
  db.exec('CREATE TABLE t (x); DROP TABLE t')
  db.close()
  writeFileSync(path, readFileSync(whole).subarray(0, 4_096))
  const journal = Buffer.alloc(512)
  // Magic, records, nonce, pages before, bytes of a sector, bytes of a page.
  Buffer.from('d9d505f920a163d7', 'hex').copy(journal)
  for (const [index, value] of [0, 1, 0, 512, 4_096].entries()) journal.writeUInt32BE(value, 8 + 4 * index)
  writeFileSync(`${path}-journal`, journal)
  expect(() => {
    const reader = new Database(path, { readonly: true })
    try {
      reader.pragma('user_version')
    } finally {
      reader.close()
    }
  }).toThrow('readonly')
}

it('does not keep the daemon from starting', async () => {
  const dir = tempDir()
  leaveHalfMade(join(dir, 'mooring.db'))
  const storage = await openSqlite({ dir, log: recordingLog(), self })
  onTestFinished(() => storage.close())
  expect(await createBlock(storage)).toBe(1)
})

it('does not keep a plugin from starting', async () => {
  const path = join(tempDir(), 'replica.db')
  leaveHalfMade(path)
  const store = await openSqliteStore({ path, daemon: self, replica: '1'.repeat(32) as ReplicaId })
  onTestFinished(() => store.close())
  expect(store.state.blocks).toEqual([])
})
