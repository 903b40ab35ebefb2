/** What peers take up: counted in the transaction that stores it, and in the one that takes it away. */
import { describe, expect, it } from 'vitest'
import type { ChangeEntry, PeerUsage, Storage } from '../../daemon/storage/storage.ts'
import { alice, approve, bob, change, createBlock, daemon, hashOf, self } from '../fixtures/storage-entries.ts'
import type { StorageSetup } from './storage.suite.ts'

/** A row, its actor, and nothing else. */
const emptyRow = 160 + 200

const by = (who: typeof alice, fields: Partial<ChangeEntry> = {}): Partial<ChangeEntry> => ({
  origin: who,
  grantVersion: 1,
  ...fields,
})

const diskOf = async (storage: Storage, who: typeof alice): Promise<number> =>
  (await storage.usage()).find(({ peer }) => peer === who.peer)?.disk ?? 0

export function usageCases(setup: StorageSetup): void {
  const open = async () => {
    const subject = await setup(self)
    for (const who of [alice, bob]) await approve(subject.storage, who)
    return { ...subject, block: await createBlock(subject.storage) }
  }

  describe('what peers take up', () => {
    it('is counted with what goes with each row', async () => {
      const { storage, block } = await open()
      expect(await storage.usage()).toEqual([])
      const objects = [{ id: '3@aa', type: 'map' as const, depth: 1 }]
      await storage.append([
        change(block, 'a', 1, by(alice, { bytes: new Uint8Array(40), content: 7 })),
        change(block, 'a', 2, by(alice, { bytes: new Uint8Array(50), objects })),
        change(block, 'b', 1, by(bob, { bytes: new Uint8Array(60), content: 5 })),
        change(block, 'd', 1, { bytes: new Uint8Array(70) }),
      ])
      await storage.append([change(block, 'b', 2, by(bob, { bytes: new Uint8Array(1), content: 1 }))])
      const usage: PeerUsage[] = [
        { peer: alice.peer, disk: emptyRow + 40 + 160 + 50 + 100 },
        { peer: bob.peer, disk: emptyRow + 60 + 161 },
        { peer: daemon.peer, disk: emptyRow + 70 },
      ]
      expect(await storage.usage()).toEqual(usage.sort((a, b) => (a.peer < b.peer ? -1 : 1)))
      expect((await storage.blockState(block)).content).toBe(13)
    })

    it('is counted for each peer over all blocks, and for each block over all peers', async () => {
      const { storage, block } = await open()
      const other = await createBlock(storage, 'space:home/other')
      for (const id of [block, other]) await storage.append([change(id, 'a', 1, by(alice, { content: 3 }))])
      expect(await diskOf(storage, alice)).toBe(2 * (emptyRow + 100))
      expect((await storage.blockState(other)).content).toBe(3)
    })

    it('is its author’s, whoever sends it', async () => {
      const { storage, block } = await open()
      const author = { peer: alice.peer, grantVersion: 1 }
      await storage.append([change(block, 'a', 1, by(bob, { author, bytes: new Uint8Array(40) }))])
      expect(await storage.usage()).toEqual([{ peer: alice.peer, disk: emptyRow + 40 }])
    })

    it('is not what is refused', async () => {
      const { storage, block } = await open()
      await storage.append([change(block, 'a', 1, by(alice, { grantVersion: 7, content: 9 }))])
      expect(await storage.usage()).toEqual([])
      expect((await storage.blockState(block)).content).toBe(0)
    })

    it('is shared when rows become a snapshot: each has the same part of what is left, and is told', async () => {
      const { storage, block } = await open()
      await storage.append([
        change(block, 'a', 1, by(alice, { bytes: new Uint8Array(3_000), content: 9 })),
        change(block, 'b', 1, by(bob, { bytes: new Uint8Array(1_000) })),
      ])
      const told = new Map((await storage.usage()).map(({ peer, disk }) => [peer, disk]))
      const hear = (changed: readonly PeerUsage[]): void => {
        for (const { peer, disk } of changed) told.set(peer, (told.get(peer) ?? 0) + disk)
      }
      const before = [await diskOf(storage, alice), await diskOf(storage, bob)] as const
      const until = await storage.lastSeq()
      const snapshot = { block, seq: until, changes: 2, heads: [hashOf('h')] }
      hear(await storage.putSnapshot({ ...snapshot, bytes: new Uint8Array(900) }))
      hear(await storage.putSnapshot({ ...snapshot, bytes: new Uint8Array(500) }))
      expect(await storage.putSnapshot({ ...snapshot, seq: 1, bytes: new Uint8Array(9_000) })).toEqual([])
      const whole = before[0] + before[1]
      const sum = async (): Promise<number> => (await diskOf(storage, alice)) + (await diskOf(storage, bob))
      expect(Math.abs((await sum()) - whole - 500)).toBeLessThanOrEqual(2)
      await storage.putVerified({ block, seq: until, heads: [] })
      hear((await storage.fold({ block, until, maxRows: 9 })).usage)
      expect(Math.abs((await sum()) - (whole + 500 - 4_000 - 2 * 160))).toBeLessThanOrEqual(3)
      expect((await diskOf(storage, alice)) / (await diskOf(storage, bob))).toBeCloseTo(before[0] / before[1], 1)
      expect(await storage.usage()).toEqual([...told].map(([peer, disk]) => ({ peer, disk })))
      // It is still in the document.
      expect((await storage.blockState(block)).content).toBe(9)
    })

    it('is known after a restart', async () => {
      const { storage, block, reopen } = await open()
      await storage.append([change(block, 'a', 1, by(alice, { content: 600, bytes: new Uint8Array(9_000) }))])
      const usage = await storage.usage()
      if (reopen === undefined) return
      const again = await reopen()
      expect(await again.usage()).toEqual(usage)
      expect((await again.blockState(block)).content).toBe(600)
    })
  })
}
