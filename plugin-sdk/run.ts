/**
 * Runs a plugin: finds its key and its daemon, and keeps it connected until it is stopped. A library: it sets no signal
 * handler and no exit code; `main.ts` does that for a plugin that is a process of its own.
 */
import { randomBytes } from 'node:crypto'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { platform, env as processEnv, stderr, versions } from 'node:process'
import { fingerprintWords, type PeerId, parseGrants, placesFrom } from '../protocol/index.ts'
import { systemClock } from './clock.ts'
import { createDiscovery } from './discover.ts'
import type { PluginStatus } from './host.ts'
import { type Identity, openIdentity } from './identity.ts'
import type { LogSink } from './log.ts'
import type { PreparedStore } from './memory/sqlite-store.ts'
import { tooOld } from './node-version.ts'
import type { Plugin } from './plugin.ts'
import { onlyReplica, replicasIn } from './replica-file.ts'
import { createReporter, type Reporter } from './reporter.ts'
import { Runtime } from './runtime.ts'
import type { Dialler } from './wire.ts'

export interface RunOptions {
  /** A ticket, `moor1…`. @default the ticket in MOORING_TICKET, else the daemon of this machine */
  readonly ticket?: string
  /** A daemon without a ticket: its peer id, and addresses such as `/ip4/127.0.0.1/udp/4410/quic-v1`. */
  readonly daemon?: { readonly peer: string; readonly addresses: readonly string[] }
  /** Folder of the key and the replica. @default a folder with the plugin's name among the daemon's plugins */
  readonly home?: string
  /**
   * Keeps blocks for as long as the process lives, and nothing on disk: `saved()` of a block then rejects.
   *
   * @default false: what is changed offline survives the process
   */
  readonly memory?: boolean
  /** @default the environment of the process */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Stops the plugin. */
  readonly signal?: AbortSignal
  readonly onStatus?: (status: PluginStatus) => void
  /** Gets the lines of `host.log` on this side too. */
  readonly log?: LogSink
  /** Tells a person that the operator has to approve. @default writes to standard error */
  readonly reporter?: Reporter
}

export interface RunningPlugin {
  readonly peer: PeerId
  /** Five words of the key, as the operator sees them. */
  readonly words: string
  readonly status: PluginStatus
  /** Dials at once instead of waiting for the next attempt. */
  reconnectNow(): void
  /** Runs the teardown, delivers what is on its way, closes. Never rejects; takes at most half a minute. */
  stop(): Promise<void>
  /**
   * Resolves when stopped. Rejects with the answer that ended the plugin (`approval-denied`, `revoked`,
   * `invite-invalid`, `key-mismatch`, `superseded`, `version-mismatch` …) or with what `setup` threw.
   */
  readonly done: Promise<void>
}

/**
 * Starts a plugin. Resolves as soon as it knows its key and its daemon; an absent daemon is dialled until it is there.
 *
 * @throws `daemon-unreachable` when no ticket is found, `ticket-invalid`, `config-invalid` for a key file that cannot be
 * used, a home that cannot be made, and a MOORING_HOME that is not absolute
 */
export async function runPlugin(plugin: Plugin, options: RunOptions = {}): Promise<RunningPlugin> {
  const complaint = tooOld(versions.node, plugin.manifest.name)
  if (complaint !== undefined) throw new Error(complaint)
  const env = options.env ?? processEnv
  const { ticket, daemon, signal, log, onStatus } = options
  const where = { env, platform, homedir: homedir() }
  const home = options.home ?? join(placesFrom(where).pluginsDir, plugin.manifest.name)
  const isStored = options.memory !== true
  const discover = createDiscovery({ ...where, ticket, daemon, known: isStored ? onlyReplica(home) : undefined })
  await discover()
  const random = (bytes: number): Uint8Array => randomBytes(bytes)
  const identity = await openIdentity({ home, random, platform })
  const store = isStored && wantsBlocks(plugin) ? await prepareStore() : undefined
  const dialler = await makeDialler(identity).catch(async (error) => {
    await store?.stop()
    throw error
  })
  const runtime = new Runtime({
    plugin,
    identity,
    dialler,
    discover,
    random,
    clock: systemClock,
    log,
    reporter: options.reporter ?? createReporter((text) => stderr.write(text)),
    loadMemory: () => import('./memory/index.ts'),
    ...(isStored ? { replicas: replicasIn(home, store) } : {}),
    ...(onStatus === undefined ? {} : { onStatus }),
  })
  const stop = (): Promise<void> => runtime.stop()
  if (signal?.aborted) void stop()
  signal?.addEventListener('abort', stop, { once: true })
  const onDone = (): void => {
    signal?.removeEventListener('abort', stop)
    void store?.stop()
  }
  runtime.done.then(onDone, onDone)
  return {
    peer: identity.peer,
    words: fingerprintWords(identity.peer),
    done: runtime.done,
    stop,
    reconnectNow: () => runtime.reconnectNow(),
    get status() {
      return runtime.core.status
    },
  }
}

const wantsBlocks = ({ manifest }: Plugin): boolean => parseGrants(manifest.wants).some(({ area }) => area === 'blocks')

/** A plugin that wants blocks opens one sooner or later: what takes longest for that is begun before it is asked for. */
async function prepareStore(): Promise<PreparedStore> {
  return (await import('./memory/sqlite-store.ts')).prepareSqliteStore()
}

/** Loaded here and not above: a test of a plugin needs its declaration and no network. */
async function makeDialler({ seed }: Identity): Promise<Dialler> {
  return (await import('./node.ts')).createDialler({ seed, clock: systemClock })
}
