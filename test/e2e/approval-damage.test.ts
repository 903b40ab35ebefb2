/** What the operator decided about a plugin, on a disk that turns a bit of it: nothing holds until it is decided anew. */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openSqlite } from '../../daemon/storage/sqlite.ts'
import type { Storage } from '../../daemon/storage/storage.ts'
import { recordingLog } from '../fixtures/storage-entries.ts'
import { tempDir } from '../fixtures/temp-dir.ts'
import { alice, bob, openWorld } from '../unit/daemon/approvals/world.ts'

const wants = ['blocks:read:space:home/*', 'blocks:write:space:home/*']

async function open(dir: string): Promise<Storage> {
  const storage = await openSqlite({ dir, log: recordingLog() })
  onTestFinished(() => storage.close())
  return storage
}

/** Two approved plugins, and a bit that turned in what one of them was granted. */
async function damaged(sql: string) {
  const dir = tempDir()
  const storage = await open(dir)
  const before = await openWorld({ storage })
  await before.approve(alice, wants, { name: 'notes' })
  await before.approve(bob, wants, { name: 'other' })
  await before.approvals.stop()
  await storage.close()
  const db = new Database(join(dir, 'mooring.db'))
  db.prepare(sql).run(alice)
  db.close()
  return { dir, world: await openWorld({ storage: await open(dir) }) }
}

const widened = "UPDATE grant_ SET text = 'blocks:read:space:*' WHERE peer = ? AND n = 0"

describe('a grant that rotted', () => {
  it.each([
    ['wider', widened],
    ['gone', 'DELETE FROM grant_ WHERE peer = ? AND n = 1'],
    ['of a version before', 'UPDATE peer SET grant_version = grant_version - 1 WHERE peer = ?'],
  ])('that is %s lets nobody in, and nobody else is kept out', async (_what, sql) => {
    const { world } = await damaged(sql)
    expect(world.approvals.grantOf(alice)).toBeUndefined()
    expect(world.approvals.standing(alice)).toBe('denied')
    expect(await world.hello(alice, wants)).toMatchObject({ state: 'pending' })
    expect(await world.hello(bob, wants)).toMatchObject({ state: 'approved' })
  })

  it('holds again once it was decided anew, under a version that was never used', async () => {
    const { dir, world } = await damaged(widened)
    await world.approve(alice, wants)
    expect(world.approvals.grantOf(alice)).toMatchObject({ texts: wants, grantVersion: 2 })
    await world.approvals.stop()
    await world.storage.close()
    const after = await openWorld({ storage: await open(dir) })
    expect(after.approvals.grantOf(alice)).toMatchObject({ texts: wants, grantVersion: 2 })
  })

  it('of a key that was revoked stays out', async () => {
    const { world } = await damaged("UPDATE peer SET state = 'revoked' WHERE peer = ?")
    await expect(world.hello(alice, wants)).rejects.toMatchObject({ code: 'revoked' })
  })

  it('does not keep the daemon from starting, whatever is left of the row', async () => {
    const { world } = await damaged("UPDATE peer SET asked = '[', manifest = '{', name = '' WHERE peer = ?")
    expect(world.approvals.grantOf(alice)).toBeUndefined()
    expect(world.approvals.grantOf(bob)).toBeDefined()
  })
})
