/** Rows that a snapshot stands for: what goes, what stays, and what is never removed. */
import { describe, expect, it } from 'vitest'
import type { BlockId, Storage } from '../../daemon/storage/storage.ts'
import {
  actorOf,
  change,
  changeHash,
  changes,
  createBlock,
  daemon,
  mallory,
  readAll,
  self,
} from '../fixtures/storage-entries.ts'
import type { StorageSetup } from './storage.suite.ts'

const snapshotAt = (block: BlockId, seq: number) => ({ block, seq, changes: seq, heads: [], bytes: new Uint8Array(9) })

/** Ten changes in rows 2 to 11, of which those up to `seq` may go. */
async function withSnapshot(storage: Storage, seq: number): Promise<BlockId> {
  const block = await createBlock(storage)
  await storage.append(changes(block, 'a', 10))
  await storage.putSnapshot(snapshotAt(block, seq))
  await storage.putVerified({ block, seq, heads: [changeHash(block, 'a', 10)] })
  return block
}

const seqs = async (storage: Storage) => (await readAll(storage)).map(({ seq }) => seq)

export function foldCases(setup: StorageSetup): void {
  describe('folding rows away', () => {
    it('removes the oldest rows first, as many as asked, and moves the horizon with them', async () => {
      const { storage } = await setup(self)
      const block = await withSnapshot(storage, 8)
      expect(await storage.foldable(block, 8)).toEqual({ rows: 7, bytes: 700, lastSeq: 8 })
      expect(await storage.fold({ block, until: 8, maxRows: 4 })).toMatchObject({ rows: 4, bytes: 400 })
      expect((await storage.blocks())[0]).toMatchObject({ horizonSeq: 5 })
      expect(await seqs(storage)).toEqual([6, 7, 8, 9, 10, 11])
      expect(await storage.foldable(block, 8)).toEqual({ rows: 3, bytes: 300, lastSeq: 8 })
      expect(await storage.fold({ block, until: 8, maxRows: 4 })).toMatchObject({ rows: 3, bytes: 300 })
      expect(await storage.fold({ block, until: 8, maxRows: 4 })).toMatchObject({ rows: 0, bytes: 0 })
      expect(await storage.foldable(block, 8)).toEqual({ rows: 0, bytes: 0, lastSeq: 0 })
      expect((await storage.blocks())[0]).toMatchObject({ horizonSeq: 8 })
      expect(await seqs(storage)).toEqual([9, 10, 11])
    })

    it('keeps clock, objects, heads, counts and positions, and only rows are known', async () => {
      const { storage } = await setup(self)
      const objects = [{ id: `3@${actorOf('a')}`, type: 'map' as const, depth: 2 }]
      const block = await createBlock(storage)
      await storage.append([change(block, 'a', 1, { objects }), change(block, 'a', 2), change(block, 'b', 1)])
      await storage.putSnapshot(snapshotAt(block, 3))
      const before = await storage.blockState(block)
      await storage.putVerified({ block, seq: 3, heads: [] })
      await storage.fold({ block, until: 3, maxRows: 9 })
      const after = await storage.blockState(block)
      expect({ ...after, row: { ...after.row, horizonSeq: 0 } }).toEqual({
        ...before,
        known: [{ hash: changeHash(block, 'b', 1), maxOp: 3 }],
      })
      expect(await storage.lastSeq()).toBe(4)
      expect(await storage.append([change(block, 'a', 3)])).toEqual([{ kind: 'stored', seq: 5 }])
      expect((await storage.blocks())[0]).toMatchObject({ horizonSeq: 3, changes: 4, visibleSeq: 5 })
      expect(await storage.append([change(block, 'a', 4)])).toEqual([{ kind: 'stored', seq: 6 }])
    })

    it('refuses what neither a snapshot nor the verified position reaches, and an unknown block', async () => {
      const { storage } = await setup(self)
      const block = await withSnapshot(storage, 8)
      const fold = (until: number) => storage.fold({ block, until, maxRows: 9 })
      await expect(fold(9)).rejects.toMatchObject({ code: 'wrong-state' })
      await storage.putSnapshot(snapshotAt(block, 9))
      await expect(fold(9)).rejects.toMatchObject({ code: 'wrong-state' })
      const other = await createBlock(storage, 'space:home/other')
      await storage.putVerified({ block: other, seq: 12, heads: [] })
      await expect(storage.fold({ block: other, until: 12, maxRows: 9 })).rejects.toMatchObject({ code: 'wrong-state' })
      await expect(storage.fold({ block: 7, until: 1, maxRows: 9 })).rejects.toMatchObject({ code: 'block-not-found' })
      expect(await seqs(storage)).toHaveLength(10)
      await storage.putVerified({ block, seq: 9, heads: [] })
      expect(await fold(9)).toMatchObject({ rows: 8 })
    })

    it('leaves other blocks and what is in quarantine, which can still be released', async () => {
      const { storage } = await setup(self)
      const block = await withSnapshot(storage, 11)
      const other = await createBlock(storage, 'space:home/other')
      await storage.append(changes(other, 'a', 2))
      const { hash, actor, actorSeq } = change(block, 'a', 3)
      const aside = { hash, seq: 4, actor, actorSeq, peer: mallory.peer, cause: undefined, reason: 'bad' }
      const entry = { origin: daemon, grantVersion: 0, block }
      await storage.append([{ kind: 'quarantine', ...entry, changes: [aside], suspend: [], atMs: 1 }])
      expect(await storage.foldable(block, 11)).toEqual({ rows: 9, bytes: 900, lastSeq: 11 })
      expect(await storage.fold({ block, until: 11, maxRows: 99 })).toMatchObject({ rows: 9, bytes: 900 })
      expect(await seqs(storage)).toEqual([4, 13, 14])
      expect((await storage.snapshots()).map(({ isFoldable }) => isFoldable)).toEqual([false])
      await storage.append([{ kind: 'release', ...entry, changes: [{ hash, seq: 4, deps: [] }] }])
      expect(await seqs(storage)).toEqual([13, 14, 16])
      expect(await readAll(storage, block)).toMatchObject([{ hash, seq: 16 }])
    })

    it('lists the snapshots, and which of them rows are left for', async () => {
      const { storage } = await setup(self)
      expect(await storage.snapshots()).toEqual([])
      const block = await withSnapshot(storage, 8)
      const card = { block, seq: 8, changes: 8 }
      expect(await storage.snapshots()).toEqual([{ ...card, isFoldable: true }])
      await storage.fold({ block, until: 8, maxRows: 6 })
      expect(await storage.snapshots()).toEqual([{ ...card, isFoldable: true }])
      await storage.fold({ block, until: 8, maxRows: 6 })
      expect(await storage.snapshots()).toEqual([{ ...card, isFoldable: false }])
    })

    it('tells the first row of each actor after a position', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const other = await createBlock(storage, 'space:home/other')
      await storage.append([...changes(block, 'a', 3), change(other, 'c', 1), ...changes(block, 'b', 2)])
      const first = async (after: number) =>
        new Map((await storage.firstAfter(block, after)).map(({ actor, actorSeq }) => [actor, actorSeq]))
      expect(await first(0)).toEqual(
        new Map([
          [actorOf('a'), 1],
          [actorOf('b'), 1],
        ]),
      )
      expect(await first(4)).toEqual(
        new Map([
          [actorOf('a'), 3],
          [actorOf('b'), 1],
        ]),
      )
      expect(await first(7)).toEqual(new Map([[actorOf('b'), 2]]))
      expect(await first(8)).toEqual(new Map())
    })
  })
}
