/**
 * The life of a running plugin: connect, set up once, connect again whenever the connection ends, stop in order. Keeps
 * true: `done` always settles, every step of a stop has a deadline and none can keep the next from running.
 */
import {
  asError,
  type Clock,
  createClient,
  hostProtocol,
  type InstanceId,
  MooringError,
  type PeerId,
  type ReplicaId,
  type Ticket,
} from '../protocol/index.ts'
import { LastingCalls } from './calls.ts'
import { whenAnyAborted, within } from './deadline.ts'
import { HostCore, type PluginStatus } from './host.ts'
import type { Identity } from './identity.ts'
import { type Link, openLink, type PendingRequest } from './link.ts'
import { LogForwarder, type LogSink } from './log.ts'
import type { CatchUpProgress, createMemory, Memory, openMemory } from './memory/index.ts'
import type { Plugin, Teardown } from './plugin.ts'
import { Backoff, codeOf, isFinal } from './reconnect.ts'
import type { Replicas } from './replica-file.ts'
import type { Reporter } from './reporter.ts'
import type { Dialler } from './wire.ts'

export interface RuntimeInit {
  readonly plugin: Plugin
  readonly identity: Identity
  readonly dialler: Dialler
  readonly reporter: Reporter
  readonly clock: Clock
  readonly log?: LogSink | undefined
  random(bytes: number): Uint8Array
  /** Asked before every attempt: a daemon may come back at another address. */
  discover(): Promise<Ticket>
  /** The document engine is large: it is loaded when the first block is opened. */
  loadMemory(): Promise<{ readonly createMemory: typeof createMemory; readonly openMemory?: typeof openMemory }>
  /** Where the replica for a daemon is kept. @default in memory only */
  readonly replicas?: Replicas
  onStatus?(status: PluginStatus): void
}

const dialTimeoutMs = 10_000
/** For the teardown of the author, and again for what is on its way to the daemon. */
const stepTimeoutMs = 5_000
/** A connection that lasted this long was a good one: the next failure starts the back-off anew. */
const stableMs = 10_000

export class Runtime {
  readonly core: HostCore
  readonly done: Promise<void>
  readonly #init: RuntimeInit
  readonly #calls: LastingCalls
  readonly #log: LogForwarder
  readonly #backoff: Backoff
  readonly #instance: InstanceId
  /** Ends the loop of connecting. */
  readonly #stopping = new AbortController()
  /** What an author gets: aborts first of all when stopping. */
  readonly #life = new AbortController()
  readonly #failures: Error[] = []
  #replica: ReplicaId
  #memory: Memory | undefined
  #link: Link | undefined
  #setup: Promise<Teardown | undefined> | undefined
  #shownCode: string | undefined
  #isWaitingForOperator = false
  #wakeNow: () => void = () => {}

  constructor(init: RuntimeInit) {
    this.#init = init
    this.#calls = new LastingCalls({ clock: init.clock })
    const hostClient = createClient(hostProtocol, this.#calls)
    this.#log = new LogForwarder({ clock: init.clock, write: (line) => hostClient.log.write(line), sink: init.log })
    this.#backoff = new Backoff({ random: () => new DataView(this.#random(4).buffer).getUint32(0) / 2 ** 32 })
    this.#instance = this.#mintId() as InstanceId
    this.#replica = this.#mintId() as ReplicaId
    this.core = new HostCore({
      self: init.identity.peer,
      calls: this.#calls,
      log: this.#log,
      loadMemory: (daemon) => this.#loadMemory(daemon),
    })
    const { onStatus } = init
    if (onStatus !== undefined) this.core.host.on('status', onStatus)
    this.done = this.#live()
    // Whoever does not look at `done` has the status; an unhandled rejection would end their process.
    this.done.catch(() => {})
  }

  /** Ends in order. Resolves when everything has ended, also when that was because of a failure. */
  async stop(): Promise<void> {
    this.#stopping.abort(new MooringError('cancelled'))
    await this.done.catch(() => {})
  }

  /** Does not wait for the end of the back-off. */
  reconnectNow(): void {
    this.#backoff.reset()
    this.#wakeNow()
  }

  async #live(): Promise<void> {
    // The constructor is still running: what fails at once must find a complete object.
    await Promise.resolve()
    try {
      await this.#resume()
      await this.#keepConnected()
    } catch (error) {
      this.#failures.unshift(asError(error))
    }
    await this.#shutDown()
    const [first, ...others] = this.#failures
    this.core.setStatus('stopped', first?.message)
    if (first !== undefined) throw others.length === 0 ? first : new AggregateError([first, ...others], first.message)
  }

  /** Where an earlier process left blocks, the plugin works at once with what it was last granted. */
  async #resume(): Promise<void> {
    const { discover, replicas } = this.#init
    if (replicas === undefined) return
    const { daemon } = await discover()
    if (!replicas.exists(daemon) || this.#stopping.signal.aborted) return
    const memory = await this.core.openMemory(daemon)
    this.#replica = memory.replica ?? this.#replica
    // Approved by nobody yet: nothing runs before the operator has decided.
    if (memory.lastWelcome === undefined || this.#stopping.signal.aborted) return
    this.core.resume(daemon, memory.lastWelcome)
    this.#setup = this.#runSetup()
  }

  async #loadMemory(daemon: PeerId): Promise<Memory> {
    const { clock, identity, loadMemory, replicas } = this.#init
    const { createMemory, openMemory } = await loadMemory()
    const init = {
      ...{ identity, daemon, clock },
      onProgress: (progress: CatchUpProgress) => this.core.tellProgress(progress),
      random: (bytes: number) => this.#random(bytes),
      log: { warn: (_fields: object, message: string) => this.#log.add('warn', message) },
      // Under another id it is nobody that the daemon knows, and so is sent everything.
      onShortfall: () => this.#link?.end(new MooringError('replica-in-use', { detail: 'the store was older' })),
    }
    this.#memory =
      replicas === undefined || openMemory === undefined
        ? createMemory(init)
        : await openMemory({ ...init, ...replicas.opener, path: replicas.path(daemon), replica: this.#replica })
    return this.#memory
  }

  async #keepConnected(): Promise<void> {
    const { signal } = this.#stopping
    const { clock } = this.#init
    while (!signal.aborted) {
      let error: unknown
      let isStable = false
      try {
        this.core.setStatus('connecting')
        const link = await this.#connect()
        const sinceMs = clock.monotonicMs()
        this.#welcomed(link)
        await whenAnyAborted(link.signal, signal)
        // The link stays for what is still to be said when it is this side that ends.
        if (signal.aborted) return
        error = link.signal.reason
        isStable = clock.monotonicMs() - sinceMs >= stableMs
      } catch (cause) {
        if (signal.aborted) return
        error = cause
      }
      this.#link = undefined
      this.#calls.use(undefined)
      if (isFinal(error)) throw error
      this.#noticeReplicaInUse(error)
      this.core.setStatus('offline', asError(error).message)
      if (isStable) this.#backoff.reset()
      // After a good connection at once, unless the daemon said that it is going.
      if (!isStable || codeOf(error) === 'daemon-stopping') {
        await this.#pause(this.#backoff.next(error instanceof MooringError ? error.retryAfterMs : undefined))
      }
    }
  }

  async #connect(): Promise<Link> {
    const { dialler, discover, clock, identity, plugin } = this.#init
    const { signal } = this.#stopping
    const { daemon, addresses, invite } = await within(discover(), {
      clock,
      signal,
      timeoutMs: dialTimeoutMs,
      what: 'finding the daemon',
    })
    const wire = await within(dialler.dial(daemon, addresses, { timeoutMs: dialTimeoutMs, signal }), {
      clock,
      signal,
      // A little longer than what the dialler was given: its own error says more.
      timeoutMs: dialTimeoutMs + 1_000,
      what: 'dialling the daemon',
      onLate: (late) => late.abort(new MooringError('timeout')),
    })
    // A dialler pins the key as well; a mistake there must not be enough.
    if (wire.remote !== daemon) {
      const error = new MooringError('key-mismatch', { detail: 'another key answered' })
      wire.abort(error)
      throw error
    }
    return openLink({
      wire,
      clock,
      signal,
      invite,
      self: identity.peer,
      manifest: plugin.manifest,
      replica: this.#replica,
      instance: this.#instance,
      onPending: (request) => {
        this.#isWaitingForOperator = true
        this.core.setStatus('pending', `waits for the operator: moor approve ${request.code}`)
        this.#showRequest(request)
      },
      onGranted: (grants) => {
        this.core.setGrants(grants)
        this.#init.reporter.granted({ grants })
      },
    })
  }

  #welcomed(link: Link): void {
    const { welcome } = link
    this.#link = link
    this.#calls.use(link.caller)
    this.core.connected(link)
    if (this.#isWaitingForOperator) this.#init.reporter.approved({ name: welcome.name, grants: welcome.grants })
    this.#isWaitingForOperator = false
    this.core.setStatus('live')
    // The manifest asks for more than was ever decided: the rest waits while the plugin works with what it has.
    if (welcome.request !== undefined) this.#showRequest(welcome.request)
    this.#setup ??= this.#runSetup()
  }

  async #runSetup(): Promise<Teardown | undefined> {
    try {
      const teardown = await this.#init.plugin.setup(this.core.host, { signal: this.#life.signal })
      return typeof teardown === 'function' ? teardown : undefined
    } catch (error) {
      // What ends because the plugin stops is no failure of its own.
      if (!this.#life.signal.aborted) this.#failures.push(asError(error))
      this.#stopping.abort(asError(error))
      return undefined
    }
  }

  /** Once for each code: a reconnect finds the same request again. */
  #showRequest({ code }: PendingRequest): void {
    if (this.#shownCode === code) return
    this.#shownCode = code
    const { identity, plugin, reporter } = this.#init
    const isLive = this.core.status.state === 'live'
    reporter.pending({ name: plugin.manifest.name, peer: identity.peer, code, isLive })
  }

  /** Another process has this replica id, by a copy of its memory or by a chance of 2⁻¹²⁸: this one takes another. */
  #noticeReplicaInUse(error: unknown): void {
    if (codeOf(error) !== 'replica-in-use') return
    this.#replica = this.#mintId() as ReplicaId
    this.#memory?.useReplica(this.#replica)
  }

  /** The order is the promise: the author's work ends first, what it said is delivered next, the connection goes last. */
  async #shutDown(): Promise<void> {
    this.#life.abort(new MooringError('cancelled', { detail: 'the plugin stops' }))
    await this.#step('setup', async () => {
      const teardown = await this.#setup
      await teardown?.()
    })
    const { attachments } = this.core
    await this.#step('delivery', () => Promise.all(attachments.map((attachment) => attachment.beforeStop())))
    // Lines are worth a moment, and no failure of a stop.
    if (this.#link !== undefined) await this.#quietStep(this.#log.flushed())
    this.#log.stop()
    await this.#step('memory', () => Promise.all(attachments.map((attachment) => attachment.stop())))
    this.#calls.stop()
    await this.#quietStep(this.#link?.close() ?? Promise.resolve())
    await this.#quietStep(this.#init.dialler.stop())
  }

  async #step(what: string, run: () => Promise<unknown>): Promise<void> {
    try {
      await within(run(), { clock: this.#init.clock, timeoutMs: stepTimeoutMs, what: `the end of ${what}` })
    } catch (error) {
      this.#failures.push(asError(error))
    }
  }

  async #quietStep(work: Promise<unknown>): Promise<void> {
    await within(work, { clock: this.#init.clock, timeoutMs: 3_000, what: 'closing' }).catch(() => {})
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stopping
    const woken = new AbortController()
    this.#wakeNow = () => woken.abort()
    const cancel = this.#init.clock.after(ms, this.#wakeNow)
    await whenAnyAborted(woken.signal, signal)
    cancel()
    this.#wakeNow = () => {}
  }

  #random(bytes: number): Uint8Array {
    // A copy of its own: pooled buffers share their memory.
    return Uint8Array.from(this.#init.random(bytes))
  }

  #mintId(): string {
    return Buffer.from(this.#random(16)).toString('hex')
  }
}
