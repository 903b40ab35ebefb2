/**
 * The daemon of a simulation: the real log, views, verification and conversations, in lives that begin and end. Keeps true
 * what the composed daemon keeps: one session for each replica, nobody in a session without a grant, and a grant that
 * becomes narrower holds in memory before it is durable, one that becomes wider only after.
 */
import { type ChangeLog, type ChangeLogInit, openChangeLog } from '../../daemon/log/change-log.ts'
import { Compaction } from '../../daemon/log/compaction.ts'
import { serveSync } from '../../daemon/log/conversation.ts'
import type { ConversationInit } from '../../daemon/log/conversation-init.ts'
import { Verification } from '../../daemon/log/verification.ts'
import { Views } from '../../daemon/views/views.ts'
import {
  Channel,
  type Grant,
  type InstanceId,
  limits,
  MooringError,
  type PeerId,
  parseGrant,
  type ReplicaId,
} from '../../protocol/index.ts'
import { daemonPerson, type Person } from '../fixtures/cast.ts'
import { silentLog } from '../fixtures/sync-world.ts'
import type { ClockScope, SimClock } from './sim-clock.ts'
import { logReaders, type SimDisk } from './sim-disk.ts'
import type { SimRandom } from './sim-random.ts'
import type { SimReport } from './sim-report.ts'
import { LifeStore } from './sim-store.ts'
import type { SimEnd } from './sim-stream.ts'
import { SimViewRunner } from './sim-views.ts'

export interface GrantView {
  readonly grants: readonly Grant[]
  readonly grantVersion: number
}

/** The daemon's end of one connection. */
export interface Session {
  readonly peer: PeerId
  readonly replica: ReplicaId
  /** Of the process. */
  readonly instance: InstanceId
  readonly ended: AbortController
  /** How long nothing was heard on the connection. */
  silentMs(): number
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
  readonly #random: SimRandom
  log: ChangeLog | undefined
  verification: Verification | undefined
  compaction: Compaction | undefined
  /** The view worker that runs. */
  runner: SimViewRunner | undefined

  constructor(disk: SimDisk, clock: SimClock, report: SimReport, random: SimRandom) {
    this.clock = clock.scope()
    this.store = new LifeStore(disk, this.clock)
    this.#report = report
    this.#random = random
  }

  /** The process is gone. */
  kill(): void {
    this.clock.kill()
    this.runner?.free()
  }

  async open(people: readonly Person[], ringBytes: number): Promise<void> {
    for (const row of await this.store.peers()) {
      const grants = row.state === 'approved' ? row.grants.map(parseGrant) : []
      this.grants.set(row.peer, { grants, grantVersion: row.grantVersion })
    }
    const { store, clock } = this
    const peers = (): PeerId[] => people.map((person) => person.peer)
    const history: ChangeLogInit['history'] = (row, hashes) => views.recall(row, hashes)
    const grantOf = (peer: PeerId): GrantView | undefined => this.grants.get(peer)
    const { peer: self, seed } = daemonPerson
    const log = await openChangeLog({ storage: store, clock, self, seed, peers, grantOf, ringBytes, history })
    this.#watchRing(log)
    const read = {
      snapshot: (block: number) => store.snapshot(block),
      readLog: log.quarantine.reader((query) => store.readLog(query)),
    }
    const views = new Views({ clock, log: silentLog, read, startRunner: () => this.#startRunner() })
    this.verification = new Verification({ log, storage: store, views, clock, logger: silentLog })
    await this.verification.start()
    const { verification } = this
    this.compaction = new Compaction({ log, storage: store, verification, views, logger: silentLog, maxFoldRows: 3 })
    await this.compaction.start()
    this.log = log
  }

  /**
   * The newest connection of a process supersedes its older one.
   * @throws `revoked`, `replica-in-use` while another process with the id is connected, `replica-limit`
   */
  welcome(session: Session): void {
    if (this.log === undefined) throw new MooringError('daemon-unreachable')
    if ((this.grants.get(session.peer)?.grants.length ?? 0) === 0) throw new MooringError('revoked')
    const key = `${session.peer} ${session.replica}`
    const older = this.sessions.get(key)
    const isOther = older !== undefined && older.instance !== session.instance
    if (isOther && older.silentMs() < limits.beatTimeoutMs) throw new MooringError('replica-in-use')
    const live = [...this.sessions.values()].filter(({ peer }) => peer === session.peer).length
    if (older === undefined && live >= limits.maxLiveReplicas) throw new MooringError('replica-limit')
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
    const { log } = this
    const init: ConversationInit = {
      channel: new Channel(stream, { clock: this.clock }),
      peer: session.peer,
      replica: session.replica,
      signal: session.ended.signal,
      log: { ...silentLog, error },
      grants: () => this.grants.get(session.peer) ?? nothing,
      onPoison: (block) => {
        this.#report.count('poison reported')
        this.verification?.soon(block, 0)
      },
      onGranted: (listener) => {
        const listeners = this.#widened.get(session.peer) ?? new Set()
        this.#widened.set(session.peer, listeners.add(listener))
        return () => listeners.delete(listener)
      },
    }
    logReaders
      .run({ isBehind: false }, () => serveSync(log, init))
      .catch((cause: unknown) => this.#report.fail(`serving a stream threw: ${String(cause)}`))
  }

  /** A stream that had to read the log from the store is fed from memory again. */
  #watchRing(log: ChangeLog): void {
    const { ring } = log.watcherComponents
    const after = ring.after.bind(ring)
    ring.after = (position) => {
      const groups = after(position)
      const reader = logReaders.getStore()
      if (groups !== undefined && reader?.isBehind === true) {
        reader.isBehind = false
        this.#report.saw('re-attach')
      }
      return groups
    }
  }

  #startRunner(): SimViewRunner {
    this.runner = new SimViewRunner(this.clock, this.#random, this.#report)
    return this.runner
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
