import { describe, expect, it, vi } from 'vitest'
import type { Link } from '../../../../daemon/net/link.ts'
import { Links, type LinksInit, type Standing } from '../../../../daemon/net/links.ts'
import {
  type InstanceId,
  limits,
  MooringError,
  type PeerId,
  parseGrant,
  type ReplicaId,
} from '../../../../protocol/index.ts'
import { ManualClock } from '../../../fixtures/clock.ts'
import { quietLog } from '../../../fixtures/net-world.ts'

const alice = `12D3KooW${'A'.repeat(44)}` as PeerId
const bob = `12D3KooW${'B'.repeat(44)}` as PeerId
const hex = (n: number): string => n.toString(16).padStart(32, '0')
const ids = (replica: number, instance: number) => ({
  replica: hex(replica) as ReplicaId,
  instance: hex(instance) as InstanceId,
  name: 'notes',
  version: '1.2.3',
})

function world(init: Partial<LinksInit> = {}) {
  const clock = new ManualClock()
  const standings = new Map<PeerId, Standing>([[alice, 'approved']])
  let grants = ['blocks:read:space:home/*']
  let lastId = 0
  const links = new Links({
    clock,
    random: () => {
      lastId++
      return Buffer.from(hex(lastId), 'hex')
    },
    log: quietLog,
    approvals: {
      standing: (peer) => standings.get(peer) ?? 'unknown',
      grantOf: (peer) =>
        standings.get(peer) === 'approved'
          ? { grants: grants.map(parseGrant), grantVersion: grants.length }
          : undefined,
    },
    ...init,
  })
  const open = (peer: PeerId = alice, host = '192.0.2.1') => {
    const abort = vi.fn<(error: Error) => void>()
    return { link: links.open({ peer, from: `/ip4/${host}/udp/9/quic-v1`, host, abort }), abort }
  }
  return {
    clock,
    links,
    open,
    standings,
    setGrants: (texts: string[]) => {
      grants = texts
    },
  }
}

const codeOf = (link: Link): string | undefined => link.reason?.code

describe('a link', () => {
  it('is in the lobby until welcomed, and ends once with one reason', async () => {
    const { links, open } = world()
    const { link, abort } = open()
    expect(link.state).toBe('lobby')
    links.welcome(link, ids(1, 1))
    expect(link.state).toBe('welcomed')
    link.end('revoked')
    link.end('internal')
    await link.endAfterFlush('timeout')
    expect([link.state, codeOf(link), link.signal.reason]).toEqual(['ended', 'revoked', link.reason])
    expect(abort).toHaveBeenCalledOnce()
    expect(links.has(alice)).toBe(false)
  })

  it('ends when nobody says hello on it in time, approved or not', async () => {
    const { clock, open } = world()
    const both = [open(alice).link, open(bob).link]
    await clock.advance(limits.helloTimeoutMs - 1)
    expect(both.map(({ state }) => state)).toEqual(['lobby', 'lobby'])
    await clock.advance(1)
    expect(both.map(codeOf)).toEqual(['hello-required', 'hello-required'])
  })

  it('may wait for the operator as long as a request lives', async () => {
    const { clock, links, open } = world()
    const { link } = open(bob)
    links.park(link)
    await clock.advance(limits.requestTtlMs)
    expect(link.state).toBe('lobby')
    await clock.advance(limits.helloTimeoutMs)
    expect(codeOf(link)).toBe('request-expired')
  })

  it('leaves no timer behind', async () => {
    const { clock, links, open } = world()
    links.welcome(open().link, ids(1, 1))
    links.park(open(bob).link)
    open(bob, '192.0.2.2')
    await links.stop()
    expect(clock.pending).toEqual([])
  })
})

describe('the lobby', () => {
  it('lets go, with the time to come back, whom one more pushes out', async () => {
    const { links, open } = world({ lobby: { maxConnections: 1 } })
    const first = open(bob)
    const second = open(`12D3KooW${'C'.repeat(44)}` as PeerId)
    expect(first.link.reason).toMatchObject({ code: 'lobby-full', retryAfterMs: limits.arrivalRetryMs })
    await vi.waitFor(() => expect(first.abort).toHaveBeenCalledOnce(), { timeout: 10_000 })
    expect(second.link.state).toBe('lobby')
    expect(links.lobbySize).toEqual({ arriving: 1, parked: 0 })
  })

  it('does not count an approved key, and takes nothing from it when full', () => {
    const { links, open } = world({ lobby: { maxConnections: 1 } })
    const stranger = open(bob).link
    const approved = open(alice).link
    expect([stranger.state, approved.state]).toEqual(['lobby', 'lobby'])
    expect(links.lobbySize).toEqual({ arriving: 1, parked: 0 })
  })

  it('is left at the welcome', () => {
    const { links, open, standings } = world()
    const { link } = open(bob)
    links.park(link)
    standings.set(bob, 'approved')
    links.welcome(link, ids(1, 1))
    expect(links.lobbySize).toEqual({ arriving: 0, parked: 0 })
  })

  it('does not bound an approved key, which gets eight connections without a hello all the same', () => {
    const { open } = world()
    const all = Array.from({ length: limits.maxLiveReplicas + 2 }, () => open().link)
    expect(all.map(codeOf).slice(0, 3)).toEqual(['superseded', 'superseded', undefined])
  })
})

describe('welcome', () => {
  it.each([
    ['unknown', 'hello-required'],
    ['pending', 'approval-pending'],
    ['denied', 'approval-denied'],
    ['revoked', 'revoked'],
  ] as const)('refuses a key that is %s', (standing, code) => {
    const { links, open, standings } = world()
    standings.set(bob, standing)
    expect(() => links.welcome(open(bob).link, ids(1, 1))).toThrow(expect.objectContaining({ code }))
    expect(links.live()).toEqual([])
  })

  it('refuses a second hello, and a link that has ended', () => {
    const { links, open } = world()
    const { link } = open()
    links.welcome(link, ids(1, 1))
    expect(() => links.welcome(link, ids(2, 1))).toThrow(expect.objectContaining({ code: 'wrong-state' }))
    const gone = open().link
    gone.end('connection-lost')
    expect(() => links.welcome(gone, ids(3, 1))).toThrow(expect.objectContaining({ code: 'connection-lost' }))
  })

  it('ends the older connection of the same process', () => {
    const { links, open } = world()
    const [older, newer] = [open().link, open().link]
    links.welcome(older, ids(1, 1))
    const session = links.welcome(newer, ids(1, 1))
    expect(codeOf(older)).toBe('superseded')
    expect(links.live()).toEqual([session])
  })

  it('refuses another process that uses the replica of a live one', async () => {
    const { clock, links, open } = world()
    const first = links.welcome(open().link, ids(1, 1))
    await clock.advance(limits.beatTimeoutMs - 1)
    first.beat()
    await clock.advance(limits.beatTimeoutMs - 1)
    expect(() => links.welcome(open().link, ids(1, 2))).toThrow(expect.objectContaining({ code: 'replica-in-use' }))
    expect(links.live()).toEqual([first])
  })

  it('lets another process take the replica of one that fell silent', async () => {
    const { clock, links, open } = world()
    const silent = open().link
    links.welcome(silent, ids(1, 1))
    // Its timer has not run yet, or is in the time of grace.
    await clock.advance(limits.beatTimeoutMs)
    const next = links.welcome(open().link, ids(1, 2))
    expect(codeOf(silent)).toBe('heartbeat-lost')
    expect(links.live()).toEqual([next])
  })

  it('takes eight replicas of a key, and the same one again among them', () => {
    const { links, open } = world()
    for (let n = 0; n < limits.maxLiveReplicas; n++) links.welcome(open().link, ids(n, 1))
    expect(() => links.welcome(open().link, ids(99, 1))).toThrow(
      expect.objectContaining({ code: 'replica-limit', retryable: true, retryAfterMs: limits.beatTimeoutMs }),
    )
    links.welcome(open().link, ids(0, 1))
    expect(links.live(alice)).toHaveLength(limits.maxLiveReplicas)
  })

  it('keeps the replicas of two keys apart', () => {
    const { links, open, standings } = world()
    standings.set(bob, 'approved')
    links.welcome(open(alice).link, ids(1, 1))
    links.welcome(open(bob).link, ids(1, 2))
    expect(links.live()).toHaveLength(2)
    expect(links.live(bob)).toHaveLength(1)
  })
})

describe('a session', () => {
  it('has the grant of the moment, and none once it is not approved', () => {
    const { links, open, setGrants, standings } = world()
    const session = links.welcome(open().link, ids(1, 1))
    expect(session.grants).toHaveLength(1)
    setGrants(['tasks:read:space:home/*', 'tasks:write:space:home/*'])
    expect([session.grants.length, session.grantVersion]).toEqual([2, 2])
    standings.set(alice, 'revoked')
    expect([session.grants, session.grantVersion]).toEqual([[], 0])
  })

  it('lives on beats, and ends within seven seconds of the last', async () => {
    const { clock, links, open } = world()
    const { link, abort } = open()
    const session = links.welcome(link, ids(1, 1))
    for (let n = 0; n < 10; n++) {
      await clock.advance(limits.beatEveryMs)
      session.beat()
    }
    expect(link.state).toBe('welcomed')
    await clock.advance(7_000)
    expect(codeOf(link)).toBe('heartbeat-lost')
    expect(abort).toHaveBeenCalledOnce()
  })

  it('survives a beat that was read late because this process was suspended', async () => {
    const { clock, links, open } = world()
    const { link } = open()
    const session = links.welcome(link, ids(1, 1))
    // The timer is due before the beats that wait in the socket are read.
    await clock.advance(limits.beatTimeoutMs)
    session.beat()
    await clock.advance(limits.beatTimeoutMs - 1)
    expect(link.state).toBe('welcomed')
  })
})

describe('cut', () => {
  it('resets every connection of the peer before it returns, and no other', () => {
    const { links, open, standings } = world()
    standings.set(bob, 'approved')
    const [session, greeting, other] = [open(alice), open(alice), open(bob)]
    links.welcome(session.link, ids(1, 1))
    links.cut(alice, 'revoked')
    expect([session, greeting].map(({ abort }) => abort.mock.calls.length)).toEqual([1, 1])
    expect([session, greeting].map(({ link }) => codeOf(link))).toEqual(['revoked', 'revoked'])
    expect(other.link.state).toBe('lobby')
    expect([links.live(alice), links.has(alice), links.has(bob)]).toEqual([[], false, true])
  })

  it('does not wait for a connection that is being told of its end', () => {
    const { links, open } = world()
    const { link, abort } = open()
    link.control.attach({ ended: new AbortController().signal, abort() {} } as never)
    void link.endAfterFlush('superseded')
    expect(abort).not.toHaveBeenCalled()
    links.cut(alice, 'revoked')
    expect(abort).toHaveBeenCalledOnce()
    expect(codeOf(link)).toBe('superseded')
  })

  it('is not stopped half-way by a listener that throws', () => {
    const { links, open } = world()
    const seen: string[] = []
    links.onEnd(() => {
      throw new Error('a bug elsewhere')
    })
    links.onEnd((link) => void seen.push(link.id))
    const all = [open(), open()]
    links.cut(alice, 'revoked')
    expect(all.every(({ abort }) => abort.mock.calls.length === 1)).toBe(true)
    expect(seen).toEqual(all.map(({ link }) => link.id))
  })
})

describe('stop', () => {
  it('gives every link time to be told, then resets it, and lets nobody in', async () => {
    const { clock, links, open } = world()
    const { link, abort } = open()
    link.control.attach({ ended: new AbortController().signal, abort() {} } as never)
    const stopped = links.stop()
    expect([codeOf(link), abort.mock.calls.length]).toEqual(['daemon-stopping', 0])
    await clock.advance(1_000)
    await stopped
    expect(abort).toHaveBeenCalledOnce()
    expect(links.isOpen).toBe(false)
    const late = open()
    expect([codeOf(late.link), late.abort.mock.calls.length]).toEqual(['daemon-stopping', 1])
  })
})

describe('listeners', () => {
  it('hear of welcomes and ends until they are taken off', () => {
    const { links, open } = world()
    const heard: string[] = []
    const offs = [
      links.onWelcome((session) => void heard.push(`welcome ${session.replica}`)),
      links.onEnd((link) => void heard.push(`end ${link.reason?.code}`)),
    ]
    const { link } = open()
    links.welcome(link, ids(1, 1))
    link.end(new MooringError('rate-limited'))
    for (const off of offs) off()
    links.welcome(open().link, ids(2, 1))
    expect(heard).toEqual([`welcome ${hex(1)}`, 'end rate-limited'])
  })
})
