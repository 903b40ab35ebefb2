/** Append: seq, outcomes, grants, addresses, heads, clocks, objects. */
import { describe, expect, it } from 'vitest'
import type { AppendOutcome, LogEntry, Storage } from '../../daemon/storage/storage.ts'
import {
  actorOf,
  alice,
  approve,
  bob,
  change,
  changeHash,
  changes,
  create,
  createBlock,
  daemon,
  hashOf,
  initialActor,
  initialHash,
  mallory,
  peerRow,
  readAll,
  self,
  signatureOf,
} from '../fixtures/storage-entries.ts'
import type { StorageSetup } from './storage.suite.ts'

const short = (outcomes: readonly AppendOutcome[]) =>
  outcomes.map((outcome) =>
    outcome.kind === 'stored'
      ? outcome.seq
      : outcome.kind === 'refused'
        ? outcome.code
        : `existing ${outcome.block.id}`,
  )

export function appendCases(setup: StorageSetup): void {
  const append = async (storage: Storage, ...entries: LogEntry[]) => short(await storage.append(entries))

  describe('append: seq and outcomes', () => {
    it('gives out seq from 1 without gaps over changes and block events', async () => {
      const { storage } = await setup(self)
      expect(await storage.lastSeq()).toBe(0)
      const block = await createBlock(storage)
      expect(await append(storage, ...changes(block, 'a', 3))).toEqual([2, 3, 4])
      expect(await append(storage, create('space:home/other'))).toEqual([5])
      expect(await append(storage, { kind: 'delete', origin: daemon, grantVersion: 0, block })).toEqual([6])
      expect(await append(storage, change(2, 'a', 1))).toEqual([7])
      expect(await storage.lastSeq()).toBe(7)
    })

    it('answers in the order of the entries and gives no seq to what it refuses', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const outcomes = await append(
        storage,
        change(block, 'a', 1),
        change(99, 'a', 1),
        create('space:home/notes'),
        create('space:home/notes', { schema: 'tasks' }),
        change(block, 'b', 1),
      )
      expect(outcomes).toEqual([2, 'block-deleted', `existing ${block}`, 'address-taken', 3])
      expect(await storage.lastSeq()).toBe(3)
    })

    it('accepts an empty call', async () => {
      const { storage } = await setup(self)
      expect(await storage.append([])).toEqual([])
      expect(await storage.lastSeq()).toBe(0)
    })

    it('keeps the order of calls that were made without waiting', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const calls = Array.from({ length: 200 }, (_, n) => append(storage, change(block, 'a', n + 1)))
      expect((await Promise.all(calls)).flat()).toEqual(Array.from({ length: 200 }, (_, n) => n + 2))
      const rows = await readAll(storage)
      expect(rows.map(({ actorSeq }) => actorSeq)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1))
    })

    it('shows every write that resolved to a read that comes after it', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      for (let n = 1; n <= 50; n += 1) {
        await append(storage, change(block, 'a', n))
        const [seq, page] = await Promise.all([
          storage.lastSeq(),
          storage.readLog({ after: n, until: n + 1, maxBytes: 1 }),
        ])
        expect([seq, page.rows.length]).toEqual([n + 1, 1])
      }
    })
  })

  describe('append: grants', () => {
    it('stores what was checked under the present grant version', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await approve(storage, alice)
      expect(await append(storage, change(block, 'a', 1, { origin: alice, grantVersion: 1 }))).toEqual([2])
    })

    it('discards exactly the entries of a peer whose version moved on', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await approve(storage, alice)
      await approve(storage, bob)
      await storage.decide({ atMs: 1, peer: { row: peerRow(alice, { grantVersion: 2 }), expectGrantVersion: 1 } })
      const outcomes = await append(
        storage,
        change(block, 'b', 1, { origin: bob, grantVersion: 1 }),
        change(block, 'a', 1, { origin: alice, grantVersion: 1 }),
        change(block, 'b', 2, { origin: bob, grantVersion: 1 }),
        change(block, 'a', 2, { origin: alice, grantVersion: 2 }),
        change(block, 'a3', 1, { origin: alice, grantVersion: 2 }),
      )
      expect(outcomes).toEqual([2, 'grant-changed', 3, 'missing-deps', 4])
      expect((await readAll(storage)).map(({ hash }) => hash)).toEqual([
        changeHash(block, 'b', 1),
        changeHash(block, 'b', 2),
        changeHash(block, 'a3', 1),
      ])
    })

    it('refuses what builds on a refused change of another actor', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const outcomes = await append(
        storage,
        change(block, 'm', 1, { origin: mallory, grantVersion: 1 }),
        change(block, 'd', 1, { deps: [changeHash(block, 'm', 1)] }),
        change(block, 'e', 1, { deps: [changeHash(block, 'd', 1)] }),
      )
      expect(outcomes).toEqual(['grant-changed', 'missing-deps', 'missing-deps'])
    })

    it.each(['denied', 'revoked'] as const)('refuses every kind of entry of a peer that is %s', async (state) => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await storage.decide({ atMs: 1, peer: { row: peerRow(mallory, { state }), expectGrantVersion: 0 } })
      const by = { origin: mallory, grantVersion: 1 }
      const outcomes = await append(
        storage,
        change(block, 'm', 1, by),
        create('space:home/x', by),
        create('space:home/notes', by),
        { kind: 'delete', block, ...by },
      )
      expect(outcomes).toEqual(['grant-changed', 'grant-changed', 'grant-changed', 'grant-changed'])
      expect(await storage.blocks()).toHaveLength(1)
    })

    it('refuses an unknown peer, and the daemon itself needs no grant', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      expect(await append(storage, change(block, 'm', 1, { origin: mallory }))).toEqual(['grant-changed'])
      expect(await append(storage, change(block, 'd', 1, { grantVersion: 77 }))).toEqual([2])
    })
  })

  describe('append: blocks', () => {
    it('creates a block from its initial change', async () => {
      const { storage } = await setup(self)
      const [outcome] = await storage.append([create('agent:scout/plan', { meta: { description: 'what next' } })])
      const row = {
        id: 1,
        address: 'agent:scout/plan',
        scope: 'agent:scout',
        label: 'plan',
        generation: 1,
        schema: 'notes',
        meta: { description: 'what next' },
        owner: self,
        createdAtMs: 1_000,
        createdSeq: 1,
        metaSeq: 1,
        metaAtMs: 1_000,
        visibleSeq: 1,
        deletedSeq: 0,
        maxOp: 2,
        ops: 2,
        gaps: 0,
        changes: 0,
        heads: [initialHash('notes')],
        horizonSeq: 0,
      }
      expect(outcome).toEqual({ kind: 'stored', seq: 1, block: row })
      expect(await storage.blocks()).toEqual([row])
      const state = await storage.blockState(1)
      expect(state.row).toEqual(row)
      expect(state.known).toEqual([])
      expect(state.clock).toEqual([
        { actor: initialActor, seq: 1, hash: initialHash('notes'), maxOp: 2, signature: new Uint8Array() },
      ])
      expect(state.objects).toEqual([{ id: `1@${initialActor}`, type: 'text', depth: 1 }])
      expect(await readAll(storage)).toEqual([])
    })

    it('gives the live block as it stands to a second create of the same schema', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const outcomes = await storage.append([change(block, 'a', 1), create('space:home/notes')])
      expect(outcomes[1]).toEqual({ kind: 'existing', block: (await storage.blocks())[0] })
      expect(outcomes[1]).toMatchObject({ block: { changes: 1, visibleSeq: 2 } })
    })

    it('lets a later entry of the same call see a create', async () => {
      const { storage } = await setup(self)
      const outcomes = await append(
        storage,
        create('space:home/a'),
        create('space:home/a'),
        create('space:home/a', { schema: 'tasks' }),
      )
      expect(outcomes).toEqual([1, 'existing 1', 'address-taken'])
    })

    it('keeps the same id in both kinds of scope apart', async () => {
      const { storage } = await setup(self)
      expect(await append(storage, create('space:home/a'), create('agent:home/a'))).toEqual([1, 2])
    })

    it('raises the generation after a deletion, with a fresh id, also within one call', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await append(storage, change(block, 'a', 1), { kind: 'delete', origin: daemon, grantVersion: 0, block })
      expect(await append(storage, create('space:home/notes', { schema: 'tasks' }))).toEqual([4])
      const outcomes = await append(
        storage,
        { kind: 'delete', origin: daemon, grantVersion: 0, block: 2 },
        create('space:home/notes'),
      )
      expect(outcomes).toEqual([5, 6])
      const rows = await storage.blocks()
      expect(rows.map(({ id, generation, schema, deletedSeq }) => [id, generation, schema, deletedSeq])).toEqual([
        [1, 1, 'notes', 3],
        [2, 2, 'tasks', 5],
        [3, 3, 'notes', 0],
      ])
      expect(rows[0]).toMatchObject({ visibleSeq: 3, changes: 1 })
    })

    it('refuses changes and deletions of a deleted block and keeps what it held', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const remove: LogEntry = { kind: 'delete', origin: daemon, grantVersion: 0, block }
      expect(await append(storage, change(block, 'a', 1), remove, change(block, 'a', 2), remove)).toEqual([
        2,
        3,
        'block-deleted',
        'block-deleted',
      ])
      expect(await readAll(storage, block)).toHaveLength(1)
    })
  })

  describe('append: heads, clock, objects', () => {
    it('keeps concurrent heads and folds them when a change depends on both', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await append(storage, change(block, 'a', 1))
      await append(storage, change(block, 'b', 1))
      const heads = async () => new Set((await storage.blockState(block)).row.heads)
      expect(await heads()).toEqual(new Set([changeHash(block, 'a', 1), changeHash(block, 'b', 1)]))
      const deps = [changeHash(block, 'a', 1), changeHash(block, 'b', 1)]
      await append(storage, change(block, 'a', 2, { deps }))
      expect(await heads()).toEqual(new Set([changeHash(block, 'a', 2)]))
    })

    it('counts changes and operations and keeps the highest operation counter', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await append(
        storage,
        change(block, 'a', 1, { maxOp: 90, ops: 40, gap: 3 }),
        change(block, 'b', 1, { maxOp: 7, ops: 5, gap: 4 }),
      )
      expect((await storage.blocks())[0]).toMatchObject({ changes: 2, ops: 47, gaps: 7, maxOp: 90, visibleSeq: 3 })
    })

    it('keeps the newest change of each actor with its signature, and none of an older change', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const tip = (n: number) => ({
        actor: actorOf('a'),
        seq: n,
        hash: changeHash(block, 'a', n),
        signature: signatureOf(`a ${n}`),
      })
      const clockOf = async () => (await storage.blockState(block)).clock.find(({ actor }) => actor === actorOf('a'))
      await append(storage, change(block, 'a', 1), change(block, 'a', 2, { tip: tip(2) }))
      expect(await clockOf()).toEqual({ ...tip(2), maxOp: 4 })
      await append(storage, change(block, 'a', 3))
      expect(await clockOf()).toEqual({ ...tip(3), maxOp: 5, signature: new Uint8Array() })
      await append(storage, change(block, 'a', 4, { tip: tip(4) }), change(block, 'a', 5))
      expect(await clockOf()).toEqual({ ...tip(5), maxOp: 7, signature: new Uint8Array() })
    })

    it('stores what one peer sends for another only while both may write', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const author = { peer: alice.peer, grantVersion: 1 }
      expect(await append(storage, change(block, 'a', 1, { author }))).toEqual(['grant-changed'])
      await approve(storage, alice)
      const older = { author: { ...author, grantVersion: 2 } }
      expect(await append(storage, change(block, 'a', 1, { author }), change(block, 'b', 1, older))).toEqual([
        2,
        'grant-changed',
      ])
    })

    it('starts an actor without a tip with an empty signature', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await append(storage, change(block, 'a', 1))
      const { clock } = await storage.blockState(block)
      expect(clock.map(({ signature }) => signature.length)).toEqual([0, 0])
    })

    it('keeps the objects of every block apart', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const other = await createBlock(storage, 'space:home/other')
      const object = { id: `3@${actorOf('a')}`, type: 'map', depth: 2 } as const
      await append(storage, change(block, 'a', 1, { objects: [object] }), change(other, 'a', 1))
      expect((await storage.blockState(block)).objects).toContainEqual(object)
      expect((await storage.blockState(other)).objects).not.toContainEqual(object)
    })

    it('lists every stored change of a block as known, and none of another block', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const other = await createBlock(storage, 'space:home/other')
      await append(storage, ...changes(block, 'a', 3), change(other, 'a', 1))
      expect((await storage.blockState(block)).known).toEqual([
        { hash: changeHash(block, 'a', 1), maxOp: 3 },
        { hash: changeHash(block, 'a', 2), maxOp: 4 },
        { hash: changeHash(block, 'a', 3), maxOp: 5 },
      ])
    })

    it('has no state for an unknown block', async () => {
      const { storage } = await setup(self)
      await expect(storage.blockState(1)).rejects.toMatchObject({ code: 'block-not-found' })
    })

    it('takes more heads than one call brings', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const actors = Array.from({ length: 120 }, (_, n) => `actor-${n}`)
      await append(storage, ...actors.slice(0, 60).map((actor) => change(block, actor, 1)))
      await append(storage, ...actors.slice(60).map((actor) => change(block, actor, 1)))
      expect((await storage.blocks())[0]?.heads).toHaveLength(120)
      const deps = actors.map((actor) => changeHash(block, actor, 1))
      await append(storage, change(block, 'merge', 1, { deps, hash: hashOf('merge') }))
      expect((await storage.blocks())[0]?.heads).toEqual([hashOf('merge')])
      expect((await storage.blockState(block)).clock).toHaveLength(122)
    })
  })
}
