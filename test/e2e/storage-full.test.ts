/** A full disk: nothing is half stored, reads and revocations go on, and so does everything once there is space. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { SqliteStorage } from '../../daemon/storage/sqlite.ts'
import { openSqlite } from '../../daemon/storage/sqlite.ts'
import type { BlockId, Decision } from '../../daemon/storage/storage.ts'
import {
  alice,
  approve,
  change,
  createBlock,
  peerRow,
  readAll,
  recordingLog,
  self,
} from '../fixtures/storage-entries.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const full = { code: 'storage-full' }

/** Appends until a call is refused. @returns how many changes are stored */
async function fill(storage: SqliteStorage, block: BlockId, bytes: number): Promise<number> {
  for (let n = 1; n < 100_000; n += 2) {
    const pair = [n, n + 1].map((m) => change(block, 'a', m, { bytes: new Uint8Array(bytes) }))
    const code = await storage.append(pair).then(
      () => undefined,
      (error: { code: string }) => error.code,
    )
    if (code !== undefined) {
      expect(code).toBe('storage-full')
      return n - 1
    }
  }
  throw new Error('the disk was never full')
}

const revoke: Decision = {
  atMs: 1,
  peer: {
    // Larger than what the last refused call left over.
    row: peerRow(alice, { state: 'revoked', grantVersion: 2, grants: [], manifest: 'm'.repeat(200_000) }),
    expectGrantVersion: 1,
  },
}

/** What holds on a full disk, however it came to be full. */
async function expectReadable(storage: SqliteStorage, block: BlockId, stored: number): Promise<void> {
  const rows = await readAll(storage)
  expect(rows).toHaveLength(stored)
  expect(await storage.lastSeq()).toBe(stored + 1)
  expect((await storage.blockState(block)).row).toMatchObject({ changes: stored, visibleSeq: stored + 1 })
  expect(storage.failed.aborted).toBe(false)
}

describe('a database at its bound', () => {
  it('refuses whole calls, revokes through the reserve, and goes on when there is space', async () => {
    const dir = tempDir()
    const log = recordingLog()
    const storage = await openSqlite({ dir, log, self, maxPages: 300 })
    onTestFinished(() => storage.close())
    const block = await createBlock(storage)
    await approve(storage, alice)
    await storage.putSnapshot({ block, seq: 1, changes: 0, heads: [], bytes: new Uint8Array(400_000) })
    const stored = await fill(storage, block, 3_000)
    expect(stored).toBeGreaterThan(20)
    await expectReadable(storage, block, stored)

    await expect(storage.decide(revoke)).rejects.toMatchObject(full)
    expect((await storage.peers())[0]?.state).toBe('approved')
    await storage.decide(revoke, { urgent: true })
    expect((await storage.peers())[0]?.state).toBe('revoked')
    expect(existsSync(join(dir, 'reserve'))).toBe(false)
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)

    // What the reserve gave is for decisions only.
    await expect(storage.append([change(block, 'a', stored + 1)])).rejects.toMatchObject(full)
    await expectReadable(storage, block, stored)

    const shrink = () => storage.putSnapshot({ block, seq: 1, changes: 0, heads: [], bytes: new Uint8Array(9) })
    await vi.waitFor(shrink, { timeout: 5_000 })
    expect(statSync(join(dir, 'reserve')).size).toBe(1024 * 1024)
    expect(await storage.append([change(block, 'a', stored + 1)])).toEqual([{ kind: 'stored', seq: stored + 2 }])
    await expectReadable(storage, block, stored + 1)
  })

  it('refuses what is too large and takes what fits afterwards', async () => {
    const storage = await openSqlite({ dir: tempDir(), log: recordingLog(), self, maxPages: 120 })
    onTestFinished(() => storage.close())
    const block = await createBlock(storage)
    const large = [change(block, 'a', 1), change(block, 'b', 1, { bytes: new Uint8Array(900_000) })]
    for (let n = 0; n < 3; n += 1) await expect(storage.append(large)).rejects.toMatchObject(full)
    await expectReadable(storage, block, 0)
    expect(await storage.append([change(block, 'a', 1)])).toEqual([{ kind: 'stored', seq: 2 }])
    await expectReadable(storage, block, 1)
  })

  it('starts on a full disk and can revoke there', async () => {
    const dir = tempDir()
    const init = { dir, log: recordingLog(), self, maxPages: 120 }
    const first = await openSqlite(init)
    onTestFinished(() => first.close())
    const block = await createBlock(first)
    await approve(first, alice)
    const stored = await fill(first, block, 3_000)
    await first.close()
    const storage = await openSqlite(init)
    onTestFinished(() => storage.close())
    await storage.openEpoch()
    await storage.decide(revoke, { urgent: true })
    await expectReadable(storage, block, stored)
  })
})

/** A file system of a few megabytes, if this machine lets us have one. */
function mountSmall(): string | undefined {
  const dir = join(tempDir(), 'small')
  mkdirSync(dir)
  if (process.platform !== 'linux') return undefined
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', dir]).status !== 0) return undefined
  onTestFinished(() => void spawnSync('umount', ['-l', dir]))
  return dir
}

describe('a full file system', () => {
  it('refuses whole calls, revokes through the reserve, and goes on when there is space', async (context) => {
    const dir = mountSmall()
    if (dir === undefined) return context.skip('mounting a small file system takes Linux and root')
    const ballast = join(dir, 'ballast')
    // Not folded back in between, which could make room.
    const storage = await openSqlite({ dir, log: recordingLog(), self, idleMs: 600_000 })
    onTestFinished(() => storage.close())
    const block = await createBlock(storage)
    await approve(storage, alice)
    writeFileSync(ballast, Buffer.alloc(2 * 1024 * 1024, 1))
    const stored = await fill(storage, block, 20_000)
    await expectReadable(storage, block, stored)

    await expect(storage.decide(revoke)).rejects.toMatchObject(full)
    await storage.decide(revoke, { urgent: true })
    expect((await storage.peers())[0]?.state).toBe('revoked')
    expect(existsSync(join(dir, 'reserve'))).toBe(false)
    await expect(storage.append([change(block, 'a', stored + 1)])).rejects.toMatchObject(full)
    await expectReadable(storage, block, stored)

    rmSync(ballast)
    const append = () => storage.append([change(block, 'a', stored + 1)])
    expect(await vi.waitFor(append, { timeout: 5_000 })).toEqual([{ kind: 'stored', seq: stored + 2 }])
    expect(statSync(join(dir, 'reserve')).size).toBe(1024 * 1024)
    await storage.close()
    const again = await openSqlite({ dir, log: recordingLog(), self })
    onTestFinished(() => again.close())
    await expectReadable(again, block, stored + 1)
    expect((await again.peers())[0]?.state).toBe('revoked')
  })
})
