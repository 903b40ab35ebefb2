/** Reading the log, snapshots, epochs, and who owns the bytes. */
import { describe, expect, it } from 'vitest'
import type { Storage } from '../../daemon/storage/storage.ts'
import { limits } from '../../protocol/limits.ts'
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
  hashOf,
  inviteRow,
  peerRow,
  readAll,
  requestRow,
  self,
} from '../fixtures/storage-entries.ts'
import type { StorageSetup } from './storage.suite.ts'

const seqs = (rows: readonly { readonly seq: number }[]) => rows.map(({ seq }) => seq)

export function logCases(setup: StorageSetup): void {
  describe('log', () => {
    it('gives a change back as it was handed in, with its origin', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await approve(storage, alice)
      const entry = change(block, 'a', 1, { origin: alice, grantVersion: 1, maxOp: 2 ** 31, actorSeq: 123_456 })
      await storage.append([entry])
      const [row] = await readAll(storage)
      expect(row).toEqual({
        seq: 2,
        block,
        hash: entry.hash,
        actor: entry.actor,
        actorSeq: 123_456,
        maxOp: 2 ** 31,
        origin: alice,
        bytes: entry.bytes,
      })
    })

    it.each([0, 1, limits.maxChangeBytes])('keeps a change of %i bytes', async (length) => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 31) % 256)
      await storage.append([change(block, 'a', 1, { bytes }), change(block, 'a', 2)])
      const [first, second] = await readAll(storage)
      expect(first?.bytes.length).toBe(length)
      expect(Buffer.compare(first?.bytes ?? Buffer.alloc(1), bytes)).toBe(0)
      expect(second?.bytes.length).toBe(100)
    })

    it('gives the newest change of those actors that are named, and of no others', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const elsewhere = await createBlock(storage, 'space:home/other')
      await storage.append([...changes(block, 'a', 3), ...changes(block, 'b', 2), change(elsewhere, 'c', 1)])
      const clock = await storage.clock(block, [actorOf('b'), actorOf('c'), actorOf('a')])
      expect(clock.map(({ actor, seq }) => [actor, seq])).toEqual([
        [actorOf('b'), 2],
        [actorOf('a'), 3],
      ])
      expect(clock[1]).toEqual((await storage.clock(block)).find(({ actor }) => actor === actorOf('a')))
      expect(await storage.clock(block, [])).toEqual([])
      expect(await storage.clock(999, [actorOf('a')])).toEqual([])
    })

    it('takes actors of any length', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const actors = ['aa', actorOf('x'), 'ab'.repeat(200)] as ReturnType<typeof actorOf>[]
      await storage.append(actors.map((actor, n) => change(block, `${n}`, 1, { actor })))
      expect((await readAll(storage)).map(({ actor }) => actor)).toEqual(actors)
    })

    it('reads after one position and up to another, both exact', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await storage.append(changes(block, 'a', 10))
      const page = await storage.readLog({ after: 4, until: 8, maxBytes: 1_000_000 })
      expect(seqs(page.rows)).toEqual([5, 6, 7, 8])
      expect(page.next).toBe(8)
      expect(await storage.readLog({ after: 8, until: 8, maxBytes: 1_000_000 })).toEqual({
        rows: [],
        damaged: [],
        next: 8,
        clock: [],
      })
    })

    it('ends a page once it holds the bytes that were asked for', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await storage.append(changes(block, 'a', 10))
      const page = (after: number, maxBytes: number) => storage.readLog({ after, until: 11, maxBytes })
      const [first, second] = [await page(0, 300), await page(0, 301)]
      expect([seqs(first.rows), first.next]).toEqual([[2, 3, 4], 4])
      expect([seqs(second.rows), second.next]).toEqual([[2, 3, 4, 5], 5])
    })

    it('gives at least one row, and the end when nothing is left', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await storage.append(changes(block, 'a', 2))
      await storage.append([{ kind: 'delete', origin: daemon, grantVersion: 0, block }])
      const first = await storage.readLog({ after: 0, until: 4, maxBytes: 0 })
      expect([seqs(first.rows), first.next]).toEqual([[2], 2])
      const last = await storage.readLog({ after: 2, until: 4, maxBytes: 0 })
      expect([seqs(last.rows), last.next]).toEqual([[3], 4])
    })

    it('filters by some blocks, in log order and page by page', async () => {
      const { storage } = await setup(self)
      const ids = []
      for (let n = 0; n < 12; n += 1) ids.push(await createBlock(storage, `space:home/b${n}`))
      for (let n = 1; n <= 3; n += 1) await storage.append(ids.map((id) => change(id, 'a', n)))
      const last = await storage.lastSeq()
      const found: [number, string][] = []
      for (let after = 0; after < last; ) {
        const { rows, next } = await storage.readLog({ after, until: last, block: [11, 2, 99], maxBytes: 150 })
        found.push(...rows.map(({ block, hash }): [number, string] => [block, hash]))
        after = next
      }
      expect(found).toEqual([1, 2, 3].flatMap((n) => [2, 11].map((id) => [id, changeHash(id, 'a', n)])))
      expect(await storage.readLog({ after: 0, until: last, block: [], maxBytes: 150 })).toMatchObject({ rows: [] })
    })

    it('says with the rows what the clock has of their authors, and of nobody else', async () => {
      const { storage } = await setup(self)
      const [one, two] = [await createBlock(storage), await createBlock(storage, 'space:home/other')]
      await storage.append([...changes(one, 'a', 3), change(one, 'b', 1), ...changes(two, 'a', 2)])
      const { rows, clock } = await storage.readLog({ after: 0, until: 4, maxBytes: 1_000_000 })
      expect(seqs(rows)).toEqual([3, 4])
      const ofA = (await storage.clock(one)).find(({ actor }) => actor === actorOf('a'))
      // What it has now, and not what it had at the row.
      expect(clock).toEqual([{ block: one, ...ofA, seq: 3 }])
      const all = await storage.readLog({ after: 0, until: await storage.lastSeq(), maxBytes: 1_000_000 })
      expect(all.clock.map(({ block, actor, seq }) => [block, actor, seq])).toEqual([
        [one, actorOf('a'), 3],
        [one, actorOf('b'), 1],
        [two, actorOf('a'), 2],
      ])
    })

    it('filters by block, sibling ids included', async () => {
      const { storage } = await setup(self)
      const ids = []
      for (let n = 0; n < 12; n += 1) ids.push(await createBlock(storage, `space:home/b${n}`))
      for (let n = 1; n <= 3; n += 1) await storage.append(ids.map((id) => change(id, 'a', n)))
      for (const id of [1, 10, 11, 12]) {
        const rows = await readAll(storage, id, 150)
        expect(rows.map(({ block, hash }) => [block, hash])).toEqual([
          [id, changeHash(id, 'a', 1)],
          [id, changeHash(id, 'a', 2)],
          [id, changeHash(id, 'a', 3)],
        ])
      }
      expect(await readAll(storage, 99)).toEqual([])
    })
  })

  describe('snapshots', () => {
    const snapshot = (block: number, seq: number, fill: number) => ({
      block,
      seq,
      changes: seq,
      heads: [hashOf(`head ${seq}`), hashOf(`other ${seq}`)],
      bytes: new Uint8Array(300_000).fill(fill),
    })

    it('keeps one snapshot per block and never goes back', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const other = await createBlock(storage, 'space:home/other')
      expect(await storage.snapshot(block)).toBeUndefined()
      await storage.putSnapshot(snapshot(block, 5, 1))
      await storage.putSnapshot(snapshot(block, 4, 2))
      expect(await storage.snapshot(block)).toEqual(snapshot(block, 5, 1))
      await storage.putSnapshot(snapshot(block, 5, 3))
      expect(await storage.snapshot(block)).toEqual(snapshot(block, 5, 3))
      await storage.putSnapshot({ ...snapshot(block, 9, 4), bytes: new Uint8Array(), heads: [] })
      expect(await storage.snapshot(block)).toMatchObject({ seq: 9, heads: [], bytes: new Uint8Array() })
      expect(await storage.snapshot(other)).toBeUndefined()
    })

    it('refuses a snapshot of an unknown block', async () => {
      const { storage } = await setup(self)
      await expect(storage.putSnapshot(snapshot(7, 1, 0))).rejects.toMatchObject({ code: 'block-not-found' })
    })
  })

  describe('epochs', () => {
    it('ends an epoch where the next one starts', async () => {
      const { storage } = await setup(self)
      expect(await storage.epochs()).toEqual([])
      const first = await storage.openEpoch()
      expect(first).toEqual({ id: expect.stringMatching(/^[0-9a-f]{16}$/), startSeq: 0, endSeq: undefined })
      const block = await createBlock(storage)
      await storage.append(changes(block, 'a', 4))
      const second = await storage.openEpoch()
      expect(second).toMatchObject({ startSeq: 5, endSeq: undefined })
      expect(second.id).not.toBe(first.id)
      expect(await storage.epochs()).toEqual([{ ...first, endSeq: 5 }, second])
    })
  })

  describe('ownership', () => {
    it('keeps exactly the part of a buffer that was handed in', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const whole = Buffer.alloc(1_000_000, 7)
      const part = whole.subarray(500_000, 500_010).fill(9)
      const signature = whole.subarray(600_000, 600_064).fill(3)
      const { hash, actor } = change(block, 'a', 1)
      await storage.append([change(block, 'a', 1, { bytes: part, tip: { actor, seq: 1, hash, signature } })])
      await storage.putSnapshot({ block, seq: 2, changes: 1, heads: [], bytes: whole.subarray(600_000, 600_064) })
      const [row] = await readAll(storage)
      expect(row?.bytes).toEqual(new Uint8Array(10).fill(9))
      expect((await storage.snapshot(block))?.bytes).toEqual(new Uint8Array(64).fill(3))
      expect([whole.length, part.length, signature.length]).toEqual([1_000_000, 10, 64])
    })

    it('is not changed by what a caller does to its own objects afterwards', async () => {
      const { storage } = await setup(self)
      const bytes = Buffer.alloc(10, 1)
      const meta = { description: 'before' }
      const objects = [{ id: `3@${actorOf('a')}`, type: 'map' as const, depth: 2 }]
      const grants = ['blocks:read:space:home/*']
      const signature = Buffer.alloc(64, 1)
      const entry = change(1, 'a', 1, { bytes, objects })
      const tip = { actor: entry.actor, seq: 1, hash: entry.hash, signature }
      const pending = [
        storage.append([create('space:home/notes', { meta })]),
        storage.append([{ ...entry, tip }]),
        storage.putSnapshot({ block: 1, seq: 2, changes: 1, heads: [], bytes }),
        storage.decide({ atMs: 1, peer: { row: peerRow(alice, { grants, manifest: meta }), expectGrantVersion: 0 } }),
        storage.putRequest(requestRow(alice, 'code', { manifest: meta, wants: grants })),
        storage.putInvite(inviteRow('invite', { grants })),
      ]
      bytes.fill(2)
      signature.fill(2)
      meta.description = 'after'
      grants.push('daemon:admin')
      objects.pop()
      await Promise.all(pending)
      const state = await storage.blockState(1)
      expect(state.row.meta).toEqual({ description: 'before' })
      expect(state.objects).toHaveLength(2)
      expect(state.clock.find(({ actor }) => actor === entry.actor)?.signature[0]).toBe(1)
      expect((await readAll(storage))[0]?.bytes[0]).toBe(1)
      expect((await storage.snapshot(1))?.bytes[0]).toBe(1)
      expect((await storage.peers())[0]).toMatchObject({ grants: { length: 1 }, manifest: { description: 'before' } })
      expect((await storage.requests())[0]).toMatchObject({ wants: { length: 1 }, manifest: { description: 'before' } })
      expect((await storage.invite(inviteRow('invite').hash))?.grants).toHaveLength(1)
    })

    it('is not changed by what a caller does to the rows that it got', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await approve(storage, alice)
      await storage.append([change(block, 'a', 1)])
      await storage.putSnapshot({ block, seq: 2, changes: 1, heads: [hashOf('h')], bytes: new Uint8Array(5) })
      await storage.putRequest(requestRow(alice, 'code'))
      await storage.putInvite(inviteRow('invite'))
      const look = (from: Storage) =>
        Promise.all([
          from.blocks(),
          from.blockState(block),
          from.readLog({ after: 0, until: 2, maxBytes: 1_000 }),
          from.snapshot(block),
          from.peers(),
          from.requests(),
          from.invite(inviteRow('invite').hash),
        ])
      const before = await look(storage)
      const expected = structuredClone(before)
      spoil(before)
      expect(await look(storage)).toEqual(expected)
    })

    it('keeps the bytes of two rows apart', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      await storage.append(changes(block, 'a', 2))
      const [first, second] = await readAll(storage)
      first?.bytes.fill(0)
      expect(second?.bytes).toEqual(change(block, 'a', 2).bytes)
    })
  })

  describe('close', () => {
    it('finishes what was called before and refuses what is called after', async () => {
      const { storage } = await setup(self)
      const block = await createBlock(storage)
      const outcome = storage.append([change(block, 'a', 1)])
      const [first, second] = [storage.close(), storage.close()]
      expect(await outcome).toEqual([{ kind: 'stored', seq: 2 }])
      await Promise.all([first, second])
      await storage.close()
      for (const call of [
        () => storage.append([change(block, 'a', 2)]),
        () => storage.append([]),
        () => storage.lastSeq(),
        () => storage.blocks(),
        () => storage.blockState(block),
        () => storage.readLog({ after: 0, until: 1, maxBytes: 1 }),
        () => storage.openEpoch(),
        () => storage.peers(),
        () => storage.decide({ atMs: 1 }),
        () => storage.prune(1),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'daemon-stopping' })
      }
      expect(storage.failed.aborted).toBe(false)
    })
  })
}

/** Overwrites everything that can be reached. */
function spoil(value: unknown): void {
  if (value instanceof Uint8Array) value.fill(255)
  else if (Array.isArray(value)) {
    for (const item of value) spoil(item)
    value.push('spoilt')
  } else if (typeof value === 'object' && value !== null) {
    for (const key of Object.keys(value)) {
      spoil(Reflect.get(value, key))
      if (typeof Reflect.get(value, key) === 'string') Reflect.set(value, key, 'spoilt')
    }
  }
}
