import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDiscovery, type DiscoverInit } from '../../../plugin-sdk/discover.ts'
import { peerOf } from '../../../plugin-sdk/identity.ts'
import { formatTicket } from '../../../protocol/index.ts'

const alice = peerOf(new Uint8Array(32).fill(1))
const mallory = peerOf(new Uint8Array(32).fill(2))
const at = (port: number) => [`/ip4/127.0.0.1/udp/${port}/quic-v1`]

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'mooring-discover-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const discovery = (init: Partial<DiscoverInit> = {}, env: Record<string, string> = {}) =>
  createDiscovery({ env: { MOORING_HOME: home, ...env }, platform: 'linux', homedir: home, ...init })
const writeTicket = (text: string) => writeFile(join(home, 'ticket'), text)

describe('createDiscovery', () => {
  it('takes what it is given before the environment, and that before the file', async () => {
    await writeTicket(formatTicket({ daemon: alice, addresses: at(1) }))
    const env = { MOORING_TICKET: formatTicket({ daemon: alice, addresses: at(2) }) }
    const ticket = formatTicket({ daemon: alice, addresses: at(3), invite: new Uint8Array(16) })
    expect(await discovery()()).toEqual({ daemon: alice, addresses: at(1) })
    expect(await discovery({}, env)()).toEqual({ daemon: alice, addresses: at(2) })
    expect(await discovery({ ticket }, env)()).toEqual({ daemon: alice, addresses: at(3), invite: new Uint8Array(16) })
    expect(await discovery({ daemon: { peer: alice, addresses: at(4) } }, env)()).toEqual({
      daemon: alice,
      addresses: at(4),
    })
  })

  it('names both places when there is nothing to dial', async () => {
    await expect(discovery()()).rejects.toMatchObject({
      code: 'daemon-unreachable',
      detail: expect.stringMatching(/ticket.*MOORING_TICKET/),
    })
  })

  it('refuses a damaged ticket, wherever it is from', async () => {
    const damaged = formatTicket({ daemon: alice, addresses: at(1) }).slice(0, -1)
    expect(() => discovery({ ticket: damaged })).toThrow(expect.objectContaining({ code: 'ticket-invalid' }))
    expect(() => discovery({}, { MOORING_TICKET: damaged })).toThrow(
      expect.objectContaining({ code: 'ticket-invalid' }),
    )
    await writeTicket(damaged)
    await expect(discovery()()).rejects.toMatchObject({ code: 'ticket-invalid' })
  })

  it('refuses a daemon that cannot be dialled', () => {
    expect(() => discovery({ daemon: { peer: 'somebody', addresses: at(1) } })).toThrow(/12D3KooW/)
    expect(() => discovery({ daemon: { peer: alice, addresses: ['/unix/tmp/x'] } })).toThrow(/an address is/)
    expect(() => discovery({ ticket: 'moor1', daemon: { peer: alice, addresses: at(1) } })).toThrow(/not both/)
  })

  it('follows the daemon to another port, keeps its last place while the file is gone, and never takes another key', async () => {
    const find = discovery()
    await writeTicket(formatTicket({ daemon: alice, addresses: at(1) }))
    await find()
    await writeTicket(formatTicket({ daemon: alice, addresses: at(2) }))
    expect((await find()).addresses).toEqual(at(2))
    await rm(join(home, 'ticket'))
    expect((await find()).addresses).toEqual(at(2))
    await writeTicket(formatTicket({ daemon: mallory, addresses: at(3) }))
    await expect(find()).rejects.toMatchObject({ code: 'key-mismatch' })
  })
})
