import { describe, expect, it } from 'vitest'
import { limits } from '../../../../protocol/limits.ts'
import { fingerprintWords } from '../../../../protocol/words.ts'
import { alice, bob, codeOf, mallory, openWorld, peerOf } from './world.ts'

const read = 'blocks:read:space:home/*'
const write = 'blocks:write:space:home/*'
const notes = 'blocks:read:space:home/notes'
const admin = 'daemon:admin'

describe('approving', () => {
  it('grants what was asked, durably, and tells who waits', async () => {
    const { approvals, ask, told, storage } = await openWorld()
    const asked = await ask(alice, [read, write])
    const events = told(alice)
    const row = await approvals.approve(asked)
    expect(row).toMatchObject({
      name: 'notes',
      state: 'approved',
      grantVersion: 1,
      grants: [read, write],
      asked: [read, write],
    })
    expect(await storage.peers()).toEqual([row])
    expect(approvals.standing(alice)).toBe('approved')
    expect(approvals.grantOf(alice)).toMatchObject({ name: 'notes', texts: [read, write], grantVersion: 1 })
    expect(events).toEqual([{ kind: 'approved', grant: approvals.grantOf(alice) }])
    expect(await codeOf(approvals.approve(asked))).toBe('request-decided')
  })

  it.each([
    ['less', [read], 'resolved'],
    ['a narrower pattern', [notes], 'resolved'],
    ['nothing', [], 'resolved'],
    ['something else', [admin], 'grant-not-requested'],
    ['a wider pattern', ['blocks:read:space:*/*'], 'grant-not-requested'],
    ['more beside it', [read, admin], 'grant-not-requested'],
    ['what is no grant', ['all'], 'invalid-input'],
  ])('may give %s: %s', async (_what, grants, result) => {
    const { approvals, ask } = await openWorld()
    const asked = await ask(alice, [read, write])
    expect(await codeOf(approvals.approve({ ...asked, grants }))).toBe(result)
    expect(approvals.grantOf(alice)?.texts).toEqual(result === 'resolved' ? grants : undefined)
  })

  it('keeps the denies that the plugin asked for itself', async () => {
    const { approvals, ask } = await openWorld()
    const asked = await ask(alice, [read, `!${notes}`])
    expect(await codeOf(approvals.approve({ ...asked, grants: [read] }))).toBe('grant-not-requested')
  })

  it('with another digest is refused and leaves the request open', async () => {
    const { approvals, ask } = await openWorld()
    const asked = await ask(alice, [read])
    const other = await ask(bob, [read])
    expect(await codeOf(approvals.approve({ ...asked, digest: other.digest }))).toBe('digest-mismatch')
    expect(approvals.standing(alice)).toBe('pending')
  })

  it('twice at once has one winner', async () => {
    const { approvals, ask } = await openWorld()
    const asked = await ask(alice, [read, write])
    const both = [approvals.approve({ ...asked, grants: [read] }), approvals.approve({ ...asked, grants: [write] })]
    expect(await Promise.all(both.map(codeOf))).toEqual(['resolved', 'request-decided'])
    expect(approvals.grantOf(alice)).toMatchObject({ texts: [read], grantVersion: 1 })
  })

  it('adds to what the key holds, raises its version, and tells it', async () => {
    const { approvals, approve, ask, told } = await openWorld()
    await approve(alice, [read])
    const asked = await ask(alice, [read, write])
    expect(approvals.request(asked.code)).toMatchObject({ wants: [write], holds: [read], name: 'notes' })
    expect(approvals.standing(alice)).toBe('approved')
    const events = told(alice)
    await approvals.approve(asked)
    expect(approvals.grantOf(alice)).toMatchObject({ texts: [read, write], grantVersion: 2 })
    expect(events).toEqual([{ kind: 'granted', grant: approvals.grantOf(alice) }])
  })

  it('cannot reach the key of the daemon', async () => {
    const { hello } = await openWorld()
    expect(await codeOf(hello(peerOf('daemon'), [read]))).toBe('wrong-state')
  })
})

describe('denying', () => {
  it('keeps a key out, and lets it ask again after the waiting time', async () => {
    const { approvals, ask, hello, told, clock } = await openWorld()
    const { code } = await ask(alice, [read])
    const events = told(alice)
    expect((await approvals.deny(code)).state).toBe('denied')
    expect(events).toEqual([
      { kind: 'denied', code: 'approval-denied', request: code, retryAfterMs: limits.deniedRetryMs },
    ])
    clock.advance(limits.deniedRetryMs - 1)
    const refusal = await hello(alice, [read, write]).catch((error: unknown) => error)
    expect(refusal).toMatchObject({ code: 'approval-denied', retryAfterMs: 1 })
    expect(approvals.standing(alice)).toBe('denied')
    clock.advance(1)
    const again = await ask(alice, [read])
    expect(approvals.standing(alice)).toBe('pending')
    await approvals.approve(again)
    expect(approvals.grantOf(alice)).toMatchObject({ texts: [read], grantVersion: 2 })
  })

  it('holds over a restart for as long as was left, whatever the wall clock says', async () => {
    const world = await openWorld()
    await world.approvals.deny((await world.ask(alice, [read])).code)
    world.clock.wallOffsetMs -= 86_400_000
    const next = await world.restart()
    expect(await codeOf(next.hello(alice, [read]))).toBe('approval-denied')
    world.clock.advance(limits.deniedRetryMs)
    expect(await codeOf(next.hello(alice, [read]))).toBe('resolved')
  })

  it('a difference leaves the approval as it is, and the plugin does not nag', async () => {
    const { approvals, approve, ask, hello, storage } = await openWorld()
    await approve(alice, [read])
    const before = approvals.grantOf(alice)
    await approvals.deny((await ask(alice, [read, write])).code)
    expect(approvals.grantOf(alice)).toEqual(before)
    expect(await hello(alice, [read, write])).toEqual({ state: 'approved', grant: before })
    expect(approvals.requests()).toEqual([])
    expect((await storage.peers())[0]).toMatchObject({ asked: [read, write], grants: [read], grantVersion: 1 })
  })

  it('cannot be undone by approving the same request', async () => {
    const { approvals, ask } = await openWorld()
    const asked = await ask(alice, [read])
    await approvals.deny(asked.code)
    expect(await codeOf(approvals.approve(asked))).toBe('request-decided')
    expect(await codeOf(approvals.deny(asked.code))).toBe('request-decided')
    expect(approvals.standing(alice)).toBe('denied')
  })
})

describe('names', () => {
  it('are given once, and each card shows the one it will get', async () => {
    const { approvals, approve, ask } = await openWorld()
    await approve(alice, [read])
    const second = await ask(bob, [read])
    const third = await ask(mallory, [read])
    expect(approvals.requests().map(({ name }) => name)).toEqual(['notes-2', 'notes-3'])
    expect((await approvals.approve(third)).name).toBe('notes-3')
    expect((await approvals.approve(second)).name).toBe('notes-2')
  })

  it('that the operator chooses must be free', async () => {
    const { approvals, approve, ask } = await openWorld()
    await approve(alice, [read])
    const asked = await ask(bob, [read], { name: 'diary' })
    expect(await codeOf(approvals.approve({ ...asked, name: 'notes' }))).toBe('name-taken')
    expect((await approvals.approve({ ...asked, name: 'ledger' })).name).toBe('ledger')
  })

  it('on a card that another key took in between are not replaced without a look at the card', async () => {
    const { approvals, ask } = await openWorld()
    const first = await ask(alice, [read])
    const second = await ask(bob, [read], { name: 'diary' })
    await approvals.approve({ ...second, name: 'notes' })
    expect(await codeOf(approvals.approve(first))).toBe('name-taken')
    expect(approvals.request(first.code).name).toBe('notes-2')
    expect((await approvals.approve(first)).name).toBe('notes-2')
  })

  it('of a revoked key are free again', async () => {
    const { approvals, approve } = await openWorld()
    await approve(alice, [read])
    await approvals.revoke('notes')
    await approve(bob, [read])
    expect(approvals.grantOf(bob)?.name).toBe('notes')
    expect(approvals.find('notes').peer).toBe(bob)
  })

  it('stay with the key when it asks for more under another name', async () => {
    const { approvals, approve, ask } = await openWorld()
    await approve(alice, [read])
    const asked = await ask(alice, [read, write], { name: 'bank' })
    expect(approvals.request(asked.code).name).toBe('notes')
    expect((await approvals.approve(asked)).name).toBe('notes')
  })
})

describe('finding a key', () => {
  it('takes a name, a whole peer id and the words', async () => {
    const { approvals, approve } = await openWorld()
    await approve(alice, [read])
    await approve(bob, [read])
    for (const who of ['notes', alice, fingerprintWords(alice)]) expect(approvals.find(who).peer).toBe(alice)
    expect(approvals.peers().map(({ name }) => name)).toEqual(['notes', 'notes-2'])
    expect(() => approvals.find('nobody')).toThrow('No plugin has that name or key')
    expect(() => approvals.find(mallory)).toThrow('No plugin has that name or key')
  })

  it('refuses words that another plugin chose as its name', async () => {
    const { approvals, approve } = await openWorld()
    await approve(alice, [read])
    await approve(mallory, [read], { name: fingerprintWords(alice) })
    expect(await codeOf(approvals.revoke(fingerprintWords(alice)))).toBe('wrong-state')
    expect(approvals.standing(alice)).toBe('approved')
    await approvals.revoke(mallory)
    expect(approvals.standing(mallory)).toBe('revoked')
  })
})
