/** Requests, invites and decisions: every comparison that can fail, and that nothing is written when one does. */
import { describe, expect, it } from 'vitest'
import type { Decision, Storage } from '../../daemon/storage/storage.ts'
import {
  alice,
  approve,
  bob,
  inviteRow,
  mallory,
  peerRow,
  requestRow,
  self,
  sha256,
} from '../fixtures/storage-entries.ts'
import type { StorageSetup } from './storage.suite.ts'

const approval = (code: string, fields: Partial<Decision> = {}): Decision => ({
  atMs: 5_000,
  request: { code, digest: sha256(code), to: 'approved' },
  peer: { row: peerRow(alice), expectGrantVersion: 0 },
  ...fields,
})

const states = async (storage: Storage) => (await storage.requests()).map(({ code, state }) => [code, state])

export function decisionCases(setup: StorageSetup): void {
  /** The decision fails with the code, and requests, invites and peers stay as they were. */
  async function expectRefused(storage: Storage, decision: Decision, code: string): Promise<void> {
    const look = async () => [await storage.requests(), await storage.peers(), await storage.invite(sha256('invite'))]
    const before = await look()
    await expect(storage.decide(decision)).rejects.toMatchObject({ code })
    expect(await look()).toEqual(before)
  }

  describe('requests', () => {
    it('keeps a request as it was handed in', async () => {
      const { storage } = await setup(self)
      await storage.putRequest(requestRow(alice, 'one'))
      expect(await storage.requests()).toEqual([requestRow(alice, 'one')])
    })

    it('supersedes the open request of the same peer and no other', async () => {
      const { storage } = await setup(self)
      await storage.putRequest(requestRow(alice, 'one'))
      await storage.putRequest(requestRow(bob, 'bob'))
      await storage.decide(approval('one', { request: { code: 'one', digest: sha256('one'), to: 'denied' } }))
      await storage.putRequest(requestRow(alice, 'two'))
      await storage.putRequest(requestRow(alice, 'three'))
      expect(await states(storage)).toEqual([
        ['one', 'denied'],
        ['bob', 'pending'],
        ['two', 'superseded'],
        ['three', 'pending'],
      ])
    })

    it('refuses a code that is stored already and supersedes nothing', async () => {
      const { storage } = await setup(self)
      await storage.putRequest(requestRow(alice, 'one'))
      await storage.putRequest(requestRow(bob, 'two'))
      await expect(storage.putRequest(requestRow(bob, 'one'))).rejects.toMatchObject({ code: 'wrong-state' })
      expect(await states(storage)).toEqual([
        ['one', 'pending'],
        ['two', 'pending'],
      ])
    })
  })

  describe('decide', () => {
    it('writes request, grants and peer together', async () => {
      const { storage } = await setup(self)
      await storage.putRequest(requestRow(alice, 'one'))
      await storage.decide(approval('one'))
      expect(await states(storage)).toEqual([['one', 'approved']])
      expect(await storage.peers()).toEqual([peerRow(alice)])
    })

    it('replaces the grants of a peer', async () => {
      const { storage } = await setup(self)
      await approve(storage, alice)
      const row = peerRow(alice, { state: 'revoked', grantVersion: 2, grants: ['z:1', 'a:2', '!m:3'], manifest: null })
      await storage.decide({ atMs: 1, peer: { row, expectGrantVersion: 1 } }, { urgent: true })
      expect(await storage.peers()).toEqual([row])
      const bare = { ...row, grantVersion: 3, grants: [] }
      await storage.decide({ atMs: 1, peer: { row: bare, expectGrantVersion: 2 } })
      expect(await storage.peers()).toEqual([bare])
    })

    it('lets exactly one of two equal approvals win', async () => {
      const { storage } = await setup(self)
      await storage.putRequest(requestRow(alice, 'one'))
      const results = await Promise.allSettled([storage.decide(approval('one')), storage.decide(approval('one'))])
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
      expect(results[1]).toMatchObject({ reason: { code: 'request-decided' } })
    })

    it('refuses a request that does not exist', async () => {
      const { storage } = await setup(self)
      await expectRefused(storage, approval('none'), 'request-not-found')
    })

    it('refuses another digest', async () => {
      const { storage } = await setup(self)
      await storage.putRequest(requestRow(alice, 'one'))
      const request = { code: 'one', digest: sha256('other'), to: 'approved' } as const
      await expectRefused(storage, approval('one', { request }), 'digest-mismatch')
    })

    it('refuses a superseded request by its own code', async () => {
      const { storage } = await setup(self)
      await storage.putRequest(requestRow(alice, 'one'))
      await storage.putRequest(requestRow(alice, 'two'))
      await expectRefused(storage, approval('one'), 'request-superseded')
    })

    it('refuses from the instant of expiry on, and lets a request expire', async () => {
      const { storage } = await setup(self)
      await storage.putRequest(requestRow(alice, 'one'))
      await expectRefused(storage, approval('one', { atMs: 10_000 }), 'request-expired')
      await storage.decide({ atMs: 10_000, request: { code: 'one', digest: sha256('one'), to: 'expired' } })
      expect(await states(storage)).toEqual([['one', 'expired']])
      await expectRefused(storage, approval('one'), 'request-expired')
      await storage.putRequest(requestRow(alice, 'two'))
      await storage.decide(approval('two', { atMs: 9_999 }))
    })

    it('refuses a decision that was made under another grant version', async () => {
      const { storage } = await setup(self)
      const next = { row: peerRow(alice, { grantVersion: 2 }), expectGrantVersion: 1 }
      await expectRefused(storage, { atMs: 1, peer: next }, 'wrong-state')
      await approve(storage, alice)
      await expectRefused(storage, { atMs: 1, peer: { row: peerRow(alice), expectGrantVersion: 0 } }, 'wrong-state')
      await storage.decide({ atMs: 1, peer: next })
    })

    it('lets exactly one of an approval and a revocation at the same version win', async () => {
      const { storage } = await setup(self)
      await approve(storage, alice)
      const decisions = (['revoked', 'approved'] as const).map((state) =>
        storage.decide({ atMs: 1, peer: { row: peerRow(alice, { state, grantVersion: 2 }), expectGrantVersion: 1 } }),
      )
      const results = await Promise.allSettled(decisions)
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
      expect((await storage.peers())[0]?.state).toBe('revoked')
    })

    it('refuses the name of another approved peer, and only of an approved one', async () => {
      const { storage } = await setup(self)
      await storage.decide({ atMs: 1, peer: { row: peerRow(alice, { name: 'notes' }), expectGrantVersion: 0 } })
      const bobAsNotes = { row: peerRow(bob, { name: 'notes' }), expectGrantVersion: 0 }
      await storage.putRequest(requestRow(bob, 'bob'))
      const request = { code: 'bob', digest: sha256('bob'), to: 'approved' } as const
      await expectRefused(storage, { atMs: 1, request, peer: bobAsNotes }, 'name-taken')
      const denied = { row: peerRow(mallory, { name: 'notes', state: 'denied' }), expectGrantVersion: 0 }
      await storage.decide({ atMs: 1, peer: denied })
      const again = peerRow(alice, { name: 'notes', grantVersion: 2 })
      await storage.decide({ atMs: 1, peer: { row: again, expectGrantVersion: 1 } })
      const revoked = peerRow(alice, { name: 'notes', grantVersion: 3, state: 'revoked' })
      await storage.decide({ atMs: 1, peer: { row: revoked, expectGrantVersion: 2 } })
      await storage.decide({ atMs: 1, request, peer: bobAsNotes })
    })
  })

  describe('invites', () => {
    const claim = (by: typeof alice, atMs = 1): Decision => ({
      atMs,
      invite: { hash: sha256('invite'), claimedBy: by.peer },
      peer: { row: peerRow(by), expectGrantVersion: 0 },
    })

    it('keeps an invite, with and without a name', async () => {
      const { storage } = await setup(self)
      await storage.putInvite(inviteRow('invite'))
      await storage.putInvite(inviteRow('named', { name: 'notes' }))
      expect(await storage.invite(sha256('invite'))).toEqual(inviteRow('invite'))
      expect(await storage.invite(sha256('named'))).toEqual(inviteRow('named', { name: 'notes' }))
      expect(await storage.invite(sha256('other'))).toBeUndefined()
      await expect(storage.putInvite(inviteRow('invite'))).rejects.toMatchObject({ code: 'wrong-state' })
    })

    it('is claimed by one key, which may claim again', async () => {
      const { storage } = await setup(self)
      await storage.putInvite(inviteRow('invite'))
      await storage.decide(claim(alice))
      expect(await storage.invite(sha256('invite'))).toEqual(inviteRow('invite', { claimedBy: alice.peer }))
      await expectRefused(storage, claim(bob), 'invite-invalid')
      const again = { atMs: 9_999, invite: { hash: sha256('invite'), claimedBy: alice.peer } }
      await storage.decide(again)
      await expectRefused(storage, { ...again, atMs: 10_000 }, 'invite-invalid')
    })

    it('gives a contested invite to exactly one of two keys', async () => {
      const { storage } = await setup(self)
      await storage.putInvite(inviteRow('invite'))
      const results = await Promise.allSettled([storage.decide(claim(alice)), storage.decide(claim(bob))])
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
      expect((await storage.peers()).map(({ peer }) => peer)).toEqual([alice.peer])
    })

    it('refuses an unknown invite and an expired one', async () => {
      const { storage } = await setup(self)
      await expectRefused(storage, claim(alice), 'invite-invalid')
      await storage.putInvite(inviteRow('invite'))
      await expectRefused(storage, claim(alice, 10_000), 'invite-invalid')
    })

    it('is not claimed when another part of the decision fails', async () => {
      const { storage } = await setup(self)
      await approve(storage, alice)
      await storage.putInvite(inviteRow('invite'))
      await expectRefused(storage, claim(alice), 'wrong-state')
    })
  })

  describe('prune', () => {
    it('removes what was decided and ended before, and nothing else', async () => {
      const { storage } = await setup(self)
      await storage.putRequest(requestRow(alice, 'old', { expiresAtMs: 6_000 }))
      await storage.decide(approval('old'))
      await storage.putRequest(requestRow(bob, 'open', { expiresAtMs: 6_000 }))
      await storage.putRequest(requestRow(mallory, 'young', { expiresAtMs: 7_000 }))
      await storage.decide({ atMs: 1, request: { code: 'young', digest: sha256('young'), to: 'denied' } })
      await storage.putInvite(inviteRow('old', { expiresAtMs: 6_999 }))
      await storage.putInvite(inviteRow('young', { expiresAtMs: 7_000 }))
      await storage.prune(7_000)
      expect(await states(storage)).toEqual([
        ['open', 'pending'],
        ['young', 'denied'],
      ])
      expect(await storage.invite(sha256('old'))).toBeUndefined()
      expect(await storage.invite(sha256('young'))).toBeDefined()
      expect(await storage.peers()).toHaveLength(1)
    })
  })
}
