import { describe, expect, it } from 'vitest'
import { limits } from '../../../../protocol/limits.ts'
import { fingerprintWords } from '../../../../protocol/words.ts'
import { alice, bob, codeOf, mallory, manifestOf, openWorld, peerOf } from './world.ts'

const read = 'blocks:read:space:home/*'
const write = 'blocks:write:space:home/*'

describe('a request', () => {
  it('of an unknown key waits, and its card shows what was asked', async () => {
    const { approvals, hello, clock } = await openWorld()
    expect(approvals.standing(alice)).toBe('unknown')
    const answer = await hello(alice, [read], { from: '/ip4/198.51.100.4/udp/9/quic-v1' })
    expect(answer.state).toBe('pending')
    expect(approvals.standing(alice)).toBe('pending')
    expect(approvals.grantOf(alice)).toBeUndefined()
    expect(approvals.requests()).toEqual([
      {
        code: answer.request?.code,
        digest: answer.request?.digest,
        state: 'pending',
        peer: alice,
        words: fingerprintWords(alice),
        manifest: manifestOf([read]),
        wants: [read],
        holds: [],
        from: '/ip4/198.51.100.4/udp/9/quic-v1',
        name: 'notes',
        createdAtMs: clock.nowMs(),
        expiresAtMs: clock.nowMs() + limits.requestTtlMs,
      },
    ])
    expect(answer.request?.code).toMatch(/^[2-9A-HJ-NP-Z]{6}$/)
  })

  it('stays the same when the same key asks for the same again', async () => {
    const { approvals, ask, hello } = await openWorld()
    const first = await ask(alice, [read, write])
    expect(await ask(alice, [read, write])).toEqual(first)
    expect((await hello(alice, [read, write], { from: '/ip4/203.0.113.9/tcp/1' })).request?.code).toBe(first.code)
    expect(approvals.requests()).toHaveLength(1)
  })

  it.each([
    ['other grants', [read, write], {}],
    ['fewer grants', [], {}],
    ['another version', [read], { version: '1.0.1' }],
    ['another name', [read], { name: 'diary' }],
  ])('with %s is a new one and ends the old one', async (_what, wants, rest) => {
    const { approvals, ask, told } = await openWorld()
    const first = await ask(alice, [read])
    const events = told(alice)
    const second = await ask(alice, wants, rest)
    expect(second.code).not.toBe(first.code)
    expect(second.digest).not.toBe(first.digest)
    expect(approvals.request(first.code).state).toBe('superseded')
    expect(approvals.request(first.code).wants).toEqual([read])
    expect(events).toEqual([{ kind: 'superseded', code: 'request-superseded', request: first.code }])
    expect(await codeOf(approvals.approve(first))).toBe('request-superseded')
    expect(approvals.grantOf(alice)).toBeUndefined()
  })

  it('has another digest each time, also for the same question', async () => {
    const { approvals, ask, clock } = await openWorld()
    const first = await ask(alice, [read])
    clock.advance(limits.requestTtlMs)
    const second = await ask(alice, [read])
    expect(second.digest).not.toBe(first.digest)
    expect(await codeOf(approvals.approve({ ...second, digest: first.digest }))).toBe('digest-mismatch')
  })

  it('is found by its code in either case', async () => {
    const { approvals, ask } = await openWorld()
    const { code, digest } = await ask(alice, [read])
    expect(approvals.request(` ${code.toLowerCase()} `).code).toBe(code)
    expect((await approvals.approve({ code: code.toLowerCase(), digest })).state).toBe('approved')
    expect(() => approvals.request('AAAAAA')).toThrow('There is no such request')
  })

  it('keeps its code and its card over a restart', async () => {
    const world = await openWorld()
    const asked = await world.ask(alice, [read])
    const before = world.approvals.requests()
    await world.approvals.stop()
    expect(world.clock.timers).toBe(0)
    const next = await world.restart()
    expect(next.approvals.requests()).toEqual(before)
    expect(await next.ask(alice, [read])).toEqual(asked)
    await next.approvals.approve(asked)
    expect(next.approvals.grantOf(alice)?.texts).toEqual([read])
  })

  it('whose row was changed in the store is not shown after a restart', async () => {
    const world = await openWorld()
    const { code } = await world.ask(alice, [read])
    const requests = async () => (await world.storage.requests()).map((row) => ({ ...row, wants: [write] }))
    const storage = new Proxy(world.storage, {
      get: (target, key) => (key === 'requests' ? requests : Reflect.get(target, key).bind(target)),
    })
    const next = await openWorld({ storage, clock: world.clock })
    expect(next.approvals.requests()).toEqual([])
    expect(next.approvals.request(code).state).toBe('expired')
    expect((await world.storage.requests())[0]?.state).toBe('expired')
  })

  it.each([
    [
      'a manifest above the size of a lobby frame',
      { ...manifestOf([read]), more: 'x'.repeat(limits.maxLobbyFrameBytes) },
    ],
    ['a grant that is listed twice', manifestOf([read, read])],
  ])('with %s is refused', async (_what, manifest) => {
    const { approvals } = await openWorld()
    expect(await codeOf(approvals.hello({ peer: alice, manifest, from: '' }))).toBe('invalid-input')
    expect(approvals.requests()).toEqual([])
  })

  it('is refused once the daemon stops', async () => {
    const { approvals, hello } = await openWorld()
    await approvals.stop()
    expect(await codeOf(hello(alice, [read]))).toBe('daemon-stopping')
  })
})

describe('the time of a request', () => {
  it.each([
    [-1, 'resolved'],
    [0, 'request-expired'],
    [1, 'request-expired'],
  ])('ends it: %i ms from the boundary an approval is %s', async (offsetMs, result) => {
    const { approvals, ask, clock } = await openWorld()
    const asked = await ask(alice, [read])
    clock.advance(limits.requestTtlMs + offsetMs)
    expect(await codeOf(approvals.approve(asked))).toBe(result)
    expect(approvals.standing(alice)).toBe(result === 'resolved' ? 'approved' : 'unknown')
  })

  it('ends it also when only the wall clock has moved', async () => {
    const { approvals, ask, clock } = await openWorld()
    const asked = await ask(alice, [read])
    clock.wallOffsetMs += limits.requestTtlMs
    expect(await codeOf(approvals.approve(asked))).toBe('request-expired')
    expect(await codeOf(approvals.deny(asked.code))).toBe('request-expired')
  })

  it('ends it also when the wall clock was set back', async () => {
    const { approvals, ask, clock, storage, hello } = await openWorld()
    const asked = await ask(alice, [read])
    clock.wallOffsetMs -= 86_400_000
    clock.advance(limits.requestTtlMs)
    await hello(bob, [])
    expect(await codeOf(approvals.approve(asked))).toBe('request-expired')
    expect((await storage.requests()).find(({ code }) => code === asked.code)?.state).toBe('expired')
  })

  it('is told to who waits, and the next hello makes a new one', async () => {
    const { ask, clock, told, approvals } = await openWorld()
    const { code } = await ask(alice, [read])
    const events = told(alice)
    clock.advance(limits.requestTtlMs)
    const again = await ask(alice, [read])
    expect(events).toEqual([{ kind: 'expired', code: 'request-expired', request: code }])
    expect(again.code).not.toBe(code)
    expect(approvals.requests().map((card) => card.code)).toEqual([again.code])
  })

  it('is not longer because the clock was set back while the daemon was down', async () => {
    const world = await openWorld()
    const asked = await world.ask(alice, [read])
    await world.approvals.stop()
    world.clock.wallOffsetMs -= 86_400_000
    const next = await world.restart()
    expect(next.approvals.standing(alice)).toBe('pending')
    world.clock.advance(limits.requestTtlMs)
    await next.hello(bob, [])
    expect(await codeOf(next.approvals.approve(asked))).toBe('request-expired')
  })

  it('runs while the daemon is down', async () => {
    const world = await openWorld()
    const { code } = await world.ask(alice, [read])
    await world.approvals.stop()
    world.clock.advance(limits.requestTtlMs)
    const next = await world.restart()
    expect(next.approvals.requests()).toEqual([])
    expect((await next.storage.requests()).find((row) => row.code === code)?.state).not.toBe('pending')
  })
})

describe('a full lobby', () => {
  const fill = async () => {
    const world = await openWorld()
    const codes: string[] = []
    for (let i = 0; i < limits.maxParkedRequests; i++) {
      codes.push((await world.ask(peerOf(`stranger ${i}`), [read], { name: `stranger-${i}` })).code)
    }
    return { ...world, codes }
  }

  it('lets the oldest request go and tells its waiter when to come back', async () => {
    const { approvals, ask, clock, codes, told } = await fill()
    clock.advance(1_000)
    const events = told(peerOf('stranger 0'))
    await ask(mallory, [read])
    expect(approvals.requests()).toHaveLength(limits.maxParkedRequests)
    expect(events).toEqual([
      { kind: 'expired', code: 'lobby-full', request: codes[0], retryAfterMs: limits.lobbyRetryMs },
    ])
    expect(await codeOf(approvals.deny(codes[0] ?? ''))).toBe('request-expired')
  })

  it('keeps what an approved plugin asks for, also when that is the oldest', async () => {
    const world = await openWorld()
    await world.approve(alice, [read])
    const { code } = await world.ask(alice, [read, write])
    world.clock.advance(10_000)
    for (let i = 0; i < limits.maxParkedRequests; i++) {
      await world.ask(peerOf(`stranger ${i}`), [read])
      world.clock.advance(200)
    }
    expect(world.approvals.requests()).toHaveLength(limits.maxParkedRequests)
    expect(world.approvals.request(code).state).toBe('pending')
  })

  it('of new requests slows down who makes them, and never an approved plugin', async () => {
    const world = await openWorld()
    await world.approve(alice, [read])
    let refused = ''
    for (let i = 0; i <= limits.maxParkedRequests && refused === ''; i++) {
      const result = await codeOf(world.hello(mallory, [read], { version: `1.0.${i}` }))
      if (result !== 'resolved') refused = result
    }
    expect(refused).toBe('lobby-full')
    const answer = await world.hello(alice, [read, write])
    expect(answer.state).toBe('approved')
    expect(answer.request).toBeUndefined()
    world.clock.advance(1_000)
    expect((await world.hello(alice, [read, write])).request?.wants).toEqual([write])
  })

  it('of hellos that wait is refused at once, and never an approved plugin', async () => {
    const world = await openWorld()
    await world.approve(alice, [read])
    await world.ask(mallory, [read])
    // Asking for the same again costs no new request, so that only the waiting is counted here.
    const hellos = Array.from({ length: 400 }, () => codeOf(world.hello(mallory, [read])))
    const inside = await world.hello(alice, [read, write])
    expect(inside.state).toBe('approved')
    const results = await Promise.all(hellos)
    expect(results).toContain('lobby-full')
    expect(results).toContain('resolved')
  })
})

describe('ended requests', () => {
  it('leave the store, so that asking without end does not fill it', async () => {
    const world = await openWorld()
    for (let i = 0; i < 300; i++) {
      await world.ask(mallory, [read], { version: `1.0.${i}` })
      world.clock.advance(30_000)
    }
    expect((await world.storage.requests()).length).toBeLessThan(100)
    world.clock.advance(limits.requestTtlMs + 1)
    await world.approvals.stop()
    await world.restart()
    expect(await world.storage.requests()).toEqual([])
  })
})
