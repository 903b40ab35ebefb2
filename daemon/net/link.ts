/**
 * One connection of one plugin, from the moment its key is known, and the session it becomes once welcomed. Keeps true:
 * identity is the connection's and never changes, a link ends once, and what ends it is known to everyone who asks.
 */
import {
  type Channel,
  type Clock,
  type ErrorCode,
  type Grant,
  type InstanceId,
  MooringError,
  type PeerId,
  type ReplicaId,
  type SessionId,
} from '../../protocol/index.ts'

export type LinkState = 'lobby' | 'welcomed' | 'ended'

export interface LinkInit {
  readonly id: string
  readonly peer: PeerId
  /** Multiaddr of the other side without its peer id, as shown to the operator. */
  readonly from: string
  readonly clock: Clock
  /** Resets the connection and every stream on it, at once. */
  abort(error: Error): void
  /** Told once, when the link ends, before any signal fires. */
  onEnd(link: Link): void
  /** Told once, when its connection is reset: at the end, or after the time to be told of it. */
  onReset(link: Link): void
}

/** What {@link Links} and the node do to a link; nobody else. */
export interface LinkControl {
  /** The link leaves the lobby: any stream may be opened from now on. */
  welcome(session: Session): void
  /** Counts a stream's channel as part of the link until it ends. */
  attach(channel: Channel): void
  /** Whether a stream may be the hello stream of an unwelcomed link: true once. */
  takeHelloStream(): boolean
  /** Counts a refused stream; true when it was one too many. */
  countRefusal(): boolean
}

/** Streams an unwelcomed link may open in vain. A plugin that does as it is told opens none. */
const maxRefusals = 16
const flushMs = 500

export class Link {
  readonly id: string
  readonly peer: PeerId
  readonly from: string
  readonly control: LinkControl
  readonly #init: LinkInit
  readonly #ended = new AbortController()
  readonly #channels = new Set<Channel>()
  #session: Session | undefined
  #reason: MooringError | undefined
  #isAborted = false
  #hasHelloStream = false
  #refusals = 0

  constructor(init: LinkInit) {
    this.#init = init
    this.id = init.id
    this.peer = init.peer
    this.from = init.from
    this.control = {
      welcome: (session) => {
        this.#session = session
      },
      attach: (channel) => this.#attach(channel),
      takeHelloStream: () => {
        const isFirst = !this.#hasHelloStream
        this.#hasHelloStream = true
        return isFirst
      },
      countRefusal: () => ++this.#refusals > maxRefusals,
    }
  }

  get state(): LinkState {
    if (this.#reason !== undefined) return 'ended'
    return this.#session === undefined ? 'lobby' : 'welcomed'
  }

  /** Set from the welcome on; stays set after the end. */
  get session(): Session | undefined {
    return this.#session
  }

  /** Aborts when the link ends; its reason is the {@link MooringError} that {@link Link.reason} is. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  /** Why it ended. */
  get reason(): MooringError | undefined {
    return this.#reason
  }

  /** Ends it now: every stream is reset before this returns, so nothing that is still buffered has an effect. */
  end(reason: ErrorCode | MooringError): void {
    this.#begin(reason)
    this.#abort()
  }

  /**
   * Ends it for everyone on this side now, and resets the connection when its streams have ended by themselves, at the
   * latest after `ms`: time for whoever waits on {@link Link.signal} to answer with the reason. Never rejects.
   *
   * @default ms 500
   */
  async endAfterFlush(reason: ErrorCode | MooringError, ms = flushMs): Promise<void> {
    this.#begin(reason)
    if (this.#isAborted) return
    await new Promise<void>((resolve) => {
      const cancel = this.#init.clock.after(ms, resolve)
      const check = (): void => {
        if (this.#channels.size > 0) return
        cancel()
        resolve()
      }
      for (const channel of this.#channels) channel.ended.addEventListener('abort', check, { once: true })
      check()
    })
    this.#abort()
  }

  #begin(reason: ErrorCode | MooringError): void {
    if (this.#reason !== undefined) return
    this.#reason = typeof reason === 'string' ? new MooringError(reason) : reason
    this.#init.onEnd(this)
    this.#ended.abort(this.#reason)
  }

  #abort(): void {
    if (this.#isAborted || this.#reason === undefined) return
    this.#isAborted = true
    for (const channel of [...this.#channels]) channel.abort(this.#reason)
    // Told before, since the reset may run its listeners at once and they look for what is left of the peer.
    this.#init.onReset(this)
    this.#init.abort(this.#reason)
  }

  #attach(channel: Channel): void {
    if (channel.ended.aborted) return
    this.#channels.add(channel)
    // Registered first, so that whoever waits for the flush finds the set up to date.
    channel.ended.addEventListener('abort', () => this.#channels.delete(channel), { once: true })
  }
}

/** What a peer may do now. */
export interface GrantView {
  readonly grants: readonly Grant[]
  readonly grantVersion: number
}

export interface SessionInit {
  readonly id: SessionId
  readonly replica: ReplicaId
  readonly instance: InstanceId
  /** The name the operator's side knows the plugin by. */
  readonly name: string
  /** Version of the plugin, from its manifest. */
  readonly version: string
  readonly link: Link
  readonly clock: Clock
  /** Asked at every use: a grant that was narrowed or taken holds from that moment. */
  grant(): GrantView | undefined
}

/** A welcomed connection of one replica. */
export class Session {
  readonly id: SessionId
  readonly peer: PeerId
  readonly replica: ReplicaId
  readonly instance: InstanceId
  readonly name: string
  readonly version: string
  readonly link: Link
  /** Monotonic milliseconds of the clock at the welcome. */
  readonly sinceMs: number
  readonly #init: SessionInit
  #lastBeatMs: number

  constructor(init: SessionInit) {
    this.#init = init
    this.id = init.id
    this.peer = init.link.peer
    this.replica = init.replica
    this.instance = init.instance
    this.name = init.name
    this.version = init.version
    this.link = init.link
    this.sinceMs = init.clock.monotonicMs()
    this.#lastBeatMs = this.sinceMs
  }

  /** What the peer may do at this moment; empty once it is not approved any more. */
  get grants(): readonly Grant[] {
    return this.#init.grant()?.grants ?? []
  }

  /** 0 once the peer is not approved any more. */
  get grantVersion(): number {
    return this.#init.grant()?.grantVersion ?? 0
  }

  get signal(): AbortSignal {
    return this.link.signal
  }

  /** Milliseconds since the plugin's last sign of life, the welcome included. */
  get silentMs(): number {
    return this.#init.clock.monotonicMs() - this.#lastBeatMs
  }

  /** A sign of life of the plugin. */
  beat(): void {
    this.#lastBeatMs = this.#init.clock.monotonicMs()
  }
}
