import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { alice, bob, codeOf, mallory, openWorld } from './world.ts'

const read = 'blocks:read:space:home/*'
const write = 'blocks:write:space:home/*'
const notes = 'blocks:read:space:home/notes'
const hourMs = 3_600_000

describe('an invite', () => {
  it('approves the first key that claims it, with its grants', async () => {
    const { approvals, hello, told, storage } = await openWorld()
    const { secret, row } = await approvals.invite({ grants: [read], name: 'guest', ttlMs: hourMs })
    expect(secret.length * 8).toBeGreaterThanOrEqual(128)
    expect(row.hash).toBe(createHash('sha256').update(secret).digest('hex'))
    expect(JSON.stringify(await storage.invite(row.hash))).not.toContain(Buffer.from(secret).toString('hex'))
    const events = told(alice)
    const answer = await hello(alice, [read], { invite: secret })
    expect(answer).toEqual({ state: 'approved', grant: approvals.grantOf(alice) })
    expect(approvals.grantOf(alice)).toMatchObject({ name: 'guest', texts: [read], grantVersion: 1 })
    expect(events).toEqual([{ kind: 'approved', grant: approvals.grantOf(alice) }])
    expect(await storage.peers()).toEqual(approvals.peers())
  })

  it('gives what it says also to a manifest that wants more; the difference waits', async () => {
    const { approvals, hello } = await openWorld()
    const { secret } = await approvals.invite({ grants: [read], ttlMs: hourMs })
    const answer = await hello(alice, [notes, write], { invite: secret })
    expect(answer).toMatchObject({ state: 'approved', grant: { texts: [read] }, request: { wants: [write] } })
    const [card] = approvals.requests()
    await approvals.deny(card?.code ?? '')
    expect(await hello(alice, [notes, write], { invite: secret })).toEqual({
      state: 'approved',
      grant: approvals.grantOf(alice),
    })
  })

  it('is for one key', async () => {
    const { approvals, hello } = await openWorld()
    const { secret } = await approvals.invite({ grants: [read], ttlMs: hourMs })
    const both = [hello(alice, [read], { invite: secret }), hello(mallory, [read], { invite: secret })]
    expect(await Promise.all(both.map(codeOf))).toEqual(['resolved', 'invite-invalid'])
    expect(approvals.standing(mallory)).toBe('unknown')
    expect(approvals.requests()).toEqual([])
  })

  it.each([
    [-1, 'resolved'],
    [0, 'invite-invalid'],
  ])('ends: %i ms from the boundary a claim is %s', async (offsetMs, result) => {
    const { approvals, hello, clock } = await openWorld()
    const { secret } = await approvals.invite({ grants: [read], ttlMs: hourMs })
    clock.advance(hourMs + offsetMs)
    expect(await codeOf(hello(alice, [read], { invite: secret }))).toBe(result)
  })

  it.each([
    ['was never made', (secret: Uint8Array) => secret.map((byte) => byte ^ 1)],
    ['says another time', (secret: Uint8Array) => secret.map((byte, at) => (at === 7 ? byte + 1 : byte))],
    ['is cut short', (secret: Uint8Array) => secret.subarray(0, 16)],
  ])('that %s is refused', async (_what, change) => {
    const { approvals, hello } = await openWorld()
    const { secret } = await approvals.invite({ grants: [read], ttlMs: hourMs })
    expect(await codeOf(hello(alice, [read], { invite: change(secret) }))).toBe('invite-invalid')
    expect(approvals.standing(alice)).toBe('unknown')
  })

  it('claimed again by its key changes nothing, also after a narrowing, its end, and a restart', async () => {
    const world = await openWorld()
    const { secret } = await world.approvals.invite({ grants: [read, write], ttlMs: hourMs })
    await world.hello(alice, [read, write], { invite: secret })
    await world.approvals.narrow('notes', [notes])
    const grant = world.approvals.grantOf(alice)
    expect(grant).toMatchObject({ texts: [notes], grantVersion: 2 })
    expect(await world.hello(alice, [read, write], { invite: secret })).toEqual({ state: 'approved', grant })
    world.clock.advance(2 * hourMs)
    const next = await world.restart()
    expect(await next.hello(alice, [read, write], { invite: secret })).toEqual({ state: 'approved', grant })
  })

  it('takes the place of a request that waits', async () => {
    const { approvals, ask, hello, told } = await openWorld()
    const asked = await ask(alice, [read])
    const { secret } = await approvals.invite({ grants: [read], ttlMs: hourMs })
    const events = told(alice)
    await hello(alice, [read], { invite: secret })
    expect(events.map(({ kind }) => kind)).toEqual(['approved', 'superseded'])
    expect(await codeOf(approvals.approve(asked))).toBe('request-superseded')
    expect(approvals.requests()).toEqual([])
  })

  it('that does not hold leaves a request that waits as it is', async () => {
    const { approvals, ask, hello } = await openWorld()
    const { code } = await ask(alice, [read])
    expect(await codeOf(hello(alice, [read], { invite: new Uint8Array(32) }))).toBe('invite-invalid')
    expect(approvals.request(code).state).toBe('pending')
  })

  it('adds to what an approved key holds if its manifest wants it', async () => {
    const { approvals, approve, hello, told } = await openWorld()
    await approve(alice, [read])
    const { secret } = await approvals.invite({ grants: [write], ttlMs: hourMs })
    const events = told(alice)
    expect(await hello(alice, [read, write], { invite: secret })).toMatchObject({
      grant: { texts: [read, write], grantVersion: 2 },
    })
    expect(events.map(({ kind }) => kind)).toEqual(['granted'])
  })

  it('whose name was taken meanwhile gives a numbered one', async () => {
    const { approvals, approve, hello } = await openWorld()
    const { secret } = await approvals.invite({ grants: [read], name: 'guest', ttlMs: hourMs })
    await approve(bob, [read], { name: 'guest' })
    expect(await codeOf(approvals.invite({ grants: [read], name: 'guest', ttlMs: hourMs }))).toBe('name-taken')
    expect(await hello(alice, [read], { invite: secret })).toMatchObject({ grant: { name: 'guest-2' } })
  })
})

describe('the later word of the operator', () => {
  it('is the denial: an invite made before means nothing, one made after lets the key in', async () => {
    const { approvals, ask, hello } = await openWorld()
    const early = await approvals.invite({ grants: [read], ttlMs: hourMs })
    await approvals.deny((await ask(alice, [read])).code)
    const late = await approvals.invite({ grants: [read], ttlMs: hourMs })
    expect(await codeOf(hello(alice, [read], { invite: early.secret }))).toBe('invite-invalid')
    expect(await codeOf(hello(alice, [read], { invite: late.secret }))).toBe('resolved')
  })

  it('is the revocation, also when the clock was set back in between', async () => {
    const { approvals, approve, hello, clock } = await openWorld()
    await approve(alice, [read])
    const early = await approvals.invite({ grants: [read], ttlMs: 2 * 86_400_000 })
    clock.wallOffsetMs -= 86_400_000
    await approvals.revoke('notes')
    expect(await codeOf(hello(alice, [read], { invite: early.secret }))).toBe('revoked')
    const late = await approvals.invite({ grants: [notes], ttlMs: hourMs })
    expect(await hello(alice, [read], { invite: late.secret })).toMatchObject({
      grant: { texts: [notes], grantVersion: 3 },
    })
  })

  it('is the narrowing: an unused invite made before does not widen again', async () => {
    const { approvals, approve, hello } = await openWorld()
    const early = await approvals.invite({ grants: [write], ttlMs: hourMs })
    await approve(alice, [read, write])
    await approvals.narrow('notes', [read])
    expect(await hello(alice, [read, write], { invite: early.secret })).toMatchObject({ grant: { texts: [read] } })
  })

  it('is known over a restart with a clock that was set back', async () => {
    const world = await openWorld()
    await world.approvals.deny((await world.ask(alice, [read])).code)
    world.clock.wallOffsetMs -= 86_400_000
    const next = await world.restart()
    const late = await next.approvals.invite({ grants: [read], ttlMs: hourMs })
    expect(await codeOf(next.hello(alice, [read], { invite: late.secret }))).toBe('resolved')
  })
})
