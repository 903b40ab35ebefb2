import { describe, expect, it } from 'vitest'
import { logArrivals } from '../../../../daemon/net/arrivals.ts'
import { Links } from '../../../../daemon/net/links.ts'
import type { InstanceId, PeerId, ReplicaId } from '../../../../protocol/index.ts'
import { ManualClock } from '../../../fixtures/clock.ts'
import { quietLog } from '../../../fixtures/net-world.ts'

const alice = `12D3KooW${'A'.repeat(44)}` as PeerId
const bob = `12D3KooW${'B'.repeat(44)}` as PeerId
const from = '/ip4/192.0.2.1/udp/9/quic-v1'

function world() {
  const clock = new ManualClock()
  const lines: { readonly level: 'debug' | 'info'; readonly fields: object; readonly message: string }[] = []
  const write = (level: 'debug' | 'info') => (fields: object, message: string) =>
    void lines.push({ level, fields, message })
  let lastId = 0
  const links = new Links({
    clock,
    random: (bytes) => new Uint8Array(bytes).fill(++lastId % 256),
    log: quietLog,
    approvals: { standing: () => 'approved', grantOf: () => ({ grants: [], grantVersion: 1 }) },
  })
  logArrivals({ links, clock, log: { ...quietLog, info: write('info'), debug: write('debug') } })
  const open = (peer: PeerId) => links.open({ peer, from, host: '192.0.2.1', abort: () => {} })
  return {
    clock,
    lines,
    open,
    comeAndGo: (peer: PeerId) => {
      const link = open(peer)
      const id = String(lastId).padStart(32, '0')
      const ids = { replica: id as ReplicaId, instance: id as InstanceId }
      links.welcome(link, { ...ids, name: 'notes', version: '1.2.3' })
      link.end('connection-lost')
    },
  }
}

describe('plugins that come and go', () => {
  it('are logged with key and name, and why they went', () => {
    const { lines, comeAndGo } = world()
    comeAndGo(alice)
    expect(lines).toEqual([
      { level: 'info', fields: { peer: alice, name: 'notes', from, version: '1.2.3' }, message: 'a plugin connected' },
      {
        level: 'info',
        fields: { peer: alice, name: 'notes', from, code: 'connection-lost' },
        message: 'a plugin disconnected',
      },
    ])
  })

  it('are not logged before they are welcomed', () => {
    const { lines, open } = world()
    open(alice).end('hello-required')
    expect(lines).toEqual([])
  })

  it('fill no log: what is beyond the share of a minute goes to a level that is off, for that key alone', async () => {
    const { clock, lines, comeAndGo } = world()
    for (let i = 0; i < 100; i++) comeAndGo(alice)
    const shown = (peer: PeerId): number =>
      lines.filter(({ level, fields }) => level === 'info' && 'peer' in fields && fields.peer === peer).length
    expect(lines).toHaveLength(200)
    expect(shown(alice)).toBe(20)
    comeAndGo(bob)
    expect(shown(bob)).toBe(2)
    await clock.advance(60_000)
    comeAndGo(alice)
    expect(shown(alice)).toBe(22)
  })
})
