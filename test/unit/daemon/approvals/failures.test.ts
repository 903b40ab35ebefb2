import { describe, expect, it } from 'vitest'
import type { Storage } from '../../../../daemon/storage/storage.ts'
import { MooringError } from '../../../../protocol/errors.ts'
import { gated } from './gate.ts'
import { alice, codeOf, openWorld } from './world.ts'

const read = 'blocks:read:space:home/*'

describe('a failed write', () => {
  it('grants nothing', async () => {
    const gate = gated()
    const { approvals, ask } = await openWorld({ wrap: gate.wrap })
    const asked = await ask(alice, [read])
    gate.state.fail = new MooringError('storage-full')
    expect(await codeOf(approvals.approve(asked))).toBe('storage-full')
    expect(approvals.standing(alice)).toBe('pending')
    gate.state.fail = undefined
    await approvals.approve(asked)
    expect(approvals.grantOf(alice)?.texts).toEqual([read])
  })

  it('whose outcome is unknown is looked up', async () => {
    const plain = await openWorld()
    const asked = await plain.ask(alice, [read])
    const decide: Storage['decide'] = async (...args) => {
      await plain.storage.decide(...args)
      throw new MooringError('connection-lost')
    }
    const storage = new Proxy(plain.storage, {
      get: (target, key) => (key === 'decide' ? decide : Reflect.get(target, key).bind(target)),
    })
    const { approvals, told } = await openWorld({ storage, clock: plain.clock })
    const events = told(alice)
    expect(await codeOf(approvals.approve(asked))).toBe('connection-lost')
    expect(approvals.grantOf(alice)?.texts).toEqual([read])
    expect(events).toEqual([{ kind: 'approved', grant: approvals.grantOf(alice) }])
    expect(approvals.request(asked.code).state).toBe('approved')
    expect((await approvals.revoke('notes')).state).toBe('revoked')
    expect(approvals.peers()).toEqual(await plain.storage.peers())
  })

  it('because the store moved on reads memory again', async () => {
    const { approvals, ask, storage, clock } = await openWorld()
    const asked = await ask(alice, [read])
    await storage.decide({ atMs: clock.nowMs(), request: { ...asked, to: 'denied' } })
    expect(await codeOf(approvals.approve(asked))).toBe('request-decided')
    expect(approvals.request(asked.code).state).toBe('denied')
    expect(approvals.standing(alice)).toBe('unknown')
  })

  it('of a cut because the store moved on is tried again', async () => {
    const { approvals, approve, storage, clock } = await openWorld()
    await approve(alice, [read])
    const [row] = await storage.peers()
    if (row === undefined) throw new Error('no row')
    await storage.decide({ atMs: clock.nowMs(), peer: { row: { ...row, grantVersion: 7 }, expectGrantVersion: 1 } })
    await approvals.revoke('notes')
    expect((await storage.peers())[0]?.state).toBe('revoked')
  })
})
