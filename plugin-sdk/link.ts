/**
 * One connection: hello, the wait for the operator, welcome, a sign of life every two seconds, and its end. Keeps true:
 * nothing is sent but the hello before the welcome, and whoever ends a link, its signal aborts with the reason.
 */
import {
  asError,
  Caller,
  Channel,
  type Clock,
  createClient,
  type HostClient,
  hostProtocol,
  hostVersion,
  type InstanceId,
  limits,
  type Manifest,
  MooringError,
  type PeerId,
  type ReplicaId,
} from '../protocol/index.ts'
import { within } from './deadline.ts'
import type { Wire } from './wire.ts'

type HelloItem = ReturnType<HostClient['session']['hello']> extends AsyncIterable<infer Item> ? Item : never
/** The daemon's answer to an approved key. */
export type Welcome = Extract<HelloItem, { state: 'welcome' }>
/** A request that waits for the operator. */
export type PendingRequest = NonNullable<Welcome['request']>

/** What the parts of the SDK that speak other protocols need of a welcomed connection. */
export interface Connection {
  readonly daemon: PeerId
  readonly self: PeerId
  readonly replica: ReplicaId
  readonly welcome: Welcome
  /** Aborts when the connection ends; its reason is why. */
  readonly signal: AbortSignal
  /** A stream of its own, for frames. @throws `connection-lost` */
  openChannel(protocolId: string): Promise<Channel>
}

export interface LinkInit {
  readonly wire: Wire
  readonly clock: Clock
  readonly self: PeerId
  readonly manifest: Manifest
  readonly replica: ReplicaId
  readonly instance: InstanceId
  readonly invite?: Uint8Array | undefined
  /** Ends the attempt. */
  readonly signal: AbortSignal
  /** The operator has to decide; told again when the request changes. */
  onPending(request: PendingRequest): void
  /** The grant was widened while connected. */
  onGranted(grants: readonly string[], grantVersion: number): void
}

/** Time for the end of what is open before the connection goes. */
const closeTimeoutMs = 1_000
/** Requests expire at the daemon after `requestTtlMs`; a daemon that is silent for longer is gone. */
const pendingTimeoutMs = limits.requestTtlMs + limits.helloTimeoutMs

/**
 * Says hello and waits for the welcome, for as long as the operator needs.
 *
 * @throws what the daemon answered; `timeout` when it answers nothing; `connection-lost`
 */
export async function openLink(init: LinkInit): Promise<Link> {
  const { wire, clock, signal } = init
  const ended = new AbortController()
  const openChannel = async (protocol: string): Promise<Channel> => {
    if (ended.signal.aborted) throw ended.signal.reason
    return new Channel(await wire.openStream(protocol), { clock })
  }
  const caller = new Caller({ clock, openChannel: () => openChannel(hostProtocol.id) })
  const onClosed = (): void => ended.abort(new MooringError('connection-lost'))
  const onAbort = (): void => ended.abort(signal.reason)
  wire.closed.addEventListener('abort', onClosed, { once: true })
  signal.addEventListener('abort', onAbort, { once: true })
  if (wire.closed.aborted) onClosed()
  if (signal.aborted) onAbort()
  const { manifest, replica, instance, invite } = init
  const items = createClient(hostProtocol, caller)
    .session.hello(
      { versions: [hostVersion], manifest, replica, instance, ...(invite === undefined ? {} : { invite }) },
      { signal: ended.signal },
    )
    [Symbol.asyncIterator]()
  try {
    const welcome = await awaitWelcome(items, init, ended.signal)
    return new Link({ ...init, welcome, items, caller, ended, openChannel })
  } catch (error) {
    const reason = ended.signal.aborted ? asError(ended.signal.reason) : asError(error)
    ended.abort(reason)
    wire.abort(reason)
    throw reason
  } finally {
    // A link that was welcomed is ended by `close`, in order, and not by the end of the attempt.
    signal.removeEventListener('abort', onAbort)
  }
}

async function awaitWelcome(items: AsyncIterator<HelloItem>, init: LinkInit, ended: AbortSignal): Promise<Welcome> {
  const { clock, wire } = init
  for (let timeoutMs: number = limits.helloTimeoutMs; ; timeoutMs = pendingTimeoutMs) {
    const step = await within(items.next(), { clock, timeoutMs, what: 'the answer to hello', signal: ended })
    if (step.done === true) throw new MooringError('connection-lost', { detail: 'the daemon ended hello' })
    const item = step.value
    if (item.state === 'pending') {
      init.onPending({ code: item.code, words: item.words, expiresAtMs: item.expiresAtMs })
    } else if (item.state === 'welcome') {
      if (item.daemon !== wire.remote) {
        throw new MooringError('key-mismatch', { detail: 'the welcome names another daemon than the handshake' })
      }
      if (item.version !== hostVersion) throw new MooringError('version-mismatch', { detail: item.version })
      return item
    } else {
      throw new MooringError('malformed', { detail: 'a grant before the welcome' })
    }
  }
}

interface LinkParts extends LinkInit {
  readonly welcome: Welcome
  readonly items: AsyncIterator<HelloItem>
  readonly caller: Caller
  readonly ended: AbortController
  openChannel(protocol: string): Promise<Channel>
}

/** A welcomed connection; made by {@link openLink}. */
export class Link implements Connection {
  readonly #parts: LinkParts
  #cancelBeat: () => void = () => {}
  #isProbing = false

  constructor(parts: LinkParts) {
    this.#parts = parts
    parts.ended.signal.addEventListener('abort', () => this.#cancelBeat(), { once: true })
    void this.#readHello()
    this.#beat()
  }

  get daemon(): PeerId {
    return this.#parts.wire.remote
  }

  get self(): PeerId {
    return this.#parts.self
  }

  get replica(): ReplicaId {
    return this.#parts.replica
  }

  get welcome(): Welcome {
    return this.#parts.welcome
  }

  get signal(): AbortSignal {
    return this.#parts.ended.signal
  }

  /** The calling end; {@link createClient} makes a client of it. */
  get caller(): Caller {
    return this.#parts.caller
  }

  openChannel(protocolId: string): Promise<Channel> {
    return this.#parts.openChannel(protocolId)
  }

  /** Ends at once, unless it has ended or is being closed. */
  end(error: Error): void {
    const { ended, wire } = this.#parts
    if (ended.signal.aborted) return
    ended.abort(error)
    wire.abort(error)
  }

  /** Ends in order: the calls, then the hello, then the connection. Never throws, and takes at most 2,000 ms. */
  async close(): Promise<void> {
    const { caller, clock, ended, wire } = this.#parts
    const quietly = (work: Promise<void>, what: string): Promise<void> =>
      within(work, { clock, timeoutMs: closeTimeoutMs, what }).catch(() => {})
    this.#cancelBeat()
    await quietly(caller.close(), 'the end of the calls')
    if (!ended.signal.aborted) ended.abort(new MooringError('cancelled', { detail: 'closed on this side' }))
    await quietly(wire.close(), 'the end of the connection')
    // A late close is no reason to keep a connection: what mattered was acknowledged before.
    wire.abort(new MooringError('cancelled', { detail: 'closed on this side' }))
  }

  /** The stream of the hello lasts as long as the session: its end is the first sign that the session is over. */
  async #readHello(): Promise<void> {
    const { items, onGranted } = this.#parts
    try {
      for (;;) {
        const step = await items.next()
        if (step.done === true) throw new MooringError('connection-lost', { detail: 'the daemon ended the session' })
        if (step.value.state !== 'granted') throw new MooringError('malformed', { detail: 'a second welcome' })
        onGranted(step.value.grants, step.value.grantVersion)
      }
    } catch (error) {
      this.end(asError(error))
    }
  }

  #beat(): void {
    const { caller, clock, wire } = this.#parts
    const sentAtMs = clock.monotonicMs()
    const sentAtWallMs = clock.nowMs()
    caller.beat().catch((error) => this.end(asError(error)))
    if (!wire.noticesSilence) this.#probe()
    this.#cancelBeat = clock.after(limits.beatEveryMs, () => {
      // A process that was stopped, or a machine that slept, is no longer known at the daemon, and the transport may
      // need seconds to find out. Some clocks stand still meanwhile, so both are looked at.
      const silentMs = Math.max(clock.monotonicMs() - sentAtMs, clock.nowMs() - sentAtWallMs)
      if (silentMs > limits.beatTimeoutMs) this.end(new MooringError('heartbeat-lost'))
      else this.#beat()
    })
  }

  /** Over a transport that waits for minutes before it calls the other side dead, an answer is asked for. */
  #probe(): void {
    if (this.#isProbing) return
    this.#isProbing = true
    const timeoutMs = limits.beatTimeoutMs - limits.beatEveryMs
    createClient(hostProtocol, this.#parts.caller)
      .daemon.echo({ text: '' }, { timeoutMs })
      .catch((error) => {
        if (error instanceof MooringError && error.code === 'timeout') this.end(new MooringError('heartbeat-lost'))
      })
      .finally(() => {
        this.#isProbing = false
      })
  }
}
