/**
 * The daemon of a simulation: the real log and the real conversations, in lives that begin and end. Keeps true what the
 * composed daemon keeps: one session for each replica, nobody in a session without a grant, and a grant that becomes
 * narrower holds in memory before it is durable, one that becomes wider only after.
 */
import { type ChangeLog, openChangeLog } from '../../daemon/log/change-log.ts'
import { serveSync } from '../../daemon/log/conversation.ts'
import { Channel, type Grant, MooringError, type PeerId, parseGrant, type ReplicaId } from '../../protocol/index.ts'
import { daemonPerson, type Person } from '../fixtures/cast.ts'
import { recallFrom } from '../fixtures/recall.ts'
import type { ClockScope, SimClock } from './sim-clock.ts'
import type { SimReport } from './sim-report.ts'
import { LifeStore, type SimDisk } from './sim-store.ts'
import type { SimEnd } from './sim-stream.ts'

export interface GrantView {
  readonly grants: readonly Grant[]
  readonly grantVersion: number
}

/** The daemon's end of one connection. */
export interface Session {
  readonly peer: PeerId
  readonly replica: ReplicaId
  readonly ended: AbortController
  /** Ends every stream of the connection from the daemon's side. */
  reset(): void
}

const nothing: GrantView = { grants: [], grantVersion: 0 }

export class DaemonLife {
  readonly clock: ClockScope
  readonly store: LifeStore
  readonly sessions = new Map<string, Session>()
  readonly grants = new Map<PeerId, GrantView>()
  readonly #widened = new Map<PeerId, Set<() => void>>()
  readonly #report: SimReport
  log: ChangeLog | undefined

  constructor(disk: SimDisk, clock: SimClock, report: SimReport) {
    this.clock = clock.scope()
    this.store = new LifeStore(disk, this.clock)
    this.#report = report
  }

  async open(people: readonly Person[], ringBytes: number): Promise<void> {
    for (const row of await this.store.peers()) {
      const grants = row.state === 'approved' ? row.grants.map(parseGrant) : []
      this.grants.set(row.peer, { grants, grantVersion: row.grantVersion })
    }
    const { store, clock } = this
    const peers = (): PeerId[] => people.map((person) => person.peer)
    const history = recallFrom(store)
    this.log = await openChangeLog({ storage: store, clock, self: daemonPerson.peer, peers, ringBytes, history })
  }

  /** The newest connection of a replica supersedes the older one. @throws `revoked` */
  welcome(session: Session): void {
    if (this.log === undefined) throw new MooringError('daemon-unreachable')
    if ((this.grants.get(session.peer)?.grants.length ?? 0) === 0) throw new MooringError('revoked')
    const key = `${session.peer} ${session.replica}`
    const older = this.sessions.get(key)
    if (older !== undefined && !older.ended.signal.aborted) {
      this.#report.saw('superseded while alive')
      this.end(older)
    }
    this.sessions.set(key, session)
  }

  end(session: Session): void {
    if (session.ended.signal.aborted) return
    session.ended.abort(new MooringError('superseded'))
    session.reset()
    const key = `${session.peer} ${session.replica}`
    if (this.sessions.get(key) === session) this.sessions.delete(key)
  }

  serve(session: Session, stream: SimEnd): void {
    if (this.log === undefined || session.ended.signal.aborted) {
      stream.abort(new MooringError('connection-lost'))
      return
    }
    const error = (fields: object, message: string): void => {
      // Nobody listens to a process that is gone.
      if (!this.clock.isDead) this.#report.fail(`the daemon logged: ${message}: ${reasonOf(fields)}`)
    }
    const quiet = (): void => {}
    void serveSync(this.log, {
      channel: new Channel(stream, { clock: this.clock }),
      peer: session.peer,
      replica: session.replica,
      signal: session.ended.signal,
      log: { trace: quiet, debug: quiet, info: quiet, warn: quiet, error },
      grants: () => this.grants.get(session.peer) ?? nothing,
      onPoison: () => this.#report.fail('a replica could not take a change'),
      onGranted: (listener) => {
        const listeners = this.#widened.get(session.peer) ?? new Set()
        this.#widened.set(session.peer, listeners.add(listener))
        return () => listeners.delete(listener)
      },
    }).catch((cause: unknown) => this.#report.fail(`serving a stream threw: ${String(cause)}`))
  }

  /** Another grant for a key; an empty one revokes. Resolves when it is durable and holds. */
  async decide(who: Person, texts: readonly string[], isNarrower: boolean): Promise<void> {
    const before = (await this.store.peers()).find((row) => row.peer === who.peer)?.grantVersion ?? 0
    const view = { grants: texts.map(parseGrant), grantVersion: before + 1 }
    if (isNarrower) {
      this.grants.set(who.peer, view)
      for (const session of [...this.sessions.values()]) if (session.peer === who.peer) this.end(session)
    }
    const row = {
      peer: who.peer,
      name: who.name,
      state: texts.length === 0 ? ('revoked' as const) : ('approved' as const),
      grantVersion: view.grantVersion,
      grants: [...texts],
      asked: [...texts],
      manifest: {},
      decidedAtMs: this.clock.nowMs(),
    }
    await this.store.decide({ atMs: this.clock.nowMs(), peer: { expectGrantVersion: before, row } })
    this.grants.set(who.peer, view)
    if (!isNarrower) for (const listener of this.#widened.get(who.peer) ?? []) listener()
  }
}

function reasonOf(fields: object): string {
  const error = (fields as { err?: unknown }).err
  if (!(error instanceof Error)) return JSON.stringify(fields)
  return error.cause instanceof Error ? `${error.stack} from ${error.cause.stack}` : String(error.stack)
}
