/**
 * All connections, and which of them are sessions. Keeps true: one live session per (peer, replica), a bounded number of
 * connections per key whether approved or not, nobody in a session who is not approved at that moment, and after `cut`
 * returns no stream of that peer exists.
 */
import {
  type Clock,
  type ErrorCode,
  type InstanceId,
  limits,
  MooringError,
  type PeerId,
  type ReplicaId,
  type SessionId,
} from '../../protocol/index.ts'
import type { Logger } from '../log.ts'
import { type Eviction, Lobby, type LobbyLimits } from './gate.ts'
import { type GrantView, Link, Session } from './link.ts'

export type Standing = 'unknown' | 'pending' | 'approved' | 'denied' | 'revoked'

/** What is known of a key, in memory: asked on every connection and stream, so it never waits. */
export interface StandingView {
  standing(peer: PeerId): Standing
  /** Undefined unless the peer is approved. */
  grantOf(peer: PeerId): GrantView | undefined
}

export interface LinksInit {
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
  readonly approvals: StandingView
  readonly log: Logger
  readonly lobby?: Partial<LobbyLimits>
}

/** A connection whose key is proven. */
export interface OpenInit {
  readonly peer: PeerId
  /** Multiaddr of the other side without its peer id. */
  readonly from: string
  /** Its IP address. */
  readonly host: string
  abort(error: Error): void
}

export interface WelcomeInit {
  readonly replica: ReplicaId
  readonly instance: InstanceId
  readonly name: string
  readonly version: string
}

const standingCodes: Record<Standing, ErrorCode> = {
  unknown: 'hello-required',
  pending: 'approval-pending',
  approved: 'hello-required',
  denied: 'approval-denied',
  revoked: 'revoked',
}

/** A silent session gets this much more: a daemon that was itself suspended reads the beats that arrived meanwhile. */
const graceMs = 250
/** A request that the operator did not decide ends by itself; this only catches a connection that was forgotten. */
const parkedMs = limits.requestTtlMs + limits.helloTimeoutMs

export class Links {
  readonly #init: LinksInit
  readonly #lobby: Lobby
  /** Every link whose connection exists: one that has ended stays until its connection is reset. */
  readonly #links = new Map<string, Link>()
  readonly #timers = new Map<Link, () => void>()
  readonly #welcomeListeners = new Set<(session: Session) => void>()
  readonly #endListeners = new Set<(link: Link) => void>()
  #stopping: Promise<void> | undefined

  constructor(init: LinksInit) {
    this.#init = init
    this.#lobby = new Lobby(init.lobby)
  }

  /** False once the daemon stops: nothing is let in any more. */
  get isOpen(): boolean {
    return this.#stopping === undefined
  }

  get lobbySize(): Lobby['size'] {
    return this.#lobby.size
  }

  /** Takes a connection in. It has `limits.helloTimeoutMs` to be welcomed or parked. */
  open(init: OpenInit): Link {
    const link = new Link({
      id: this.#newId(),
      peer: init.peer,
      from: init.from,
      clock: this.#init.clock,
      abort: init.abort,
      onEnd: (ended) => this.#onEnd(ended),
      onReset: (ended) => this.#links.delete(ended.id),
    })
    this.#links.set(link.id, link)
    if (!this.isOpen) {
      link.end('daemon-stopping')
      return link
    }
    this.#endAfter(link, limits.helloTimeoutMs, 'hello-required')
    if (this.#init.approvals.standing(init.peer) === 'approved') this.#boundUnwelcomed(link)
    else this.#evict(this.#lobby.admit(link.id, init.peer, init.host))
    return link
  }

  /** A link said hello: it gives its room among those that have not to the next one. */
  hear(link: Link): void {
    this.#lobby.hear(link.id)
  }

  /** The hello of a link became a request that waits for the operator. */
  park(link: Link): void {
    if (link.state !== 'lobby') return
    this.#endAfter(link, parkedMs, 'request-expired')
    this.#evict(this.#lobby.park(link.id))
  }

  /**
   * Makes a link a session. The same replica of the same process again takes over from its older connection.
   *
   * @throws `wrong-state` for a second hello, the reason of a link that has ended, the code of a standing other than
   * approved, `replica-in-use` when another process with this replica id is alive, `replica-limit`
   */
  welcome(link: Link, init: WelcomeInit): Session {
    if (link.reason !== undefined) throw link.reason
    if (link.state !== 'lobby') throw new MooringError('wrong-state', { detail: 'this connection was welcomed before' })
    const { approvals, clock } = this.#init
    if (approvals.standing(link.peer) !== 'approved') throw new MooringError(this.codeOf(link.peer))
    const live = this.live(link.peer)
    const older = live.find((session) => session.replica === init.replica)
    if (older !== undefined && older.instance !== init.instance && older.silentMs < limits.beatTimeoutMs) {
      throw new MooringError('replica-in-use')
    }
    if (older === undefined && live.length >= limits.maxLiveReplicas) {
      // Those of processes that crashed count as alive until their silence is noticed.
      throw new MooringError('replica-limit', {
        detail: `${limits.maxLiveReplicas} are connected`,
        retryAfterMs: limits.beatTimeoutMs,
      })
    }
    const session = new Session({
      ...init,
      id: this.#newId() as SessionId,
      link,
      clock,
      grant: () => approvals.grantOf(link.peer),
    })
    this.#lobby.leave(link.id)
    // Before the older one ends, so that whoever is told of its end already finds the newer.
    link.control.welcome(session)
    this.#watchBeats(session, limits.beatTimeoutMs, false)
    void older?.link.endAfterFlush(older.instance === init.instance ? 'superseded' : 'heartbeat-lost')
    this.#tell(this.#welcomeListeners, session)
    return session
  }

  /** Resets every connection of a peer before it returns. */
  cut(peer: PeerId, code: ErrorCode): void {
    for (const link of [...this.#links.values()]) if (link.peer === peer) link.end(code)
  }

  /** The sessions that are live, oldest connection first. */
  live(peer?: PeerId): Session[] {
    const sessions: Session[] = []
    for (const link of this.#links.values()) {
      const { session } = link
      if (session !== undefined && link.state === 'welcomed' && (peer === undefined || link.peer === peer)) {
        sessions.push(session)
      }
    }
    return sessions
  }

  /** Whether any connection of the peer is left. */
  has(peer: PeerId): boolean {
    for (const link of this.#links.values()) if (link.peer === peer) return true
    return false
  }

  /** What an unwelcomed peer is told when it uses anything but hello. */
  codeOf(peer: PeerId): ErrorCode {
    return standingCodes[this.#init.approvals.standing(peer)]
  }

  /** Told of each new session. Returns what takes the listener off. */
  onWelcome(listener: (session: Session) => void): () => void {
    this.#welcomeListeners.add(listener)
    return () => this.#welcomeListeners.delete(listener)
  }

  /** Told of each link that ended, welcomed or not, before its signal fires. Returns what takes the listener off. */
  onEnd(listener: (link: Link) => void): () => void {
    this.#endListeners.add(listener)
    return () => this.#endListeners.delete(listener)
  }

  /** Lets nobody in any more and ends every link, with time to be told. Never rejects; later calls share the promise. */
  stop(): Promise<void> {
    this.#stopping ??= Promise.all([...this.#links.values()].map((link) => link.endAfterFlush('daemon-stopping'))).then(
      () => {},
    )
    return this.#stopping
  }

  #onEnd(link: Link): void {
    this.#lobby.leave(link.id)
    this.#timers.get(link)?.()
    this.#timers.delete(link)
    this.#init.log.debug({ peer: link.peer, from: link.from, code: link.reason?.code }, 'a connection ended')
    this.#tell(this.#endListeners, link)
  }

  /** An approved key is not in the lobby, yet it must not collect connections on which it never says hello. */
  #boundUnwelcomed(newest: Link): void {
    const waiting = [...this.#links.values()].filter((link) => link.peer === newest.peer && link.state === 'lobby')
    const excess = waiting.length - limits.maxLiveReplicas
    for (const link of waiting.slice(0, Math.max(0, excess))) link.end('superseded')
  }

  #evict(evictions: readonly Eviction[]): void {
    for (const { connection, code, retryAfterMs } of evictions) {
      const retry = retryAfterMs === undefined ? {} : { retryAfterMs }
      void this.#links.get(connection)?.endAfterFlush(new MooringError(code, retry))
    }
  }

  #endAfter(link: Link, ms: number, code: ErrorCode): void {
    this.#timers.get(link)?.()
    this.#timers.set(
      link,
      this.#init.clock.after(ms, () => void link.endAfterFlush(code)),
    )
  }

  #watchBeats(session: Session, ms: number, isGrace: boolean): void {
    const { link } = session
    this.#timers.get(link)?.()
    this.#timers.set(
      link,
      this.#init.clock.after(ms, () => {
        const leftMs = limits.beatTimeoutMs - session.silentMs
        if (leftMs > 0) this.#watchBeats(session, leftMs, false)
        else if (!isGrace) this.#watchBeats(session, graceMs, true)
        else void link.endAfterFlush('heartbeat-lost')
      }),
    )
  }

  #tell<Value>(listeners: ReadonlySet<(value: Value) => void>, value: Value): void {
    for (const listener of [...listeners]) {
      // One listener that throws must not keep the others from hearing of an end, nor stop a cut half-way.
      try {
        listener(value)
      } catch (error) {
        this.#init.log.error({ err: error }, 'a listener of connections failed')
      }
    }
  }

  #newId(): string {
    return Buffer.from(this.#init.random(16)).toString('hex')
  }
}
