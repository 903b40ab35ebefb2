import { describe, expect, it } from 'vitest'
import { MooringError } from '../../../../protocol/errors.ts'
import { gated, writing } from './gate.ts'
import { alice, bob, codeOf, openWorld } from './world.ts'

const read = 'blocks:read:space:home/*'
const write = 'blocks:write:space:home/*'
const notes = 'blocks:read:space:home/notes'
const admin = 'daemon:admin'

describe('a cut', () => {
  it.each([
    ['revoking', 'revoked', undefined],
    ['narrowing', 'grant-changed', [notes]],
  ] as const)('by %s holds before it is durable', async (_how, code, grants) => {
    const gate = gated()
    const { approvals, approve, told, cuts, storage } = await openWorld({ wrap: gate.wrap })
    await approve(alice, [read, write])
    const order: string[] = []
    approvals.onDecision(alice, () => {
      order.push(`told after ${cuts.length} cuts, holding ${approvals.grantOf(alice)?.texts ?? 'nothing'}`)
    })
    const events = told(alice)
    gate.state.hold = true
    const done = grants === undefined ? approvals.revoke('notes') : approvals.narrow('notes', grants)
    expect(cuts).toEqual([{ peer: alice, code, held: grants }])
    expect(order).toEqual([`told after 1 cuts, holding ${grants ?? 'nothing'}`])
    expect(approvals.grantOf(alice)?.texts).toEqual(grants)
    expect(events).toMatchObject([{ code }])
    expect((await storage.peers())[0]).toMatchObject({ grantVersion: 1, grants: [read, write] })
    gate.release()
    expect(await done).toMatchObject({ grantVersion: 2, grants: grants ?? [] })
    expect(await storage.peers()).toEqual([await done])
    expect(approvals.peers()).toEqual([await done])
    expect(gate.state.urgent).toBe(1)
  })

  it('stands when it cannot be written, and revoking again writes it', async () => {
    const gate = gated()
    const { approvals, approve, storage, hello } = await openWorld({ wrap: gate.wrap })
    await approve(alice, [read])
    gate.state.fail = new MooringError('storage-full')
    expect(await codeOf(approvals.revoke('notes'))).toBe('storage-full')
    expect(approvals.standing(alice)).toBe('revoked')
    expect(approvals.grantOf(alice)).toBeUndefined()
    expect(await codeOf(hello(alice, [read]))).toBe('revoked')
    expect((await storage.peers())[0]?.state).toBe('approved')
    gate.state.fail = undefined
    expect((await approvals.revoke('notes')).state).toBe('revoked')
    expect((await storage.peers())[0]).toMatchObject({ state: 'revoked', grants: [], grantVersion: 2 })
    expect(await codeOf(approvals.revoke(alice))).toBe('wrong-state')
  })

  it('is not undone by an approval that is being written', async () => {
    const gate = gated()
    const { approvals, approve, ask, storage } = await openWorld({ wrap: gate.wrap })
    await approve(alice, [read])
    const asked = await ask(alice, [read, write])
    gate.state.hold = true
    const approving = codeOf(approvals.approve(asked))
    await writing()
    const revoking = approvals.revoke('notes')
    gate.release()
    await approving
    expect(approvals.grantOf(alice)).toBeUndefined()
    await revoking
    expect(approvals.standing(alice)).toBe('revoked')
    expect((await storage.peers())[0]).toMatchObject({ state: 'revoked', grants: [] })
  })

  it('is the last thing that is told, also when an approval is being written', async () => {
    const gate = gated()
    const { approvals, approve, ask, told, hello } = await openWorld({ wrap: gate.wrap })
    await approve(alice, [read])
    const asked = await ask(alice, [read, write])
    const events = told(alice)
    for (const widen of [
      () => approvals.approve(asked),
      (secret: Uint8Array) => hello(alice, [read, admin], { invite: secret }),
    ]) {
      const { secret } = await approvals.invite({ grants: [admin], ttlMs: 60_000 })
      gate.state.hold = true
      const widening = codeOf(widen(secret))
      await writing()
      const narrowing = approvals.narrow('notes', [notes])
      gate.release()
      await Promise.all([widening, narrowing])
      expect(events.at(-1)?.kind).toBe('narrowed')
      expect(approvals.grantOf(alice)?.texts).toEqual([notes])
    }
  })

  it('is what a hello hears of whose request is being written', async () => {
    const gate = gated()
    const { approvals, approve, hello } = await openWorld({ wrap: gate.wrap })
    await approve(alice, [read])
    gate.state.hold = true
    const answer = codeOf(hello(alice, [read, write]))
    await writing()
    const revoking = approvals.revoke('notes')
    gate.release()
    expect(await answer).toBe('revoked')
    await revoking
    expect(approvals.requests()).toEqual([])
  })

  it('beats an approval that was asked for before and has not begun', async () => {
    const { approvals, approve, ask, hello } = await openWorld()
    await approve(alice, [read, write])
    const asked = await ask(alice, [read, write, admin])
    // The hello is first in the queue, so that the approval has to wait.
    const first = hello(bob, [read])
    const approving = codeOf(approvals.approve(asked))
    const narrowing = approvals.narrow('notes', [notes])
    expect(await approving).toBe('wrong-state')
    await Promise.all([first, narrowing])
    expect(approvals.grantOf(alice)?.texts).toEqual([notes])
    await approvals.approve(asked)
    expect(approvals.grantOf(alice)?.texts).toEqual([notes, admin])
  })

  it('that could not be written is not undone by an approval', async () => {
    const gate = gated()
    const { approvals, approve, ask } = await openWorld({ wrap: gate.wrap })
    await approve(alice, [read])
    const asked = await ask(alice, [read, write])
    gate.state.fail = new MooringError('storage-full')
    await codeOf(approvals.revoke('notes'))
    gate.state.fail = undefined
    expect(await codeOf(approvals.approve(asked))).toBe('wrong-state')
    expect(approvals.standing(alice)).toBe('revoked')
  })

  it('that could not be written keeps the name of the key from others', async () => {
    const gate = gated()
    const { approvals, approve, ask } = await openWorld({ wrap: gate.wrap })
    await approve(alice, [read])
    gate.state.fail = new MooringError('storage-full')
    await codeOf(approvals.revoke('notes'))
    gate.state.fail = undefined
    expect((await approvals.approve(await ask(bob, [read]))).name).toBe('notes-2')
  })

  it('by narrowing that could not be written becomes durable with the next approval', async () => {
    const gate = gated()
    const { approvals, approve, ask, storage } = await openWorld({ wrap: gate.wrap })
    await approve(alice, [read, write])
    const asked = await ask(alice, [read, write, admin])
    gate.state.fail = new MooringError('storage-full')
    expect(await codeOf(approvals.narrow('notes', [notes]))).toBe('storage-full')
    expect(approvals.grantOf(alice)?.texts).toEqual([notes])
    gate.state.fail = undefined
    const row = await approvals.approve(asked)
    expect(row.grants).toEqual([notes, admin])
    expect(await storage.peers()).toEqual([row])
  })

  it('of a revoked key ends its open request', async () => {
    const { approvals, approve, ask } = await openWorld()
    await approve(alice, [read])
    const asked = await ask(alice, [read, write])
    await approvals.revoke('notes')
    expect(await codeOf(approvals.approve(asked))).toBe('request-decided')
    expect(approvals.standing(alice)).toBe('revoked')
  })

  it('keeps a revoked key out, over restarts too, and makes no request for it', async () => {
    const world = await openWorld()
    await world.approve(alice, [read])
    await world.approvals.revoke('notes')
    const next = await world.restart()
    expect(await codeOf(next.hello(alice, [write]))).toBe('revoked')
    expect(next.approvals.requests()).toEqual([])
    expect(next.approvals.standing(alice)).toBe('revoked')
  })

  it.each([
    ['what the key holds', [read], 'resolved'],
    ['less', [notes], 'resolved'],
    ['what it never held', [admin], 'grant-not-requested'],
  ])('by narrowing to %s is %s', async (_what, grants, result) => {
    const { approvals, approve, cuts } = await openWorld()
    await approve(alice, [read])
    expect(await codeOf(approvals.narrow('notes', grants))).toBe(result)
    expect(cuts).toHaveLength(result === 'resolved' ? 1 : 0)
  })

  it('is only for a key that is approved', async () => {
    const { approvals, ask } = await openWorld()
    await approvals.deny((await ask(alice, [read])).code)
    expect(await codeOf(approvals.revoke(alice))).toBe('wrong-state')
    expect(await codeOf(approvals.narrow(alice, []))).toBe('wrong-state')
    expect(await codeOf(approvals.revoke(bob))).toBe('peer-not-found')
  })

  it('by narrowing does not make the plugin ask again for what it lost', async () => {
    const { approvals, approve, hello } = await openWorld()
    await approve(alice, [read, write])
    await approvals.narrow('notes', [read])
    expect(await hello(alice, [read, write])).toEqual({ state: 'approved', grant: approvals.grantOf(alice) })
  })
})
