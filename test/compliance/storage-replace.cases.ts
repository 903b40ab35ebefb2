/** A block that is replaced by its next generation: everything of it, or nothing. */
import { describe, expect, it } from 'vitest'
import type { ReplaceEntry } from '../../daemon/storage/storage.ts'
import {
  actorOf,
  alice,
  approve,
  change,
  changeHash,
  changes,
  create,
  createBlock,
  daemon,
  readAll,
  self,
  signatureOf,
} from '../fixtures/storage-entries.ts'
import type { StorageSetup } from './storage.suite.ts'

const replace = (block: number, visibleSeq: number, fields: Partial<ReplaceEntry> = {}): ReplaceEntry => {
  const { hash, actor } = change(9, 'd', 2)
  const tip = { actor, seq: 2, hash, signature: signatureOf('tip') }
  const objects = [{ id: `3@${actorOf('d')}`, type: 'map' as const, depth: 2 }]
  return {
    kind: 'replace',
    origin: daemon,
    grantVersion: 0,
    block,
    visibleSeq,
    generation: 2,
    atMs: 9_000,
    initial: create('space:home/notes').initial,
    changes: [change(9, 'd', 1, { objects }), change(9, 'd', 2, { tip })],
    ...fields,
  }
}

export function replaceCases(setup: StorageSetup): void {
  describe('replacing a block', () => {
    it('ends the generation and makes the next one with its changes, as of one owner', async () => {
      const { storage } = await setup(self)
      await approve(storage, alice)
      const meta = { description: 'kept' }
      await storage.append([
        create('space:home/notes', { origin: alice, grantVersion: 1, meta }),
        ...changes(1, 'a', 3),
      ])
      const [outcome] = await storage.append([replace(1, 4)])
      expect(outcome).toMatchObject({ kind: 'stored', seq: 8, block: { id: 2, generation: 2 } })
      const [old, made] = await storage.blocks()
      expect(old).toMatchObject({ id: 1, deletedSeq: 5, changes: 3 })
      expect(made).toEqual(outcome?.kind === 'stored' ? outcome.block : undefined)
      const heads = [changeHash(9, 'd', 2)]
      expect(made).toMatchObject({ meta, owner: alice.peer, createdSeq: 6, visibleSeq: 8, changes: 2, heads, ops: 4 })
      expect((await readAll(storage, 1)).map(({ seq }) => seq)).toEqual([2, 3, 4])
      expect(await readAll(storage, 2)).toMatchObject([
        { seq: 7, hash: changeHash(9, 'd', 1), origin: daemon, bytes: change(9, 'd', 1).bytes },
        { seq: 8, hash: changeHash(9, 'd', 2) },
      ])
      const state = await storage.blockState(2)
      expect(state.objects).toHaveLength(2)
      expect(state.clock.find(({ actor }) => actor === actorOf('d'))).toMatchObject({
        seq: 2,
        signature: signatureOf('tip'),
      })
      expect(await storage.lastSeq()).toBe(8)
      expect(await storage.append([change(2, 'd', 3), change(1, 'a', 4)])).toEqual([
        { kind: 'stored', seq: 9 },
        { kind: 'refused', code: 'block-deleted' },
      ])
    })

    it('changes nothing when the block has a newer row, or is gone', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await storage.append(changes(block, 'a', 3))
      expect(await storage.append([change(block, 'a', 4), replace(block, 4)])).toEqual([
        { kind: 'stored', seq: 5 },
        { kind: 'refused', code: 'wrong-state' },
      ])
      expect(await storage.append([replace(9, 5)])).toEqual([{ kind: 'refused', code: 'block-deleted' }])
      expect(await storage.blocks()).toMatchObject([{ deletedSeq: 0, changes: 4, visibleSeq: 5 }])
      expect(await storage.append([replace(block, 5, { origin: alice })])).toEqual([
        { kind: 'refused', code: 'grant-changed' },
      ])
      expect(await storage.append([replace(block, 5, { changes: [] })])).toMatchObject([{ kind: 'stored', seq: 7 }])
    })
  })
}
