/** A block that is set back to what is left of it, what waits meanwhile, and how it returns. */
import { describe, expect, it } from 'vitest'
import type { BlockRow, ReturnEntry, SetBackEntry, Storage } from '../../daemon/storage/storage.ts'
import {
  actorOf,
  alice,
  approve,
  change,
  changeHash,
  changes,
  createBlock,
  daemon,
  initialActor,
  initialHash,
  readAll,
  self,
  signatureOf,
} from '../fixtures/storage-entries.ts'
import type { StorageSetup } from './storage.suite.ts'

const own = { origin: daemon, grantVersion: 0 } as const
const actor = actorOf('a')
const object = { id: `3@${actor}`, type: 'map', depth: 2 } as const
const initialObject = { id: `1@${initialActor}`, type: 'text', depth: 1 } as const
const tip = (block: number, n: number, name = 'a') => ({
  actor: actorOf(name),
  seq: n,
  hash: changeHash(block, name, n),
  signature: signatureOf(`tip ${name} ${n}`),
})

/** Five changes of `a` in rows 2 to 6, of which the third is gone: the last two wait for it. */
async function withFive(storage: Storage): Promise<BlockRow> {
  const block = await createBlock(storage)
  await storage.append(changes(block, 'a', 4, { objects: [object] }))
  await storage.append([change(block, 'a', 5, { tip: tip(block, 5) })])
  const [row] = await storage.blocks()
  if (row === undefined) throw new Error('no block was made')
  return row
}

/** Nothing can be damaged through the port: as damaged counts a position at which there is no row. */
function setBack(row: BlockRow, fields: Partial<SetBackEntry> = {}): SetBackEntry {
  const block = row.id
  const initial = { actor: initialActor, seq: 1, hash: initialHash('notes'), maxOp: 2, signature: new Uint8Array() }
  const hash = changeHash(block, 'a', 2)
  return {
    kind: 'set-back',
    ...own,
    until: row.visibleSeq,
    row: { ...row, maxOp: 4, ops: 4, changes: 2, heads: [hash] },
    clock: [initial, { actor, seq: 2, hash, maxOp: 4, signature: new Uint8Array() }],
    objects: [initialObject, object],
    content: 0,
    damaged: [],
    waiting: [
      { seq: 4, hash: changeHash(block, 'a', 3), signature: new Uint8Array() },
      { seq: 5, hash: changeHash(block, 'a', 4), signature: new Uint8Array() },
      { seq: 6, hash: changeHash(block, 'a', 5), signature: signatureOf('tip a 5') },
    ],
    lost: [{ block, actor, from: 3, to: 3, hash: changeHash(block, 'a', 3), atMs: 1 }],
    dropsSnapshot: false,
    ...fields,
  }
}

const returned = (block: number, ...waiting: readonly [n: number, seq: number][]): ReturnEntry => ({
  kind: 'return',
  ...own,
  block,
  changes: waiting.map(([n, seq]) => {
    const { hash, actorSeq, maxOp, ops, content, gap, deps, objects } = change(block, 'a', n)
    const signature = n === 5 ? signatureOf('tip a 5') : new Uint8Array()
    return { seq, hash, actor, actorSeq, maxOp, ops, content, gap, deps, objects, signature }
  }),
})

export function setBackCases(setup: StorageSetup): void {
  describe('a block that is set back', () => {
    it('is what is left of it, and the rest waits apart from the log', async () => {
      const { storage } = await setup(self)
      const row = await withFive(storage)
      const [outcome] = await storage.append([setBack(row)])
      const block = { id: 1, visibleSeq: 7, changes: 2, ops: 4, maxOp: 4, heads: [changeHash(1, 'a', 2)] }
      expect(outcome).toMatchObject({ kind: 'stored', seq: 7, block })
      expect(await storage.blocks()).toMatchObject([block])
      expect((await readAll(storage)).map(({ seq }) => seq)).toEqual([2, 3])
      const state = await storage.blockState(1)
      expect(state.known.map(({ hash }) => hash)).toEqual([changeHash(1, 'a', 1), changeHash(1, 'a', 2)])
      expect(state.clock.map(({ seq }) => seq).sort()).toEqual([1, 2])
      expect(state.objects).toHaveLength(2)
      expect(await storage.setBacks()).toEqual([{ block: 1, seq: 7 }])
      expect(await storage.waiting()).toEqual(
        [3, 4, 5].map((n) => ({ block: 1, seq: n + 1, hash: changeHash(1, 'a', n) })),
      )
      expect(await storage.lost()).toEqual([{ block: 1, actor, from: 3, to: 3, hash: changeHash(1, 'a', 3), atMs: 1 }])
      expect(await storage.lastSeq()).toBe(7)
    })

    it('takes new changes on top of what is left', async () => {
      const { storage } = await setup(self)
      const row = await withFive(storage)
      await storage.append([setBack(row)])
      const other = change(1, 'b', 1, { deps: [changeHash(1, 'a', 2)] })
      expect(await storage.append([other])).toEqual([{ kind: 'stored', seq: 8 }])
      expect(await storage.blocks()).toMatchObject([{ changes: 3, heads: [changeHash(1, 'b', 1)] }])
    })

    it('gives what waits as it was, with the signature that there was, page by page', async () => {
      const { storage } = await setup(self)
      await storage.append([setBack(await withFive(storage))])
      const all = await storage.readWaiting({ block: 1, after: 0, maxBytes: 1_000_000 })
      expect(all.next).toBeUndefined()
      expect(all.rows).toEqual(
        [3, 4, 5].map((n) => {
          const { hash, actorSeq, maxOp, bytes } = change(1, 'a', n)
          const signature = n === 5 ? signatureOf('tip a 5') : new Uint8Array()
          return { block: 1, seq: n + 1, hash, actor, actorSeq, maxOp, bytes, signature }
        }),
      )
      const first = await storage.readWaiting({ block: 1, after: 0, maxBytes: 1 })
      expect([first.rows.map(({ seq }) => seq), first.next]).toEqual([[4], 4])
      const last = await storage.readWaiting({ block: 1, after: 5, maxBytes: 1 })
      expect([last.rows.map(({ seq }) => seq), last.next]).toEqual([[6], undefined])
      expect((await storage.readWaiting({ block: 2, after: 0, maxBytes: 1 })).rows).toEqual([])
    })

    it('gets back what waited as the newest rows, in order, with clock and signature', async () => {
      const { storage } = await setup(self)
      await storage.append([setBack(await withFive(storage))])
      // The lost one was brought, and the first that waited as well.
      await storage.append([change(1, 'a', 3)])
      await storage.endWaiting(1, [4])
      await storage.endLost({ block: 1, actor, to: 3 })
      const [outcome] = await storage.append([returned(1, [4, 5], [5, 6])])
      expect(outcome).toEqual({ kind: 'stored', seq: 10 })
      const rows = await readAll(storage, 1)
      expect(rows.map(({ seq, actorSeq }) => [seq, actorSeq])).toEqual([
        [2, 1],
        [3, 2],
        [8, 3],
        [9, 4],
        [10, 5],
      ])
      expect(rows[3]).toMatchObject({ hash: changeHash(1, 'a', 4), origin: daemon, bytes: change(1, 'a', 4).bytes })
      expect(await storage.blocks()).toMatchObject([{ changes: 5, visibleSeq: 10, heads: [changeHash(1, 'a', 5)] }])
      expect(await storage.clock(1, [actor])).toEqual([{ ...tip(1, 5), maxOp: 7 }])
      expect(await storage.waiting()).toEqual([])
      expect(await storage.lost()).toEqual([])
    })

    it('keeps what is lost beyond what was brought', async () => {
      const { storage } = await setup(self)
      const row = await withFive(storage)
      const lost = { block: 1, actor, hash: undefined, atMs: 1 }
      await storage.append([
        setBack(row, {
          lost: [
            { ...lost, from: 3, to: 3 },
            { ...lost, from: 7, to: 9 },
          ],
        }),
      ])
      await storage.endLost({ block: 1, actor, to: 8 })
      expect(await storage.lost()).toEqual([{ ...lost, from: 7, to: 9 }])
      await storage.endLost({ block: 1, actor: actorOf('b'), to: 9 })
      expect(await storage.lost()).toHaveLength(1)
    })

    it('is refused when it has a newer row, when it is deleted, and when a row that is called damaged is not', async () => {
      const { storage } = await setup(self)
      const row = await withFive(storage)
      const refused = (code: string) => [{ kind: 'refused', code }]
      expect(await storage.append([setBack(row, { until: 5 })])).toEqual(refused('wrong-state'))
      expect(await storage.append([setBack(row, { damaged: [4] })])).toEqual(refused('wrong-state'))
      await storage.append([{ kind: 'delete', ...own, block: 1 }])
      expect(await storage.append([setBack(row)])).toEqual(refused('block-deleted'))
      expect(await readAll(storage)).toHaveLength(5)
    })

    it('takes nothing behind it in the same call, which was checked against what it was', async () => {
      const { storage } = await setup(self)
      const row = await withFive(storage)
      const other = await createBlock(storage, 'space:home/other')
      const outcomes = await storage.append([
        setBack(row),
        change(1, 'a', 6),
        change(other, 'a', 1),
        returned(1, [4, 5]),
      ])
      expect(outcomes).toMatchObject([
        { kind: 'stored', seq: 8 },
        { kind: 'refused', code: 'missing-deps' },
        { kind: 'stored', seq: 9 },
        { kind: 'refused', code: 'wrong-state' },
      ])
    })

    it('loses its snapshot, or the rows that its snapshot stands for, as it is told', async () => {
      const { storage } = await setup(self)
      const row = await withFive(storage)
      await storage.putSnapshot({ block: 1, seq: 3, changes: 2, heads: [], bytes: new Uint8Array(5) })
      await storage.append([setBack({ ...row, horizonSeq: 3 })])
      expect(await readAll(storage)).toEqual([])
      expect(await storage.blocks()).toMatchObject([{ horizonSeq: 3 }])
      expect(await storage.snapshot(1)).toBeDefined()
      const [now] = await storage.blocks()
      if (now === undefined) throw new Error('the block is gone')
      await storage.append([setBack({ ...now, horizonSeq: 0 }, { waiting: [], dropsSnapshot: true })])
      expect(await storage.snapshot(1)).toBeUndefined()
      expect(await storage.blocks()).toMatchObject([{ horizonSeq: 0 }])
    })

    it('may be set back by nobody but the daemon', async () => {
      const { storage } = await setup(self)
      const row = await withFive(storage)
      await approve(storage, alice)
      const entry = setBack(row, { origin: alice, grantVersion: 7 })
      expect(await storage.append([entry])).toEqual([{ kind: 'refused', code: 'grant-changed' }])
    })

    it('says what can be believed of it', async () => {
      const { storage } = await setup(self)
      const row = await withFive(storage)
      const { clock } = await storage.blockState(1)
      expect(await storage.remains(1)).toEqual({ row, clock, isSound: true })
      await expect(storage.remains(2)).rejects.toMatchObject({ code: 'block-not-found' })
    })
  })
}
