/** A plugin that finds a replica of an earlier process: what it does before any daemon has answered. */
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Host } from '../../../plugin-sdk/host.ts'
import { peerOf } from '../../../plugin-sdk/identity.ts'
import type { Memory, StoredMemoryInit } from '../../../plugin-sdk/memory/index.ts'
import { definePlugin } from '../../../plugin-sdk/plugin.ts'
import { Runtime } from '../../../plugin-sdk/runtime.ts'
import { MooringError, type ReplicaId } from '../../../protocol/index.ts'
import { ManualClock, settled } from '../../fixtures/clock.ts'
import { daemonPeer, MemoryDaemon, welcomeItem, welcoming } from '../../fixtures/memory-daemon.ts'

const identity = { seed: new Uint8Array(32).fill(4), peer: peerOf(new Uint8Array(32).fill(4)) }
const storedId = 'ab'.repeat(16) as ReplicaId
const lastWelcome = { name: 'notes', grants: ['blocks:read:space:home/*'], grantVersion: 2 }

function world(options: { exists?: boolean; welcome?: Memory['lastWelcome']; failure?: MooringError } = {}) {
  const clock = new ManualClock()
  const daemon = new MemoryDaemon(clock)
  const hosts: Host[] = []
  const opened: StoredMemoryInit[] = []
  const renamed: ReplicaId[] = []
  const prepared: string[] = []
  const runtime = new Runtime({
    plugin: definePlugin({ name: 'notes', version: '1.0.0', wants: [], setup: (host) => void hosts.push(host) }),
    identity,
    dialler: daemon.dialler,
    clock,
    random: (bytes) => randomBytes(bytes),
    discover: async () => ({ daemon: daemonPeer, addresses: ['/ip4/127.0.0.1/udp/4410/quic-v1'] }),
    reporter: { pending: () => {}, approved: () => {}, granted: () => {} },
    replicas: { path: (of) => `/replicas/${of}`, exists: () => options.exists ?? true },
    loadMemory: async () => ({
      createMemory: () => {
        throw new Error('there is a store')
      },
      openMemory: async (init: StoredMemoryInit) => {
        opened.push(init)
        if (options.failure !== undefined) throw options.failure
        return {
          lastWelcome: options.welcome,
          replica: storedId,
          useReplica: (replica) => void renamed.push(replica),
          pending: 3,
          prepare: async (address) => void prepared.push(address),
          open: (address: string) => ({ address }) as never,
          watch: (pattern: string) => ({ pattern }) as never,
          onConnection: () => {},
          beforeStop: async () => {},
          stop: async () => {},
        }
      },
    }),
  })
  return { clock, daemon, hosts, opened, renamed, prepared, runtime }
}

describe('a plugin with a stored replica', () => {
  it('sets up at once with the grants that were last known, and not again when it is welcomed', async () => {
    const { clock, daemon, hosts, opened, prepared, runtime } = world({ welcome: lastWelcome })
    daemon.dialError = new MooringError('daemon-unreachable')
    await settled()
    expect(hosts).toHaveLength(1)
    expect(hosts[0]?.grants).toEqual(lastWelcome.grants)
    expect(hosts[0]?.self).toEqual({ peer: identity.peer, name: 'notes', daemon: daemonPeer })
    expect(opened).toMatchObject([{ path: `/replicas/${daemonPeer}`, daemon: daemonPeer }])
    expect(await hosts[0]?.open('space:home/notes', 'text')).toEqual({ address: 'space:home/notes' })
    expect(prepared).toEqual(['space:home/notes'])
    daemon.dialError = undefined
    daemon.script = async function* (_hello, { live }) {
      yield welcomeItem(['blocks:read:space:home/notes'])
      await live()
    }
    await clock.advance(30_000)
    expect(runtime.core.status.state).toBe('live')
    expect(hosts).toHaveLength(1)
    expect(hosts[0]?.grants).toEqual(['blocks:read:space:home/notes'])
    await runtime.stop()
  })

  it('says hello as that replica', async () => {
    const { daemon, runtime } = world({ welcome: lastWelcome })
    await settled()
    expect(daemon.replicas).toEqual([storedId])
    await runtime.stop()
  })

  it('waits for the operator when it was never welcomed', async () => {
    const { daemon, hosts, runtime } = world()
    daemon.dialError = new MooringError('daemon-unreachable')
    await settled()
    expect(hosts).toEqual([])
    await runtime.stop()
  })

  it('ends with what is wrong with the replica, and neither dials nor sets up', async () => {
    const { daemon, hosts, runtime } = world({ failure: new MooringError('database-corrupt') })
    await expect(runtime.done).rejects.toMatchObject({ code: 'database-corrupt' })
    expect(daemon.dials).toBe(0)
    expect(hosts).toEqual([])
  })

  it('keeps the id that it takes when its own is in use', async () => {
    const { clock, daemon, renamed, runtime } = world({ welcome: lastWelcome })
    daemon.script = (hello, control) => {
      if (daemon.hellos.length > 1) return welcoming(hello, control)
      throw new MooringError('replica-in-use')
    }
    await clock.advance(1_000)
    expect(daemon.replicas).toEqual([storedId, ...renamed])
    expect(renamed).toHaveLength(1)
    expect(renamed[0]).not.toBe(storedId)
    await runtime.stop()
  })

  it('connects again under another id when the daemon has more of it than the store', async () => {
    const { clock, daemon, opened, renamed, runtime } = world({ welcome: lastWelcome })
    await settled()
    opened[0]?.onShortfall?.()
    await clock.advance(1_000)
    expect(daemon.replicas).toEqual([storedId, ...renamed])
    expect(renamed).toHaveLength(1)
    expect(runtime.core.status.state).toBe('live')
    await runtime.stop()
  })

  it('loads nothing when there is no replica', async () => {
    const { hosts, opened, runtime } = world({ exists: false })
    await settled()
    expect(hosts).toHaveLength(1)
    expect(opened).toEqual([])
    await runtime.stop()
  })
})
