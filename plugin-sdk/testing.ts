/**
 * Door `mooring/plugin-sdk/testing`: a host in memory, for tests of a plugin without a daemon. It is made from the table
 * of operations: a call passes through the real client, frames, validation and check of grants, and only the work itself
 * is a handler that the test may give.
 */
import {
  allows,
  type BlockMeta,
  Caller,
  Channel,
  type Handlers,
  hostProtocol,
  limits,
  MooringError,
  type Op,
  parseGrants,
  type ReplicaId,
  type SchemaName,
  type SessionId,
  serveCalls,
  type Want,
} from '../protocol/index.ts'
import { LastingCalls } from './calls.ts'
import { systemClock } from './clock.ts'
import { type authorProtocol, type Host, HostCore, type PluginStatus } from './host.ts'
import { peerOf } from './identity.ts'
import { LogForwarder, type LogLevel } from './log.ts'
import type { BlockHandle, BlockWatch, CatchUpProgress } from './memory/index.ts'
import type { Plugin } from './plugin.ts'
import { createStreamPair } from './stream-pair.ts'

export { createStreamPair, MemoryStream, type StreamPairInit } from './stream-pair.ts'

type TestHandlers = Partial<Handlers<typeof authorProtocol, object>>

export interface TestHostInit {
  /** What was granted. @default nothing */
  readonly grants?: readonly string[]
  /** What an operation answers, by name: `{ 'block.get': ({ address }) => … }`. Echo, log and self answer by themselves. */
  readonly handlers?: TestHandlers
  /** The name by which the daemon knows the plugin. @default 'test' */
  readonly name?: string
  /** What `host.open` gives. @default refuses with `unknown-op` */
  readonly open?: <Name extends SchemaName>(address: string, schema: Name, wanted?: BlockMeta) => BlockHandle<Name>
  /** What `host.watch` gives. @default refuses with `unknown-op` */
  readonly watch?: (pattern: string) => BlockWatch
}

export interface TestHost {
  readonly host: Host
  /** Every call that reached the host, in order. */
  readonly calls: readonly { readonly op: string; readonly input: unknown }[]
  /** The lines of `host.log` that arrived. */
  readonly lines: readonly { readonly level: LogLevel; readonly text: string }[]
  setGrants(grants: readonly string[]): void
  setStatus(state: PluginStatus['state'], reason?: string): void
  /** Plays a long catch-up: listeners of `progress` are told. */
  setProgress(progress: CatchUpProgress): void
  /** While false the connection is gone: calls wait, or fail at their deadline. */
  setConnected(isConnected: boolean): void
  /** Runs the setup of a plugin and gives the function that stops it, as the daemon's end would. */
  start(plugin: Plugin): Promise<() => Promise<void>>
  /** Resolves when the lines logged so far have arrived. */
  flushed(): Promise<void>
  /** Ends every call. */
  stop(): Promise<void>
}

const pluginPeer = peerOf(new Uint8Array(32).fill(1))
const daemonPeer = peerOf(new Uint8Array(32).fill(2))

export function createTestHost(init: TestHostInit = {}): TestHost {
  const calls: { op: string; input: unknown }[] = []
  const lines: { level: LogLevel; text: string }[] = []
  const name = init.name ?? 'test'
  let grants: readonly string[] = Object.freeze([...(init.grants ?? [])])
  // Before anything is called: a typing mistake in a test's grants is the test's mistake.
  parseGrants(grants)
  const handlers = { ...refuseAll(), ...defaults(), ...init.handlers } as Handlers<typeof hostProtocol, object>

  function defaults(): TestHandlers {
    return {
      'daemon.echo': ({ text }) => ({ text }),
      'log.write': (line) => {
        lines.push(line)
        return {}
      },
      'session.self': () => ({ peer: pluginPeer, name, grants: [...grants], grantVersion: 1, daemon: daemonPeer }),
      'block.list': () => ({ blocks: [], more: false }),
      'block.get': () => {
        throw new MooringError('block-not-found')
      },
    }
  }

  const openStreams = new Set<Channel>()
  const caller = new Caller({
    clock: systemClock,
    openChannel: async () => {
      const [near, far] = createStreamPair()
      const channel = new Channel(far, { clock: systemClock })
      openStreams.add(channel)
      void serveCalls({
        protocol: hostProtocol,
        handlers,
        channel,
        context: {},
        clock: systemClock,
        authorise: (op, { needs }, input) => {
          calls.push({ op, input })
          if (needs === null) return
          const { area, right, subject } = needs
          const want = { area, right, ...(subject === undefined ? {} : { subject: subject(input as never) }) } as Want
          // Without a subject the handler itself leaves out what is not granted.
          if (subject === undefined || allows(parseGrants(grants), want)) return
          throw new MooringError('grant-missing', { detail: [area, right, want.subject].join(':') })
        },
      }).finally(() => openStreams.delete(channel))
      return new Channel(near, { clock: systemClock })
    },
  })

  const lasting = new LastingCalls({ clock: systemClock })
  const log = new LogForwarder({
    clock: systemClock,
    write: (line) =>
      lasting.call('log.write', hostProtocol.ops['log.write'] as Op, line, { timeoutMs: limits.callTimeoutMs }),
  })
  const core = new HostCore({
    self: pluginPeer,
    calls: lasting,
    log,
    loadMemory: async () => ({
      lastWelcome: undefined,
      replica: undefined,
      useReplica: () => {},
      prepare: async () => {},
      pending: 0,
      open: (address, schema, wanted) => {
        if (init.open !== undefined) return init.open(address, schema, wanted)
        throw new MooringError('unknown-op', { detail: 'give createTestHost an open function' })
      },
      watch: (pattern) => {
        if (init.watch !== undefined) return init.watch(pattern)
        throw new MooringError('unknown-op', { detail: 'give createTestHost a watch function' })
      },
      onConnection: () => {},
      beforeStop: async () => {},
      stop: async () => {},
    }),
  })
  const ended = new AbortController()
  const connect = (): void => {
    lasting.use(caller)
    core.connected({
      daemon: daemonPeer,
      self: pluginPeer,
      replica: '00'.repeat(16) as ReplicaId,
      signal: ended.signal,
      welcome: {
        state: 'welcome',
        session: '01'.repeat(16) as SessionId,
        daemon: daemonPeer,
        name,
        grants: [...grants],
        grantVersion: 1,
        version: '1.0.0',
      },
      openChannel: async () => {
        throw new MooringError('connection-lost', { detail: 'a test host has no streams of frames' })
      },
    })
    core.setStatus('live')
  }
  connect()

  return {
    host: core.host,
    calls,
    lines,
    setGrants(next) {
      parseGrants(next)
      grants = Object.freeze([...next])
      core.setGrants(grants)
    },
    setProgress: (progress) => core.tellProgress(progress),
    setStatus: (state, reason) => core.setStatus(state, reason),
    setConnected(isConnected) {
      if (isConnected) return connect()
      lasting.use(undefined)
      core.setStatus('offline', 'set by the test')
      for (const channel of openStreams) channel.abort(new MooringError('connection-lost'))
    },
    async start(plugin) {
      const life = new AbortController()
      const teardown = await plugin.setup(core.host, { signal: life.signal })
      return async () => {
        life.abort(new MooringError('cancelled', { detail: 'the plugin stops' }))
        await (typeof teardown === 'function' ? teardown() : undefined)
      }
    },
    flushed: () => log.flushed(),
    async stop() {
      log.stop()
      lasting.stop()
      ended.abort(new MooringError('cancelled'))
      await caller.close()
      for (const channel of openStreams) channel.abort(new MooringError('connection-lost'))
    },
  }
}

/** An operation that a later version adds is refused by name until the test says what it answers. */
function refuseAll(): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(hostProtocol.ops).map((op) => [
      op,
      () => {
        throw new MooringError('unknown-op', { detail: `give createTestHost a handler for ${op}` })
      },
    ]),
  )
}
