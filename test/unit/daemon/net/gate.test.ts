import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { addressGroup, Lobby } from '../../../../daemon/net/gate.ts'

const host = (n: number): string => `192.0.2.${n}`

describe('the lobby', () => {
  it('lets the oldest go when one more arrives than fit', () => {
    const lobby = new Lobby()
    for (let n = 0; n < 16; n++) expect(lobby.admit(`c${n}`, `p${n}`, host(n))).toEqual([])
    expect(lobby.admit('c16', 'p16', host(16))).toEqual([{ connection: 'c0', code: 'lobby-full', retryAfterMs: 500 }])
    expect(lobby.size).toEqual({ arriving: 16, parked: 0 })
  })

  it('lets the oldest parked one go when one more is parked than fit', () => {
    const lobby = new Lobby()
    for (let n = 0; n < 64; n++) {
      lobby.admit(`c${n}`, `p${n}`, host(n))
      expect(lobby.park(`c${n}`)).toEqual([])
    }
    lobby.admit('c64', 'p64', host(64))
    expect(lobby.park('c64')).toEqual([{ connection: 'c0', code: 'lobby-full', retryAfterMs: 30_000 }])
    expect(lobby.size).toEqual({ arriving: 0, parked: 64 })
  })

  it('keeps the newest connection of a key, parked or not', () => {
    const lobby = new Lobby()
    lobby.admit('c0', 'mallory', host(1))
    expect(lobby.admit('c1', 'mallory', host(2))).toEqual([{ connection: 'c0', code: 'superseded' }])
    lobby.park('c1')
    expect(lobby.admit('c2', 'mallory', host(1))).toEqual([{ connection: 'c1', code: 'superseded' }])
    expect(lobby.size).toEqual({ arriving: 1, parked: 0 })
  })

  it('takes room for a crowded address from that address', () => {
    const lobby = new Lobby()
    lobby.admit('alice', 'alice', host(1))
    for (let n = 0; n < 8; n++) lobby.admit(`m${n}`, `m${n}`, host(66))
    expect(lobby.admit('m8', 'm8', host(66))).toMatchObject([{ connection: 'm0', retryAfterMs: 500 }])
    lobby.park('m1')
    expect(lobby.admit('m9', 'm9', host(66))).toMatchObject([{ connection: 'm1', retryAfterMs: 30_000 }])
    expect(lobby.size).toEqual({ arriving: 9, parked: 0 })
  })

  it('has room for any number that say hello at once, and one for each key', () => {
    const lobby = new Lobby()
    for (let n = 0; n < 50; n++) {
      expect(lobby.admit(`c${n}`, `p${n}`, host(66))).toEqual([])
      lobby.hear(`c${n}`)
    }
    expect(lobby.size).toEqual({ arriving: 0, parked: 0 })
    expect(lobby.admit('c50', 'p0', host(66))).toEqual([{ connection: 'c0', code: 'superseded' }])
    expect(lobby.park('c1')).toEqual([])
    lobby.leave('c2')
    lobby.hear('c2')
    expect(lobby.size).toEqual({ arriving: 1, parked: 1 })
  })

  it('gives room back to whoever leaves, and parks nobody who left', () => {
    const lobby = new Lobby({ maxConnections: 1 })
    lobby.admit('c0', 'p0', host(0))
    lobby.leave('c0')
    expect(lobby.admit('c1', 'p1', host(1))).toEqual([])
    expect(lobby.park('c0')).toEqual([])
    expect(lobby.size).toEqual({ arriving: 1, parked: 0 })
  })

  it('never holds more than its limits, nor two connections of a key, whatever happens', () => {
    const limits = { maxConnections: 4, maxParked: 6, maxPerAddress: 3 }
    const action = fc.record({
      what: fc.constantFrom('admit', 'hear', 'park', 'leave'),
      n: fc.nat(30),
      peer: fc.nat(12),
      host: fc.nat(5),
    })
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        const lobby = new Lobby(limits)
        const inside = new Map<string, { peer: string; host: string }>()
        const heard = new Set<string>()
        for (const [index, { what, n, peer, host: from }] of actions.entries()) {
          const known = [...inside.keys()][n % Math.max(1, inside.size)] ?? ''
          let evicted: { connection: string }[] = []
          if (what === 'admit') {
            evicted = lobby.admit(`c${index}`, `p${peer}`, host(from))
            inside.set(`c${index}`, { peer: `p${peer}`, host: host(from) })
          } else if (what === 'hear') {
            const { arriving } = lobby.size
            lobby.hear(known)
            if (lobby.size.arriving < arriving) heard.add(known)
          } else if (what === 'park') {
            evicted = lobby.park(known)
            heard.delete(known)
          } else {
            lobby.leave(known)
            inside.delete(known)
            heard.delete(known)
          }
          for (const { connection } of evicted) {
            expect(inside.delete(connection)).toBe(true)
            heard.delete(connection)
          }
          const { arriving, parked } = lobby.size
          expect(arriving + parked + heard.size).toBe(inside.size)
          expect(arriving).toBeLessThanOrEqual(limits.maxConnections)
          expect(parked).toBeLessThanOrEqual(limits.maxParked)
          const guests = [...inside.values()]
          expect(new Set(guests.map((guest) => guest.peer)).size).toBe(guests.length)
          for (let address = 0; address <= 5; address++) {
            const here = [...inside].filter(([id, guest]) => guest.host === host(address) && !heard.has(id))
            expect(here.length).toBeLessThanOrEqual(3)
          }
        }
      }),
    )
  })
})

describe('an address group', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:0:1::5', '2001:db8:0:1'],
    ['2001:0DB8::1:0:0:0:5', '2001:db8:0:1'],
    ['2001:db8:0:1:ffff::', '2001:db8:0:1'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
  ])('of %s is %s', (address, group) => {
    expect(addressGroup(address)).toBe(group)
  })

  it('tells networks apart', () => {
    expect(addressGroup('2001:db8:0:2::5')).not.toBe(addressGroup('2001:db8:0:1::5'))
  })
})
