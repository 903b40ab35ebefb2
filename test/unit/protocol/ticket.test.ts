import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { base32Decode, base32Encode } from '../../../protocol/base32.ts'
import { encodeValue } from '../../../protocol/codec.ts'
import { isDialAddress } from '../../../protocol/dial-address.ts'
import { MooringError } from '../../../protocol/errors.ts'
import type { PeerId } from '../../../protocol/ids.ts'
import { formatTicket, parseTicket, type Ticket } from '../../../protocol/ticket.ts'

const daemon = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5' as PeerId
const base58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const plain: Ticket = { daemon, addresses: ['/ip4/192.0.2.7/udp/4001/quic-v1', '/ip4/192.0.2.7/tcp/4001'] }
const invited: Ticket = { ...plain, invite: new Uint8Array(16).fill(0xa5) }

const peers = fc
  .string({ unit: fc.constantFrom(...base58), minLength: 44, maxLength: 44 })
  .map((end) => `12D3KooW${end}` as PeerId)
const hosts = fc.oneof(
  fc.ipV4().map((host) => `/ip4/${host}`),
  fc.constantFrom('/ip6/::1', '/ip6/2001:db8::7', '/dns/boat.example', '/dns4/a.b', '/dns6/host-1.example'),
)
const addresses = fc
  .tuple(hosts, fc.integer({ min: 1, max: 65_535 }), fc.boolean())
  .map(([host, port, isQuic]) => (isQuic ? `${host}/udp/${port}/quic-v1` : `${host}/tcp/${port}`))
const tickets = fc
  .record({
    daemon: peers,
    addresses: fc.array(addresses, { minLength: 1, maxLength: 16 }),
    invite: fc.option(fc.uint8Array({ minLength: 16, maxLength: 64 }), { nil: undefined }),
  })
  .map(({ invite, ...rest }): Ticket => (invite === undefined ? rest : { ...rest, invite }))

function refusalOf(text: string): string {
  try {
    parseTicket(text)
  } catch (error) {
    if (error instanceof MooringError && error.code === 'ticket-invalid') return error.detail ?? ''
    throw error
  }
  return 'accepted'
}

/** A ticket with a right checksum over any body. */
function sealed(version: number, contents: Uint8Array): string {
  const body = new Uint8Array([version, ...contents])
  const digest = createHash('sha256').update('mooring ticket').update(body).digest()
  return `moor1${base32Encode(new Uint8Array([...body, ...digest.subarray(0, 5)]))}`
}

describe('tickets', () => {
  it('come back as they were made', () => {
    fc.assert(
      fc.property(tickets, (ticket) => {
        const text = formatTicket(ticket)
        expect(text).toMatch(/^moor1[02-9ac-hj-np-z]+$/)
        expect(parseTicket(text)).toEqual(ticket)
        expect(parseTicket(text.toUpperCase())).toEqual(ticket)
        expect(parseTicket(` \t${text}\r\n`)).toEqual(ticket)
      }),
    )
  })

  it.each([
    ['without an invite', plain],
    ['with an invite', invited],
  ])('with any single letter replaced are refused (%s)', (_name, ticket) => {
    const text = formatTicket(ticket)
    for (let at = 0; at < text.length; at++) {
      for (const letter of `${letters}1bio-é `) {
        if (letter === text[at]) continue
        // A blank at an end is white space and leaves a letter missing.
        expect(refusalOf(text.slice(0, at) + letter + text.slice(at + 1))).not.toBe('accepted')
      }
    }
  })

  it('with any two neighbours swapped, a letter dropped or one doubled are refused', () => {
    fc.assert(
      fc.property(tickets, fc.nat(), (ticket, seed) => {
        const text = formatTicket(ticket)
        const at = seed % (text.length - 1)
        const [left = '', right = ''] = [text[at], text[at + 1]]
        if (left !== right)
          expect(refusalOf(text.slice(0, at) + right + left + text.slice(at + 2))).not.toBe('accepted')
        expect(refusalOf(text.slice(0, at) + text.slice(at + 1))).not.toBe('accepted')
        expect(refusalOf(text.slice(0, at) + left + text.slice(at))).not.toBe('accepted')
        expect(refusalOf(text.slice(0, at))).not.toBe('accepted')
      }),
      { numRuns: 1_000 },
    )
  })

  it('with a letter in the other case are refused', () => {
    const text = formatTicket(invited)
    for (let at = 0; at < text.length; at++) {
      const letter = text[at] ?? ''
      if (letter === letter.toUpperCase()) continue
      const mixed = text.slice(0, at) + letter.toUpperCase() + text.slice(at + 1)
      expect(refusalOf(mixed)).toContain('case')
    }
  })

  it('with a letter that only folds to the right one are refused', () => {
    const text = formatTicket(invited).toUpperCase()
    expect(text).toContain('K')
    expect(refusalOf(text.replace('K', '\u212a'))).toContain('damaged')
  })

  it.each([
    ['', 'begins with moor1'],
    ['moor', 'begins with moor1'],
    ['hello', 'begins with moor1'],
    ['moor2qqqq', 'begins with moor1'],
    ['moor1', 'damaged'],
    ['moor1qqqqqqqqqqqqqqqqqqqq', 'damaged: the checksum'],
    [`moor1${'q'.repeat(9_000)}`, 'longer than'],
    [`${' '.repeat(20_000)}moor1`, 'longer than'],
    [sealed(2, encodeValue([daemon, plain.addresses])), 'version 2'],
    [sealed(0, encodeValue([daemon, plain.addresses])), 'version 0'],
    [sealed(1, new Uint8Array([0xff])), 'contents cannot be read'],
    [sealed(1, new Uint8Array([0x98, 0x01, 0x00])), 'contents cannot be read'],
    [sealed(1, encodeValue(null)), 'another shape'],
    [sealed(1, encodeValue([daemon])), 'another shape'],
    [sealed(1, encodeValue([daemon, plain.addresses, null])), 'another shape'],
    [sealed(1, encodeValue([daemon, plain.addresses, new Uint8Array(16), 1])), 'another shape'],
    [sealed(1, encodeValue(['12D3KooWshort', plain.addresses])), 'peer id'],
    [sealed(1, encodeValue([daemon, []])), '1 to 16 addresses'],
    [sealed(1, encodeValue([daemon, new Array(17).fill(plain.addresses[0])])), '1 to 16 addresses'],
    [sealed(1, encodeValue([daemon, ['/unix/run/x.sock']])), 'an address is'],
    [sealed(1, encodeValue([daemon, [7]])), 'an address is'],
    [sealed(1, encodeValue([daemon, plain.addresses, new Uint8Array(15)])), 'invite'],
    [sealed(1, encodeValue([daemon, plain.addresses, new Uint8Array(65)])), 'invite'],
    [sealed(1, encodeValue([daemon, plain.addresses, 'not bytes'])), 'invite'],
  ])('say what is wrong with %j', (text, detail) => {
    expect(refusalOf(text)).toContain(detail)
  })

  it('of full size fit their own limit', () => {
    const address = `/dns/${['a', 'b', 'c'].map((letter) => letter.repeat(60)).join('.')}.${'d'.repeat(49)}/udp/65535/quic-v1`
    expect(address.length).toBeLessThanOrEqual(256)
    const ticket = { daemon, addresses: new Array<string>(16).fill(address), invite: new Uint8Array(64).fill(1) }
    expect(parseTicket(formatTicket(ticket))).toEqual(ticket)
  })

  it.each<[string, Ticket]>([
    ['a foreign peer id', { ...plain, daemon: 'QmFoo' as PeerId }],
    ['no address', { ...plain, addresses: [] }],
    ['an address with a peer id', { ...plain, addresses: [`/ip4/192.0.2.7/tcp/1/p2p/${daemon}`] }],
    ['a short invite', { ...plain, invite: new Uint8Array(15) }],
  ])('are not made from %s', (_name, ticket) => {
    expect(() => formatTicket(ticket)).toThrow(expect.objectContaining({ code: 'invalid-input' }))
  })
})

describe('isDialAddress', () => {
  it.each([
    '/ip4/127.0.0.1/udp/1/quic-v1',
    '/ip4/255.255.255.255/tcp/65535',
    '/ip6/::/tcp/1',
    '/ip6/::1/udp/4001/quic-v1',
    '/ip6/fe80::1:2/tcp/80',
    '/ip6/1:2:3:4:5:6:7:8/tcp/80',
    '/ip6/1:2:3:4:5:6:7::/tcp/80',
    '/dns/localhost/tcp/80',
    '/dns4/a-b.example/udp/443/quic-v1',
    '/dns6/Example.ORG/tcp/1',
  ])('accepts %s', (text) => expect(isDialAddress(text)).toBe(true))

  it.each([
    '',
    '/',
    'ip4/127.0.0.1/tcp/1',
    '/ip4/127.0.0.1/tcp/0',
    '/ip4/127.0.0.1/tcp/01',
    '/ip4/127.0.0.1/tcp/65536',
    '/ip4/127.0.0.1/tcp/1/',
    '/ip4/127.0.0.1/tcp/1\n',
    '/ip4/127.0.0.1/udp/1',
    '/ip4/127.0.0.1/udp/1/quic',
    '/ip4/127.0.0.1/tcp/1/quic-v1',
    '/ip4/127.0.0.1/tcp/1/ws',
    '/ip4/127.0.0.256/tcp/1',
    '/ip4/127.0.1/tcp/1',
    '/ip4/127.0.0.01/tcp/1',
    '/ip4/localhost/tcp/1',
    '/ip6/:/tcp/1',
    '/ip6/:::/tcp/1',
    '/ip6/1::2::3/tcp/1',
    '/ip6/1:2:3:4:5:6:7/tcp/1',
    '/ip6/1:2:3:4:5:6:7:8::/tcp/1',
    '/ip6/12345::/tcp/1',
    '/ip6/fe80::1%eth0/tcp/1',
    '/dns/-a/tcp/1',
    '/dns/a..b/tcp/1',
    '/dns/ä.example/tcp/1',
    '/dns/a b/tcp/1',
    `/dns/${'a'.repeat(64)}/tcp/1`,
    `/dns/${'a.'.repeat(125)}a/tcp/1`,
    '/dnsaddr/example.org/tcp/1',
    '/unix/run/x.sock',
    '/ip4/127.0.0.1/tcp/1/p2p-circuit',
    '/memory/1',
  ])('refuses %j', (text) => expect(isDialAddress(text)).toBe(false))
})

describe('base32', () => {
  it('has one text for each sequence of bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(base32Decode(base32Encode(bytes))).toEqual(bytes)
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...letters), maxLength: 20 }), (text) => {
        const bytes = base32Decode(text)
        if (bytes !== undefined) expect(base32Encode(bytes)).toBe(text)
      }),
    )
  })
})
