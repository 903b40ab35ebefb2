/**
 * The host as an author sees it: one method for each operation of the protocol table, derived, and the few names that
 * are more than a call. Keeps true: the object stays the same over any number of connections.
 */
import {
  asError,
  type BlockAddress,
  type BlockMeta,
  type Client,
  covers,
  createClient,
  hostProtocol,
  MooringError,
  type PeerId,
  parseGrant,
  parseGrants,
  type RpcProtocol,
  type SchemaName,
} from '../protocol/index.ts'
import type { LastingCalls } from './calls.ts'
import type { Connection } from './link.ts'
import type { LogForwarder, LogLevel } from './log.ts'
import type { BlockHandle, BlockWatch, CatchUpProgress, Memory } from './memory/index.ts'

// The SDK says hello itself, on every connection: an author who did so would start a second session.
const { 'session.hello': _hello, ...authorOps } = hostProtocol.ops
export const authorProtocol = { ...hostProtocol, ops: authorOps } satisfies RpcProtocol
export type AuthorClient = Client<typeof authorProtocol>

export interface PluginStatus {
  readonly state: 'connecting' | 'pending' | 'live' | 'offline' | 'stopped'
  /** Why, in one sentence; empty when the state says it all. */
  readonly reason: string
}

export interface Self {
  readonly peer: PeerId
  /** The name by which the daemon knows this plugin; it may differ from its own. */
  readonly name: string
  readonly daemon: PeerId
}

/** Each writes a line under the plugin's name to the daemon's log. Best effort: never throws, never waits. */
export type HostLog = AuthorClient['log'] & { readonly [Level in LogLevel]: (text: unknown) => void }

export interface HostEvents {
  status: PluginStatus
  /** The grants after a change. */
  grants: readonly string[]
  /** How far a long catch-up of the blocks has come, for who shows it; what is short is not told of. */
  progress: CatchUpProgress
}

export type Host = Omit<AuthorClient, 'log'> & {
  readonly self: Self
  readonly status: PluginStatus
  readonly log: HostLog
  /** What was granted, which may be less than was asked for. The daemon decides each call; this only predicts. */
  readonly grants: readonly string[]
  /** Changes made here, in all blocks, that the daemon has not settled. */
  readonly pending: number
  /**
   * Whether everything that the grant names is granted: `host.can('blocks:write:space:home/notes')`.
   *
   * @throws `invalid-input` for a text that is no grant
   */
  can(grant: string): boolean
  /**
   * A handle of a block: works at once, offline too. Loads the document engine on first use. `wanted` is what is said of the
   * block if it is made by this: its description, its options. What is there already stays as it is.
   *
   * @throws `address-taken` for another schema; `invalid-input` for options that are none of the schema; what is wrong with the stored replica: `replica-in-use`,
   * `database-corrupt`, `database-newer`, `storage-full`, `storage-failed`
   */
  open<Name extends SchemaName>(
    address: BlockAddress | (string & {}),
    schema: Name,
    wanted?: BlockMeta,
  ): Promise<BlockHandle<Name>>
  /**
   * Follows every block that a pattern covers (`space:home/*`), those that are made later too. They are kept up to date
   * and cost no document; {@link open} gives the handle of one.
   *
   * @throws `invalid-input` for what is no pattern with a star, `quota-exceeded`; what is wrong with the stored replica
   */
  watch(pattern: string): Promise<BlockWatch>
  /** Returns the function that ends it. */
  on<Event extends keyof HostEvents>(event: Event, listener: (value: HostEvents[Event]) => void): () => void
}

/** A part of the SDK that lives through connections, such as the memory of blocks. */
export interface Attachment {
  /** A connection was welcomed. */
  onConnection(connection: Connection): void
  /** Resolves when nothing of it is unsettled. */
  beforeStop(): Promise<void>
  stop(): Promise<void>
}

export interface HostCoreInit {
  readonly self: PeerId
  readonly calls: LastingCalls
  readonly log: LogForwarder
  /** Makes the memory of blocks for a daemon; called once, on first use. */
  loadMemory(daemon: PeerId): Promise<Memory>
}

/** What the runtime keeps behind a {@link Host}. */
export class HostCore {
  readonly host: Host
  readonly #init: HostCoreInit
  readonly #listeners: { readonly [Event in keyof HostEvents]: Set<(value: HostEvents[Event]) => void> } = {
    status: new Set(),
    grants: new Set(),
    progress: new Set(),
  }
  #status: PluginStatus = { state: 'connecting', reason: '' }
  #grants: readonly string[] = []
  #self: Self | undefined
  #connection: Connection | undefined
  #memory: Promise<Memory> | undefined
  #loaded: Memory | undefined
  readonly #attachments = new Set<Attachment>()

  constructor(init: HostCoreInit) {
    this.#init = init
    this.host = this.#makeHost()
  }

  get status(): PluginStatus {
    return this.#status
  }

  get attachments(): readonly Attachment[] {
    return [...this.#attachments]
  }

  setStatus(state: PluginStatus['state'], reason = ''): void {
    if (this.#status.state === state && this.#status.reason === reason) return
    this.#status = { state, reason }
    this.#tell('status', this.#status)
  }

  setGrants(grants: readonly string[]): void {
    const isSame =
      grants.length === this.#grants.length && grants.every((grant, index) => grant === this.#grants[index])
    if (isSame) return
    this.#grants = Object.freeze([...grants])
    this.#tell('grants', this.#grants)
  }

  tellProgress(progress: CatchUpProgress): void {
    this.#tell('progress', progress)
  }

  connected(connection: Connection): void {
    const { daemon, welcome } = connection
    this.#self = { peer: this.#init.self, name: welcome.name, daemon }
    this.#connection = connection
    this.setGrants(welcome.grants)
    for (const attachment of this.#attachments) attachment.onConnection(connection)
  }

  /** What an earlier process was told: holds until the daemon says something else. */
  resume(daemon: PeerId, welcome: { readonly name: string; readonly grants: readonly string[] }): void {
    this.#self = { peer: this.#init.self, name: welcome.name, daemon }
    this.setGrants(welcome.grants)
  }

  openMemory(daemon: PeerId): Promise<Memory> {
    this.#memory ??= this.#attachMemory(daemon)
    return this.#memory
  }

  #makeHost(): Host {
    const client = createClient(authorProtocol, this.#init.calls)
    const write = (level: LogLevel) => (text: unknown) => this.#init.log.add(level, text)
    const core = this
    return Object.freeze({
      ...client,
      log: Object.freeze({
        ...client.log,
        debug: write('debug'),
        info: write('info'),
        warn: write('warn'),
        error: write('error'),
      }),
      get self() {
        if (core.#self === undefined) throw new MooringError('wrong-state', { detail: 'not welcomed yet' })
        return core.#self
      },
      get status() {
        return core.#status
      },
      get grants() {
        return core.#grants
      },
      get pending() {
        return core.#loaded?.pending ?? 0
      },
      can: (text: string) => {
        const grant = parseGrant(text)
        if (grant.isDeny) throw new MooringError('invalid-input', { detail: 'ask for a right, not for a deny' })
        return covers(parseGrants(core.#grants), [grant])
      },
      open: <Name extends SchemaName>(address: string, schema: Name, wanted?: BlockMeta) =>
        core.#open(address, schema, wanted),
      watch: async (pattern: string) => (await core.#memoryOf()).watch(pattern),
      on: <Event extends keyof HostEvents>(event: Event, listener: (value: HostEvents[Event]) => void) => {
        const listeners = core.#listeners[event]
        listeners.add(listener)
        return () => {
          listeners.delete(listener)
        }
      },
    })
  }

  async #open<Name extends SchemaName>(address: string, schema: Name, wanted?: BlockMeta): Promise<BlockHandle<Name>> {
    const memory = await this.#memoryOf()
    await memory.prepare(address)
    return memory.open(address, schema, wanted)
  }

  async #memoryOf(): Promise<Memory> {
    const daemon = this.#self?.daemon
    if (daemon === undefined) throw new MooringError('wrong-state', { detail: 'not welcomed yet' })
    return this.openMemory(daemon)
  }

  async #attachMemory(daemon: PeerId): Promise<Memory> {
    try {
      const memory = await this.#init.loadMemory(daemon)
      this.#loaded = memory
      this.#attachments.add(memory)
      // It was loaded while a connection may have come and gone: only one that still stands is handed over.
      const connection = this.#connection
      if (connection !== undefined && !connection.signal.aborted) memory.onConnection(connection)
      return memory
    } catch (error) {
      // What was in the way may be gone the next time.
      this.#memory = undefined
      throw error
    }
  }

  #tell<Event extends keyof HostEvents>(event: Event, value: HostEvents[Event]): void {
    for (const listener of [...this.#listeners[event]]) {
      try {
        listener(value)
      } catch (error) {
        // Told from inside the life of the connection, which a mistake of a listener must not end.
        this.#init.log.add('error', `a listener of ${event} threw: ${asError(error).message}`)
      }
    }
  }
}
