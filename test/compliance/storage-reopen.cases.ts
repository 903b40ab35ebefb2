/** What a backend with a disk still knows after it was closed and opened again. */
import { describe, expect, it } from 'vitest'
import type { Storage } from '../../daemon/storage/storage.ts'
import {
  alice,
  approve,
  bob,
  change,
  changes,
  create,
  createBlock,
  daemon,
  hashOf,
  inviteRow,
  readAll,
  requestRow,
  self,
  sha256,
} from '../fixtures/storage-entries.ts'
import type { StorageSetup } from './storage.suite.ts'

export function reopenCases(setup: StorageSetup): void {
  describe('reopen', () => {
    it('keeps everything', async () => {
      const { storage, reopen } = await setup(self)
      if (reopen === undefined) throw new Error('the setup of a backend with a disk gives `reopen`')
      await storage.openEpoch()
      const block = await createBlock(storage)
      await approve(storage, alice)
      await storage.append([...changes(block, 'a', 20, { origin: alice, grantVersion: 1 }), change(block, 'b', 1)])
      await storage.putSnapshot({
        block,
        seq: 10,
        changes: 9,
        heads: [hashOf('h')],
        bytes: new Uint8Array(9_000).fill(4),
      })
      const { hash, actor, actorSeq } = change(block, 'b', 1)
      const aside = { hash, seq: 22, actor, actorSeq, peer: alice.peer, cause: undefined, reason: 'bad' }
      const suspend = [{ peer: alice.peer, reason: 'bad' }]
      await storage.append([
        { kind: 'quarantine', origin: daemon, grantVersion: 0, block, changes: [aside], suspend, atMs: 9 },
      ])
      await storage.putVerified({ block, seq: 23, heads: [hashOf('h')] })
      await storage.putRequest(requestRow(bob, 'one'))
      await storage.putInvite(inviteRow('invite', { name: 'x' }))
      const look = async (from: Storage) => ({
        seq: await from.lastSeq(),
        epochs: await from.epochs(),
        blocks: await from.blocks(),
        state: await from.blockState(block),
        log: await readAll(from),
        snapshot: await from.snapshot(block),
        quarantined: await from.quarantined(),
        suspensions: await from.suspensions(),
        verified: await from.verified(),
        peers: await from.peers(),
        requests: await from.requests(),
        invite: await from.invite(sha256('invite')),
      })
      const before = await look(storage)
      expect(before).toMatchObject({ quarantined: { length: 1 }, suspensions: { length: 1 }, verified: { length: 1 } })
      expect(await look(await reopen())).toEqual(before)
    })

    it('goes on where it stopped: seq, block ids, generations, grants, epochs', async () => {
      const { storage, reopen } = await setup(self)
      if (reopen === undefined) throw new Error('the setup of a backend with a disk gives `reopen`')
      await storage.openEpoch()
      const block = await createBlock(storage)
      await approve(storage, alice)
      await storage.append([change(block, 'a', 1), { kind: 'delete', origin: daemon, grantVersion: 0, block }])
      const again = await reopen()
      expect(await again.openEpoch()).toMatchObject({ startSeq: 3 })
      const outcomes = await again.append([
        create('space:home/notes'),
        change(2, 'a', 1, { origin: alice, grantVersion: 1 }),
        change(2, 'b', 1, { origin: bob, grantVersion: 1 }),
        change(block, 'a', 2),
      ])
      expect(outcomes).toMatchObject([
        { kind: 'stored', seq: 4, block: { id: 2, generation: 2 } },
        { kind: 'stored', seq: 5 },
        { kind: 'refused', code: 'grant-changed' },
        { kind: 'refused', code: 'block-deleted' },
      ])
      expect((await again.epochs()).map(({ startSeq, endSeq }) => [startSeq, endSeq])).toEqual([
        [0, 3],
        [3, undefined],
      ])
    })

    it('keeps its state after an append that came after a reopen', async () => {
      const { storage, reopen } = await setup(self)
      if (reopen === undefined) throw new Error('the setup of a backend with a disk gives `reopen`')
      const block = await createBlock(storage)
      await storage.append(changes(block, 'a', 2))
      const again = await reopen()
      await again.append([change(block, 'a', 3), change(block, 'b', 1)])
      const { row } = await again.blockState(block)
      expect(row).toMatchObject({ changes: 4, ops: 6, visibleSeq: 5 })
      expect(new Set(row.heads)).toEqual(new Set([change(block, 'a', 3).hash, change(block, 'b', 1).hash]))
    })
  })
}
