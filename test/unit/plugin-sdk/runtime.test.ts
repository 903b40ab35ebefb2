import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Host, PluginStatus } from '../../../plugin-sdk/host.ts'
import { peerOf } from '../../../plugin-sdk/identity.ts'
import type { Connection } from '../../../plugin-sdk/link.ts'
import type { MemoryInit } from '../../../plugin-sdk/memory/index.ts'
import { definePlugin, type PluginInit } from '../../../plugin-sdk/plugin.ts'
import { Runtime, type RuntimeInit } from '../../../plugin-sdk/runtime.ts'
import { type ErrorCode, limits, MooringError } from '../../../protocol/index.ts'
import { ManualClock, settled } from '../../fixtures/clock.ts'
import { daemonPeer, MemoryDaemon, pendingItem, welcomeItem, welcoming } from '../../fixtures/memory-daemon.ts'

const identity = { seed: new Uint8Array(32).fill(4), peer: peerOf(new Uint8Array(32).fill(4)) }

function world(setup: PluginInit['setup'] = () => {}, options: { wants?: string[]; memory?: string[] } = {}) {
  const clock = new ManualClock()
  const daemon = new MemoryDaemon(clock)
  const told: string[] = []
  const statuses: PluginStatus[] = []
  const hosts: Host[] = []
  const connections: Connection[] = []
  const memoryCalls = options.memory ?? []
  const memories: MemoryInit[] = []
  const init: RuntimeInit = {
    plugin: definePlugin({
      name: 'notes',
      version: '1.0.0',
      wants: options.wants ?? [],
      setup: (host, setupOptions) => {
        hosts.push(host)
        return setup(host, setupOptions)
      },
    }),
    identity,
    dialler: daemon.dialler,
    clock,
    // Half of every random number: the first byte decides, so a jitter of exactly one half.
    random: (bytes) => (bytes === 4 ? new Uint8Array([0x80, 0, 0, 0]) : randomBytes(bytes)),
    discover: async () => ({ daemon: daemonPeer, addresses: ['/ip4/127.0.0.1/udp/4410/quic-v1'] }),
    reporter: {
      pending: ({ name, code }) => told.push(`${name} ${code}`),
      approved: ({ name }) => told.push(`approved ${name}`),
      granted: ({ grants }) => told.push(`granted ${grants.length}`),
    },
    loadMemory: async () => ({
      createMemory: (init: MemoryInit) => {
        memories.push(init)
        return {
          lastWelcome: undefined,
          replica: undefined,
          useReplica: () => {},
          prepare: async () => {},
          pending: 3,
          open: (address: string) => ({ address }) as never,
          watch: (pattern: string) => ({ pattern }) as never,
          onConnection: (connection) => {
            connections.push(connection as Connection)
          },
          beforeStop: async () => {
            memoryCalls.push(`beforeStop ${daemon.wires.at(-1)?.closed.aborted}`)
          },
          stop: async () => {
            memoryCalls.push(`stop ${daemon.wires.at(-1)?.closed.aborted}`)
          },
        }
      },
    }),
    onStatus: (status) => statuses.push(status),
  }
  const start = () => new Runtime(init)
  const states = () => statuses.map(({ state }) => state)
  return { clock, daemon, told, statuses, states, hosts, connections, memories, memoryCalls, start }
}

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work
    return undefined
  } catch (error) {
    return error instanceof MooringError ? error.code : String(error)
  }
}

/** A hello that is answered with an error. */
const refusing = (code: ErrorCode, retryAfterMs?: number) =>
  // biome-ignore lint/correctness/useYield: a refusal comes before any item
  async function* () {
    throw new MooringError(code, retryAfterMs === undefined ? {} : { retryAfterMs })
  }

describe('connecting', () => {
  it('sets up once after the first welcome and is live', async () => {
    const { daemon, hosts, states, start } = world()
    const runtime = start()
    await settled()
    expect(hosts).toHaveLength(1)
    expect(daemon.hellos).toMatchObject([{ versions: ['1.0.0'], manifest: { name: 'notes', wants: [] } }])
    expect(runtime.core.host.self).toEqual({ peer: identity.peer, name: 'notes', daemon: daemonPeer })
    await runtime.stop()
    expect(states()).toEqual(['live', 'stopped'])
  })

  it('sends nothing but the hello before the welcome', async () => {
    const { clock, daemon, start } = world()
    daemon.script = async function* (_hello, { live }) {
      yield pendingItem()
      await live()
    }
    const runtime = start()
    await clock.advance(60_000)
    expect(daemon.opened).toHaveLength(1)
    expect(daemon.beats).toBe(0)
    await runtime.stop()
  })

  it('waits for the operator, tells of each code once, and of the decision at once', async () => {
    const { clock, daemon, told, states, hosts, start } = world()
    const decided = Promise.withResolvers<void>()
    daemon.script = async function* (_hello, { live }) {
      yield pendingItem('ABC234')
      if (daemon.hellos.length === 1) throw new MooringError('lobby-full', { retryAfterMs: 30_000 })
      yield pendingItem('XYZ789')
      await decided.promise
      yield welcomeItem(['blocks:read:space:home/*'])
      await live()
    }
    const runtime = start()
    await clock.advance(31_000)
    expect(told).toEqual(['notes ABC234', 'notes XYZ789'])
    expect(runtime.core.status.state).toBe('pending')
    expect(runtime.core.status.reason).toContain('moor approve XYZ789')
    expect(hosts).toEqual([])
    decided.resolve()
    await settled()
    expect(told.at(-1)).toBe('approved notes')
    expect(hosts[0]?.grants).toEqual(['blocks:read:space:home/*'])
    expect(states().at(-1)).toBe('live')
    await runtime.stop()
  })

  it('works with what was granted while the rest of its wishes waits for the operator', async () => {
    const { daemon, told, start } = world()
    daemon.script = async function* (_hello, { live }) {
      yield welcomeItem([], { request: { code: 'NEW234', words: 'a-b-c-d-e', expiresAtMs: 1 } })
      await live()
    }
    const runtime = start()
    await settled()
    expect(told).toEqual(['notes NEW234'])
    expect(runtime.core.status.state).toBe('live')
    await runtime.stop()
  })

  it.each<ErrorCode>(['approval-denied', 'revoked', 'invite-invalid', 'version-mismatch', 'superseded'])(
    'ends with %s and asks no more',
    async (code) => {
      const { clock, daemon, hosts, states, start } = world()
      daemon.script = refusing(code)
      const runtime = start()
      const outcome = codeOf(runtime.done)
      await clock.advance(120_000)
      expect(await outcome).toBe(code)
      expect(daemon.dials).toBe(1)
      expect(hosts).toEqual([])
      expect(states().at(-1)).toBe('stopped')
      expect(daemon.isStopped).toBe(true)
    },
  )

  it('ends when another key answers the dial, and does not take it for an outage', async () => {
    const { clock, daemon, start } = world()
    daemon.dialError = new MooringError('key-mismatch')
    const outcome = codeOf(start().done)
    await clock.advance(120_000)
    expect(await outcome).toBe('key-mismatch')
    expect(daemon.dials).toBe(1)
  })

  it('says nothing to a connection whose key is not the pinned one', async () => {
    const { clock, daemon, start } = world()
    daemon.remote = peerOf(new Uint8Array(32).fill(5))
    const outcome = codeOf(start().done)
    await clock.advance(1_000)
    expect(await outcome).toBe('key-mismatch')
    expect(daemon.opened).toEqual([])
    expect(daemon.wires[0]?.closed.aborted).toBe(true)
  })

  it('ends when the welcome names another daemon than the handshake', async () => {
    const { daemon, start } = world()
    daemon.script = async function* (_hello, { live }) {
      yield welcomeItem([], { daemon: peerOf(new Uint8Array(32).fill(5)) })
      await live()
    }
    expect(await codeOf(start().done)).toBe('key-mismatch')
  })

  it('gives up a hello that is not answered, and tries again', async () => {
    const { clock, daemon, start } = world()
    daemon.script = async function* (_hello, { live }) {
      await live()
      yield welcomeItem()
    }
    const runtime = start()
    await clock.advance(limits.helloTimeoutMs)
    expect(runtime.core.status.state).toBe('offline')
    expect(daemon.wires[0]?.closed.aborted).toBe(true)
    daemon.script = welcoming
    await clock.advance(250)
    expect(runtime.core.status.state).toBe('live')
    await runtime.stop()
  })

  it('gives up a dial that never ends, and closes it when it ends later', async () => {
    const { clock, daemon, start } = world()
    const late = Promise.withResolvers<void>()
    const dial = daemon.dialler.dial
    let attempts = 0
    daemon.dialler.dial = async (...args) => {
      if (attempts++ === 0) await late.promise
      return dial(...args)
    }
    const runtime = start()
    await clock.advance(12_000)
    expect(runtime.core.status.state).toBe('live')
    late.resolve()
    await settled()
    expect(daemon.wires.map((wire) => wire.closed.aborted)).toEqual([false, true])
    await runtime.stop()
  })
})

describe('reconnecting', () => {
  it('backs off exponentially with jitter, up to 30 s', async () => {
    const { clock, daemon, start } = world()
    daemon.dialError = new MooringError('daemon-unreachable')
    const runtime = start()
    const waits: number[] = []
    for (let n = 0; n < 10; n++) {
      await settled()
      const [wait = 0] = clock.pending
      waits.push(wait)
      await clock.advance(wait)
    }
    expect(waits).toEqual([125, 250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000])
    await runtime.stop()
    expect(clock.pending).toEqual([])
  })

  it('gives the daemon the time that it asks for', async () => {
    const { clock, daemon, start } = world()
    daemon.script = refusing('lobby-full', 30_000)
    const runtime = start()
    await clock.advance(30_000)
    expect(daemon.dials).toBe(1)
    await clock.advance(125)
    expect(daemon.dials).toBe(2)
    await runtime.stop()
  })

  it('dials at once when told', async () => {
    const { clock, daemon, start } = world()
    daemon.dialError = new MooringError('daemon-unreachable')
    const runtime = start()
    for (let n = 0; n < 10; n++) await clock.advance(15_000)
    const dials = daemon.dials
    daemon.dialError = undefined
    runtime.reconnectNow()
    await settled()
    expect(daemon.dials).toBe(dials + 1)
    expect(runtime.core.status.state).toBe('live')
    await runtime.stop()
  })

  it('says hello again as the same process, keeps the host and does not set up again', async () => {
    const { clock, daemon, hosts, states, start } = world()
    const runtime = start()
    await clock.advance(15_000)
    daemon.drop()
    await settled()
    expect(daemon.hellos).toHaveLength(2)
    expect(new Set(daemon.instances).size).toBe(1)
    expect(new Set(daemon.replicas).size).toBe(1)
    expect(hosts).toEqual([runtime.core.host])
    expect(states()).toEqual(['live', 'offline', 'connecting', 'live'])
    expect(await runtime.core.host.daemon.echo({ text: 'again' })).toEqual({ text: 'again' })
    await runtime.stop()
  })

  it('does not dial in a circle when every connection ends at once', async () => {
    const { clock, daemon, start } = world()
    daemon.script = async function* () {
      yield welcomeItem()
    }
    const runtime = start()
    await clock.advance(60_000)
    expect(daemon.dials).toBeLessThan(15)
    await runtime.stop()
  })

  it('takes another replica id when its own is in use', async () => {
    const { clock, daemon, start } = world()
    daemon.script = (hello, control) =>
      daemon.hellos.length === 1 ? refusing('replica-in-use')() : welcoming(hello, control)
    const runtime = start()
    await clock.advance(250)
    expect(new Set(daemon.replicas).size).toBe(2)
    expect(new Set(daemon.instances).size).toBe(1)
    expect(runtime.core.status.state).toBe('live')
    await runtime.stop()
  })

  it('stops when another process takes over a live connection', async () => {
    const { clock, daemon, start } = world()
    const other = Promise.withResolvers<void>()
    daemon.script = async function* () {
      yield welcomeItem()
      await other.promise
      throw new MooringError('superseded')
    }
    const runtime = start()
    await clock.advance(20_000)
    other.resolve()
    expect(await codeOf(runtime.done)).toBe('superseded')
    expect(daemon.dials).toBe(1)
  })

  it('makes calls wait for the next connection', async () => {
    const { clock, daemon, start } = world()
    const runtime = start()
    await clock.advance(15_000)
    daemon.dialError = new MooringError('daemon-unreachable')
    daemon.drop()
    await settled()
    const call = runtime.core.host.daemon.echo({ text: 'later' })
    daemon.dialError = undefined
    await clock.advance(10_000)
    expect(await call).toEqual({ text: 'later' })
    await runtime.stop()
  })

  it('loses a call that was sent, and does not send it again', async () => {
    const { clock, daemon, start } = world()
    daemon.handlers = { 'daemon.echo': () => new Promise<never>(() => {}) }
    const runtime = start()
    await clock.advance(15_000)
    const call = codeOf(runtime.core.host.daemon.echo({ text: 'once' }))
    await settled()
    daemon.drop()
    expect(await call).toBe('connection-lost')
    await clock.advance(1_000)
    expect(daemon.calls).toEqual(['daemon.echo'])
    await runtime.stop()
  })

  it('fails a call that finds no connection until its deadline, and one with a mistake at once', async () => {
    const { clock, daemon, start } = world()
    const runtime = start()
    await settled()
    daemon.dialError = new MooringError('daemon-unreachable')
    daemon.drop()
    await settled()
    const { host } = runtime.core
    const late = codeOf(host.daemon.echo({ text: 'x' }, { timeoutMs: 5_000 }))
    expect(await codeOf(host.daemon.echo({ text: 1 } as never))).toBe('invalid-input')
    const cancelled = new AbortController()
    const dropped = codeOf(host.daemon.echo({ text: 'x' }, { signal: cancelled.signal }))
    cancelled.abort()
    expect(await dropped).toBe('cancelled')
    await clock.advance(5_000)
    expect(await late).toBe('connection-lost')
    const untilStop = codeOf(host.daemon.echo({ text: 'x' }))
    await runtime.stop()
    expect(await untilStop).toBe('connection-lost')
    expect(await codeOf(host.daemon.echo({ text: 'x' }))).toBe('connection-lost')
  })

  it('tells of a widened grant', async () => {
    const { daemon, start, told } = world()
    const widened = Promise.withResolvers<void>()
    daemon.script = async function* (_hello, { live }) {
      yield welcomeItem(['ports:provide'])
      await widened.promise
      yield { state: 'granted', grants: ['ports:provide', 'daemon:admin'], grantVersion: 2 }
      await live()
    }
    const runtime = start()
    const { host } = runtime.core
    await settled()
    const heard: (readonly string[])[] = []
    const off = host.on('grants', (grants) => heard.push(grants))
    expect(host.can('daemon:admin')).toBe(false)
    widened.resolve()
    await settled()
    expect(host.can('daemon:admin')).toBe(true)
    expect(heard).toEqual([['ports:provide', 'daemon:admin']])
    expect(told).toEqual(['granted 2'])
    off()
    await runtime.stop()
  })

  it('tells how far a catch-up has come, and what is not settled once there are blocks', async () => {
    const { start, memories } = world()
    const runtime = start()
    const { host } = runtime.core
    await settled()
    const heard: unknown[] = []
    host.on('progress', (progress) => heard.push(progress))
    expect(host.pending).toBe(0)
    await host.open('space:home/notes', 'text')
    expect(host.pending).toBe(3)
    memories[0]?.onProgress?.({ received: 1, total: 2 })
    expect(heard).toEqual([{ received: 1, total: 2 }])
    await runtime.stop()
  })
})

describe('heartbeat', () => {
  it('sends one beat every two seconds, on the stream of the calls', async () => {
    const { clock, daemon, start } = world()
    const runtime = start()
    await clock.advance(10 * limits.beatEveryMs)
    expect(daemon.beats).toBe(11)
    expect(daemon.opened).toHaveLength(2)
    await runtime.stop()
    const { beats } = daemon
    await clock.advance(10_000)
    expect(daemon.beats).toBe(beats)
  })

  it('connects again at once after the process stood still', async () => {
    const { clock, daemon, start } = world()
    const runtime = start()
    await clock.advance(15_000)
    clock.jump(limits.beatTimeoutMs + 1)
    await clock.advance(limits.beatEveryMs)
    expect(daemon.hellos).toHaveLength(2)
    expect(runtime.core.status.state).toBe('live')
    await runtime.stop()
  })

  it('asks for answers where the transport does not notice silence, and ends within 7 s of it', async () => {
    const { clock, daemon, start } = world()
    daemon.noticesSilence = false
    let isDead = false
    daemon.handlers = { 'daemon.echo': ({ text }) => (isDead ? new Promise<never>(() => {}) : { text }) }
    const runtime = start()
    await clock.advance(11_000)
    expect(daemon.hellos).toHaveLength(1)
    isDead = true
    await clock.advance(7_000)
    expect(daemon.wires[0]?.closed.aborted).toBe(true)
    await runtime.stop()
  })
})

describe('stopping', () => {
  it('ends the work of the author first, then delivers, then closes', async () => {
    const order: string[] = []
    const { clock, daemon, memoryCalls, start } = world(
      async (host, { signal }) => {
        await host.open('space:home/notes', 'text')
        signal.addEventListener('abort', () => order.push('signal'))
        return async () => {
          const { text } = await host.daemon.echo({ text: 'teardown' })
          order.push(text)
        }
      },
      { memory: order },
    )
    const runtime = start()
    await settled()
    await runtime.stop()
    expect(memoryCalls).toBe(order)
    expect(order).toEqual(['signal', 'teardown', 'beforeStop false', 'stop false'])
    expect(daemon.wires.map((wire) => wire.endedBy)).toEqual(['close'])
    expect(daemon.isStopped).toBe(true)
    expect(clock.pending).toEqual([])
    await expect(runtime.done).resolves.toBeUndefined()
  })

  it('hands every connection to the memory of blocks', async () => {
    const { clock, daemon, connections, start } = world(async (host) => {
      await host.open('space:home/notes', 'text')
    })
    const runtime = start()
    await clock.advance(15_000)
    daemon.drop()
    await settled()
    expect(connections.map(({ signal }) => signal.aborted)).toEqual([true, false])
    expect(connections[1]).toMatchObject({ daemon: daemonPeer, self: identity.peer, replica: daemon.replicas[1] })
    await connections[1]?.openChannel('/mooring/memory-sync/1.0.0')
    expect(daemon.opened.at(-1)).toBe('/mooring/memory-sync/1.0.0')
    await runtime.stop()
  })

  it('delivers the last log lines', async () => {
    const { daemon, start } = world((host) => () => host.log.info('goodbye'))
    const lines: string[] = []
    daemon.handlers = {
      'log.write': ({ text }) => {
        lines.push(text)
        return {}
      },
    }
    const runtime = start()
    await settled()
    await runtime.stop()
    expect(lines).toEqual(['goodbye'])
  })

  it('does not wait for a teardown without end, and says so', async () => {
    const { clock, daemon, start } = world(() => () => new Promise<void>(() => {}))
    const runtime = start()
    await settled()
    const outcome = codeOf(runtime.done)
    const stopped = runtime.stop()
    await clock.advance(5_000)
    await stopped
    expect(await outcome).toBe('timeout')
    expect(daemon.wires[0]?.endedBy).toBe('close')
  })

  it('ends with what setup threw', async () => {
    const { daemon, start } = world(() => {
      throw new Error('no such file')
    })
    const runtime = start()
    expect(await codeOf(runtime.done)).toBe('Error: no such file')
    expect(runtime.core.status).toEqual({ state: 'stopped', reason: 'no such file' })
    expect(daemon.wires[0]?.closed.aborted).toBe(true)
  })

  it('stops in the middle of a back-off, of a wait for the operator and of a setup', async () => {
    const backingOff = world()
    backingOff.daemon.dialError = new MooringError('daemon-unreachable')
    const first = backingOff.start()
    await settled()
    await first.stop()
    const waiting = world()
    waiting.daemon.script = async function* (_hello, { live }) {
      yield pendingItem()
      await live()
    }
    const second = waiting.start()
    await settled()
    await second.stop()
    const settingUp = world(
      (_host, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
    )
    const third = settingUp.start()
    await settled()
    await Promise.all([third.stop(), third.stop()])
    for (const runtime of [first, second, third]) await expect(runtime.done).resolves.toBeUndefined()
    for (const { clock, daemon } of [backingOff, waiting, settingUp]) {
      expect(clock.pending).toEqual([])
      expect(daemon.isStopped).toBe(true)
    }
  })
})
