/** Quarantine, release, suspensions and verified positions. */
import { describe, expect, it } from 'vitest'
import type { QuarantinedChange, QuarantineEntry, ReleaseEntry, Storage } from '../../daemon/storage/storage.ts'
import {
  alice,
  bob,
  change,
  changeHash,
  changes,
  createBlock,
  daemon,
  initialHash,
  mallory,
  readAll,
  self,
} from '../fixtures/storage-entries.ts'
import type { StorageSetup } from './storage.suite.ts'

/** The `n`th change of actor `a`, which is in row `n + 1` of a log with one block. */
const aside = (block: number, n: number, cause?: number): QuarantinedChange => {
  const { hash, actor, actorSeq } = change(block, 'a', n)
  const reason = `reason ${n}`
  return {
    hash,
    seq: n + 1,
    actor,
    actorSeq,
    peer: mallory.peer,
    cause: cause === undefined ? undefined : changeHash(block, 'a', cause),
    reason,
  }
}

const quarantine = (block: number, list: QuarantinedChange[], suspend: QuarantineEntry['suspend'] = []) => ({
  kind: 'quarantine' as const,
  origin: daemon,
  grantVersion: 0,
  block,
  changes: list,
  suspend,
  atMs: 7_000,
})

const release = (block: number, ...list: ReleaseEntry['changes']) => ({
  kind: 'release' as const,
  origin: daemon,
  grantVersion: 0,
  block,
  changes: list,
})

/** Four changes of one actor in rows 2 to 5, of which the last two are set aside by event 6. */
async function withTwoAside(storage: Storage): Promise<number> {
  const block = await createBlock(storage)
  await storage.append(changes(block, 'a', 4))
  const list = [aside(block, 3), aside(block, 4, 3)]
  const outcomes = await storage.append([quarantine(block, list, [{ peer: mallory.peer, reason: 'first' }])])
  expect(outcomes).toEqual([{ kind: 'stored', seq: 6 }])
  return block
}

export function quarantineCases(setup: StorageSetup): void {
  describe('quarantine', () => {
    it('keeps the rows, takes a position, and counts and heads are without them', async () => {
      const { storage } = await setup(self)
      const block = await withTwoAside(storage)
      expect(await storage.quarantined()).toEqual([
        { ...aside(block, 3), block, eventSeq: 6, atMs: 7_000 },
        { ...aside(block, 4, 3), block, eventSeq: 6, atMs: 7_000 },
      ])
      expect(await storage.lastSeq()).toBe(6)
      expect((await readAll(storage)).map(({ seq }) => seq)).toEqual([2, 3, 4, 5])
      expect((await storage.blocks())[0]).toMatchObject({ changes: 2, heads: [], visibleSeq: 6 })
      expect((await storage.blockState(block)).known).toHaveLength(4)
    })

    it('takes a change once, however often it is set aside', async () => {
      const { storage } = await setup(self)
      const block = await withTwoAside(storage)
      await storage.append([quarantine(block, [aside(block, 2, 1), { ...aside(block, 3), reason: 'another' }])])
      expect((await storage.quarantined()).map(({ seq, reason }) => [seq, reason])).toEqual([
        [3, 'reason 2'],
        [4, 'reason 3'],
        [5, 'reason 4'],
      ])
      expect((await storage.blocks())[0]).toMatchObject({ changes: 1 })
    })

    it('is refused for a block that is gone, and to who is not approved', async () => {
      const { storage } = await setup(self)
      const block = await withTwoAside(storage)
      const entry = quarantine(block, [aside(block, 1)])
      expect(
        await storage.append([
          { ...entry, origin: alice },
          { ...entry, block: 9 },
        ]),
      ).toEqual([
        { kind: 'refused', code: 'grant-changed' },
        { kind: 'refused', code: 'block-deleted' },
      ])
      expect(await storage.quarantined()).toHaveLength(2)
    })

    it('is over for what is released: it becomes the newest of the log', async () => {
      const { storage } = await setup(self)
      const block = await withTwoAside(storage)
      await storage.append([change(block, 'b', 1)])
      const before = await readAll(storage)
      const third = { hash: changeHash(block, 'a', 3), seq: 4, deps: [changeHash(block, 'a', 2)] }
      const fourth = { hash: changeHash(block, 'a', 4), seq: 5, deps: [changeHash(block, 'a', 3)] }
      const outcomes = await storage.append([release(block, third, fourth), change(block, 'b', 2)])
      expect(outcomes).toEqual([
        { kind: 'stored', seq: 9 },
        { kind: 'stored', seq: 10 },
      ])
      expect(await storage.quarantined()).toEqual([])
      const rows = await readAll(storage)
      expect(rows.map(({ seq }) => seq)).toEqual([2, 3, 7, 8, 9, 10])
      expect(rows.slice(3, 5)).toEqual(before.slice(2, 4).map((row, index) => ({ ...row, seq: 8 + index })))
      expect((await storage.blocks())[0]).toMatchObject({ changes: 6, visibleSeq: 10 })
      expect((await storage.blocks())[0]?.heads).toEqual(
        expect.arrayContaining([changeHash(block, 'a', 4), changeHash(block, 'b', 2)]),
      )
      // A second release has nothing to move.
      await storage.append([release(block, third)])
      expect((await readAll(storage)).map(({ seq }) => seq)).toEqual([2, 3, 7, 8, 9, 10])
    })
  })

  describe('suspension', () => {
    it('keeps its first reason until it is ended', async () => {
      const { storage } = await setup(self)
      const block = await withTwoAside(storage)
      const suspend = [mallory, bob].map(({ peer }) => ({ peer, reason: 'second' }))
      await storage.append([quarantine(block, [aside(block, 1)], suspend)])
      expect(await storage.suspensions()).toEqual([
        { peer: bob.peer, reason: 'second', atMs: 7_000 },
        { peer: mallory.peer, reason: 'first', atMs: 7_000 },
      ])
      await storage.unsuspend(mallory.peer)
      await storage.unsuspend(alice.peer)
      expect((await storage.suspensions()).map(({ peer }) => peer)).toEqual([bob.peer])
    })
  })

  describe('verified position', () => {
    it('moves on, never back, and sets the heads only while nothing is newer', async () => {
      const { storage } = await setup(self)
      const block = await withTwoAside(storage)
      const heads = [changeHash(block, 'a', 2)]
      await storage.putVerified({ block, seq: 5, heads: [initialHash('notes')] })
      expect((await storage.blocks())[0]).toMatchObject({ heads: [] })
      await storage.putVerified({ block, seq: 6, heads })
      await storage.putVerified({ block, seq: 3, heads: [] })
      expect(await storage.verified()).toEqual([{ block, seq: 6 }])
      expect((await storage.blocks())[0]).toMatchObject({ heads })
      await storage.append([change(block, 'b', 1, { deps: heads })])
      expect((await storage.blocks())[0]).toMatchObject({ heads: [changeHash(block, 'b', 1)] })
      await expect(storage.putVerified({ block: 9, seq: 1, heads })).rejects.toMatchObject({ code: 'block-not-found' })
    })
  })
}
