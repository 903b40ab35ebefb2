/** What is said of a block beside its content: the last time counts, and nothing else of the block is touched. */
import { describe, expect, it } from 'vitest'
import type { BlockRow, MetaEntry, Storage } from '../../daemon/storage/storage.ts'
import {
  alice,
  approve,
  change,
  changeHash,
  changes,
  create,
  createBlock,
  daemon,
  self,
} from '../fixtures/storage-entries.ts'
import type { StorageSetup } from './storage.suite.ts'

const describeBlock = (block: number, description: string | undefined, fields: Partial<MetaEntry> = {}): MetaEntry => {
  return { kind: 'meta', origin: daemon, grantVersion: 0, block, patch: { description }, atMs: 2_000, ...fields }
}

async function blockOf(storage: Storage, id = 1): Promise<BlockRow | undefined> {
  const found = (await storage.blocks()).find((row) => row.id === id)
  expect((await storage.blockState(id)).row).toEqual(found)
  return found
}

export function metaCases(setup: StorageSetup): void {
  describe('what is said of a block', () => {
    it('is changed by an entry of the log, which changes nothing else of the block', async () => {
      const { storage, reopen } = await setup(self)
      const block = await createBlock(storage)
      await storage.append(changes(block, 'a', 2))
      const before = await blockOf(storage)
      const [outcome] = await storage.append([describeBlock(block, 'for later')])
      const row = { ...before, meta: { description: 'for later' }, metaSeq: 4, metaAtMs: 2_000 }
      expect(outcome).toEqual({ kind: 'stored', seq: 4, block: row })
      expect(await blockOf(storage)).toEqual(row)
      expect(await storage.lastSeq()).toBe(4)
      expect(await storage.append([change(block, 'a', 3)])).toEqual([{ kind: 'stored', seq: 5 }])
      const opened = (await reopen?.()) ?? storage
      expect(await opened.lastSeq()).toBe(5)
      expect(await blockOf(opened)).toMatchObject({ meta: { description: 'for later' }, metaSeq: 4, visibleSeq: 5 })
    })

    it('is the last of what was said, in the order of the log and whatever the clock says', async () => {
      const { storage, reopen } = await setup(self)
      const block = await createBlock(storage)
      await storage.append([describeBlock(block, 'first'), describeBlock(block, 'second', { atMs: 1_500 })])
      await storage.append([describeBlock(block, 'third', { atMs: 1_000 })])
      const last = { meta: { description: 'third' }, metaSeq: 4, metaAtMs: 2_002 }
      expect(await blockOf(storage)).toMatchObject(last)
      const opened = (await reopen?.()) ?? storage
      expect([await opened.lastSeq(), await blockOf(opened)]).toMatchObject([4, last])
    })

    it('writes nothing when it is said already, or nothing is named', async () => {
      const { storage } = await setup(self)
      await storage.append([create('space:home/notes', { meta: { description: 'same' } })])
      const before = await blockOf(storage)
      const outcomes = await storage.append([describeBlock(1, 'same'), describeBlock(1, undefined)])
      expect(outcomes).toEqual([
        { kind: 'existing', block: before },
        { kind: 'existing', block: before },
      ])
      expect([await storage.lastSeq(), await blockOf(storage)]).toEqual([1, before])
      await storage.append([describeBlock(1, '')])
      expect(await blockOf(storage)).toMatchObject({ meta: {}, metaSeq: 2 })
    })

    it('that the store had lost counts unless something was said since, in the same call as well', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const recalled = (description: string, atMs: number) =>
        describeBlock(block, description, { atMs, isRecalled: true })
      await storage.append([recalled('later', 3_000), recalled('earlier', 2_500)])
      expect(await blockOf(storage)).toMatchObject({ meta: { description: 'later' }, metaSeq: 2, metaAtMs: 3_000 })
      await storage.append([describeBlock(block, 'since', { atMs: 2_000 }), recalled('before', 3_001)])
      expect(await blockOf(storage)).toMatchObject({ meta: { description: 'since' }, metaSeq: 3, metaAtMs: 3_001 })
    })

    it('outlives the rows of the block that are folded away', async () => {
      const { storage, reopen } = await setup(self)
      const block = await createBlock(storage)
      await storage.append([...changes(block, 'a', 3), describeBlock(block, 'stays')])
      const heads = [changeHash(block, 'a', 3)]
      await storage.putSnapshot({ block, seq: 4, changes: 3, heads, bytes: new Uint8Array(9) })
      await storage.putVerified({ block, seq: 4, heads })
      expect(await storage.fold({ block, until: 4, maxRows: 9 })).toMatchObject({ rows: 3 })
      const said = { meta: { description: 'stays' }, metaSeq: 5, metaAtMs: 2_000, horizonSeq: 4 }
      const opened = (await reopen?.()) ?? storage
      expect([await opened.lastSeq(), await blockOf(opened)]).toMatchObject([5, said])
    })

    it('is kept in full, what is asked of the content too, and only named parts of it change', async () => {
      const { storage, reopen } = await setup(self)
      const block = await createBlock(storage)
      const options = { fields: [{ name: 'größe', type: 'number' as const, default: 0.5 }] }
      const said = (patch: MetaEntry['patch']) => storage.append([{ ...describeBlock(block, undefined), patch }])
      await said({ options })
      await said({ description: 'beside' })
      const opened = (await reopen?.()) ?? storage
      expect((await blockOf(opened))?.meta).toEqual({ description: 'beside', options })
      const [again] = await opened.append([{ ...describeBlock(block, undefined), patch: { options } }])
      expect(again).toMatchObject({ kind: 'existing' })
      await opened.append([{ ...describeBlock(block, undefined), patch: { options: {} } }])
      expect((await blockOf(opened))?.meta).toEqual({ description: 'beside' })
    })

    it('leaves out what is said of every block, as it was before that could be said', async () => {
      const { storage, reopen } = await setup(self)
      const block = await createBlock(storage)
      const said = async (patch: MetaEntry['patch']) => {
        const [outcome] = await storage.append([{ ...describeBlock(block, undefined), patch }])
        return [outcome?.kind, (await blockOf(storage))?.meta]
      }
      expect(await said({ kind: 'working', pinned: false })).toEqual(['existing', {}])
      expect(await said({ kind: 'core' })).toEqual(['stored', { kind: 'core' }])
      expect(await said({ pinned: true })).toEqual(['stored', { kind: 'core', pinned: true }])
      expect(await said({ kind: 'core', pinned: true })).toEqual(['existing', { kind: 'core', pinned: true }])
      const opened = (await reopen?.()) ?? storage
      expect((await blockOf(opened))?.meta).toEqual({ kind: 'core', pinned: true })
      await opened.append([{ ...describeBlock(block, undefined), patch: { kind: 'working', pinned: false } }])
      expect((await blockOf(opened))?.meta).toEqual({})
    })

    it('is refused of a block that is gone, and under another grant than the one it was checked under', async () => {
      const { storage } = await setup(self)
      await approve(storage, alice)
      const block = await createBlock(storage)
      const say = async (fields: Partial<MetaEntry>) => (await storage.append([describeBlock(block, 'x', fields)]))[0]
      expect(await say({ origin: alice, grantVersion: 2 })).toEqual({ kind: 'refused', code: 'grant-changed' })
      expect(await say({ block: 7 })).toEqual({ kind: 'refused', code: 'block-deleted' })
      expect(await say({ origin: alice, grantVersion: 1 })).toMatchObject({ kind: 'stored', seq: 2 })
      const [deleted, refused] = await storage.append([
        { kind: 'delete', origin: daemon, grantVersion: 0, block },
        describeBlock(block, 'too late'),
      ])
      expect([deleted, refused]).toMatchObject([{ kind: 'stored' }, { kind: 'refused', code: 'block-deleted' }])
    })

    it('goes on with the next generation where a block is replaced, and not where it is made again', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await storage.append([describeBlock(block, 'stays')])
      const { initial } = create('space:home/notes')
      const by = { origin: daemon, grantVersion: 0 }
      const replaced = { kind: 'replace' as const, ...by, block, visibleSeq: 1, generation: 2, atMs: 9_000, initial }
      await storage.append([{ ...replaced, changes: [] }])
      expect(await blockOf(storage, 2)).toMatchObject({ meta: { description: 'stays' }, metaSeq: 4, metaAtMs: 2_000 })
      await storage.append([{ kind: 'delete', ...by, block: 2 }, create('space:home/notes', { atMs: 12_000 })])
      expect(await blockOf(storage, 3)).toMatchObject({ meta: {}, metaSeq: 6, metaAtMs: 12_000 })
    })
  })
}
