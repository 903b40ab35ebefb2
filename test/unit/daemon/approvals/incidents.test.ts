/** Approvals that went wrong in other systems, each as the order of events that did it there. */
import { describe, expect, it } from 'vitest'
import { alice, codeOf, mallory, openWorld } from './world.ts'

const read = 'blocks:read:space:home/*'
const write = 'blocks:write:space:home/*'
const admin = 'daemon:admin'

describe('does not repeat', () => {
  it('a larger request sent while the operator looks at the smaller one', async () => {
    const { approvals, ask } = await openWorld()
    const shown = await ask(mallory, [read])
    const larger = await ask(mallory, [read, admin])
    expect(await codeOf(approvals.approve(shown))).toBe('request-superseded')
    expect(await codeOf(approvals.approve({ code: larger.code, digest: shown.digest }))).toBe('digest-mismatch')
    expect(await codeOf(approvals.approve({ code: shown.code, digest: larger.digest }))).toBe('request-superseded')
    expect(approvals.grantOf(mallory)).toBeUndefined()
  })

  it('a larger request that overtakes the approval of the smaller one', async () => {
    const { approvals, ask, hello } = await openWorld()
    const shown = await ask(mallory, [read])
    const results = await Promise.all([codeOf(hello(mallory, [read, admin])), codeOf(approvals.approve(shown))])
    expect(results).toEqual(['resolved', 'request-superseded'])
    expect(approvals.standing(mallory)).toBe('pending')
  })

  it('a second path to an approval without the limit of the first: more than was asked, by request or by invite', async () => {
    const { approvals, ask, hello } = await openWorld()
    const shown = await ask(mallory, [read])
    expect(await codeOf(approvals.approve({ ...shown, grants: [read, admin] }))).toBe('grant-not-requested')
    const { secret } = await approvals.invite({ grants: [read], ttlMs: 60_000 })
    await hello(mallory, [read, admin], { invite: secret })
    expect(approvals.grantOf(mallory)?.texts).toEqual([read])
  })

  it('a reconnect that raises what the key holds', async () => {
    const { approvals, approve, hello } = await openWorld()
    await approve(mallory, [read])
    await hello(mallory, [read, admin])
    await hello(mallory, [admin], { version: '2.0.0' })
    expect(approvals.grantOf(mallory)).toMatchObject({ texts: [read], grantVersion: 1 })
  })

  it('a first step that already lets something through', async () => {
    const { approvals, hello } = await openWorld()
    await hello(mallory, [read])
    expect(approvals.standing(mallory)).toBe('pending')
    expect(approvals.grantOf(mallory)).toBeUndefined()
  })

  it.each(['/ip4/127.0.0.1/udp/9/quic-v1', '/ip6/::1/tcp/9', '/unix/tmp/mooring.sock', ''])(
    'a privilege for a connection from %j with a trusted name',
    async (from) => {
      const { approvals, approve, hello } = await openWorld()
      await approve(alice, [read, admin], { name: 'control' })
      const answer = await hello(mallory, [read, admin], { name: 'control', from })
      expect(answer.state).toBe('pending')
      expect(approvals.grantOf(mallory)).toBeUndefined()
      expect(approvals.requests()[0]?.name).toBe('control-2')
    },
  )

  it('an invite that works again after the revocation', async () => {
    const world = await openWorld()
    const { secret } = await world.approvals.invite({ grants: [read], ttlMs: 3_600_000 })
    await world.hello(mallory, [read], { invite: secret })
    await world.approvals.revoke('notes')
    expect(await codeOf(world.hello(mallory, [read], { invite: secret }))).toBe('revoked')
    const next = await world.restart()
    expect(await codeOf(next.hello(mallory, [read], { invite: secret }))).toBe('revoked')
    expect(next.approvals.standing(mallory)).toBe('revoked')
  })

  it('an upgrade that asks for more and then asks in a loop', async () => {
    const { approvals, approve, hello } = await openWorld()
    await approve(alice, [read])
    const upgraded = () => hello(alice, [read, write], { version: '2.0.0' })
    const first = await upgraded()
    expect(first).toMatchObject({ state: 'approved', grant: { texts: [read] }, request: { wants: [write] } })
    for (let i = 0; i < 5; i++) expect(await upgraded()).toEqual(first)
    await approvals.deny(first.request?.code ?? '')
    for (let i = 0; i < 5; i++) expect((await upgraded()).request).toBeUndefined()
    expect(approvals.requests()).toEqual([])
  })
})
