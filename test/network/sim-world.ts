/** The parts of one simulated schedule and what can happen to them; the schedule decides what happens when. */
import * as A from '@automerge/automerge'
import { type Grant, parseGrant, schemaNamed } from '../../protocol/index.ts'
import { daemonPerson, type Person } from '../fixtures/cast.ts'
import { SimClock } from './sim-clock.ts'
import { SimConnection } from './sim-connection.ts'
import { DaemonLife } from './sim-daemon.ts'
import { StreamOracle } from './sim-oracle.ts'
import type { SimRandom } from './sim-random.ts'
import { SimReplica } from './sim-replica.ts'
import type { SimReport } from './sim-report.ts'
import { SimDisk, type StoreWeather } from './sim-store.ts'

export interface Weather {
  readonly latencyMs: readonly [number, number]
  readonly store: StoreWeather
  readonly ringBytes: number
}

export class SimWorld {
  readonly clock: SimClock
  readonly random: SimRandom
  readonly report: SimReport
  readonly weather: Weather
  readonly people: readonly Person[]
  readonly disk: SimDisk
  readonly replicas: SimReplica[] = []
  /** The life that runs; undefined between two. */
  life: DaemonLife | undefined
  isRestored = false
  /** What the operator wants each key to have. */
  readonly intended = new Map<Person, readonly string[]>()
  readonly #deciding = new Set<Person>()
  #connections = 0

  private constructor(init: {
    clock: SimClock
    random: SimRandom
    report: SimReport
    weather: Weather
    people: readonly Person[]
    disk: SimDisk
  }) {
    this.clock = init.clock
    this.random = init.random
    this.report = init.report
    this.weather = init.weather
    this.people = init.people
    this.disk = init.disk
  }

  static async create(
    random: SimRandom,
    report: SimReport,
    weather: Weather,
    people: readonly Person[],
  ): Promise<SimWorld> {
    const clock = new SimClock((error) => report.fail(`a timer threw: ${String((error as Error).stack)}`))
    report.clock = () => clock.monotonicMs()
    const disk = await SimDisk.create({
      random: random.fork('disk'),
      weather: weather.store,
      report,
      self: daemonPerson.peer,
    })
    return new SimWorld({ clock, random, report, weather, people, disk })
  }

  addReplica(person: Person, name: string): SimReplica {
    const { clock, report } = this
    const random = this.random.fork(`replica ${name}`)
    const replica = new SimReplica({ person, name, clock, random, report, dial: (from) => this.#dial(from) })
    this.replicas.push(replica)
    return replica
  }

  /** Starts the daemon over what the store holds. */
  async start(): Promise<void> {
    const life = new DaemonLife(this.disk, this.clock, this.report)
    this.life = life
    life.store.failed.addEventListener('abort', () => this.clock.after(this.random.int(0, 5), () => this.crash(life)))
    await life.open(this.people, this.weather.ringBytes)
    this.report.trace('the daemon runs')
  }

  /** The daemon's process is gone, with everything that it had in memory. */
  crash(life: DaemonLife | undefined = this.life): void {
    if (life === undefined || life.clock.isDead) return
    const isAwaited = this.replicas.some(({ blocks }) => [...blocks.values()].some(({ handle }) => handle.pending > 0))
    if (isAwaited) this.report.saw('crash with unacked')
    if (this.disk.isWritten && this.disk.running.some((entry) => entry.kind === 'change')) {
      this.report.saw('crash after commit before ack')
    }
    this.report.trace('the daemon is gone')
    life.clock.kill()
    this.life = undefined
    this.disk.running = []
    this.#deciding.clear()
    for (const { connection } of this.replicas) {
      if (connection?.life === life) connection.loseDaemon(this.random.delay(50, 6_500))
    }
  }

  get isUp(): boolean {
    return this.life?.log !== undefined
  }

  grantsOf(replica: SimReplica): Grant[] {
    return (this.intended.get(replica.person) ?? []).map(parseGrant)
  }

  /** One decision at a time for each key, as the operator makes them. */
  async decide(who: Person, texts: readonly string[], isNarrower: boolean): Promise<void> {
    const { life } = this
    if (life?.log === undefined || this.#deciding.has(who)) return
    this.#deciding.add(who)
    this.intended.set(who, texts)
    this.report.trace(`${who.name} may ${texts.length === 0 ? 'nothing' : texts.join()}`)
    await life.decide(who, texts, isNarrower).catch((error: unknown) => {
      if (!life.clock.isDead && !life.store.failed.aborted) this.report.fail(`a decision failed: ${String(error)}`)
    })
    this.#deciding.delete(who)
  }

  /** Makes true again what a crash or an older copy of the store has undone. */
  async decideAsIntended(): Promise<void> {
    for (const [who, texts] of this.intended) {
      const row = (await this.disk.inner.peers()).find(({ peer }) => peer === who.peer)
      if (row?.grants.join() !== texts.join()) await this.decide(who, texts, false)
    }
  }

  /** Stores a snapshot of a block, as the daemon's view of it would. */
  async makeSnapshot(): Promise<void> {
    const { life } = this
    const rows = life?.log?.index.live() ?? []
    if (life?.log === undefined || rows.length === 0) return
    const row = this.random.pick(rows)
    const until = life.log.published
    const page = await this.disk.inner.readLog({ after: 0, until, block: row.id, maxBytes: Number.MAX_SAFE_INTEGER })
    const initial = A.load(schemaNamed(row.schema).initial.bytes, { actor: 'ab'.repeat(16) })
    const [doc] = A.applyChanges(
      initial,
      page.rows.map((each) => each.bytes),
    )
    const snapshot = {
      block: row.id,
      seq: until,
      changes: page.rows.length,
      heads: A.getHeads(doc),
      bytes: A.save(doc),
    }
    A.free(doc)
    await life.store.putSnapshot({ ...snapshot, heads: snapshot.heads as never }).catch((error: unknown) => {
      // A store that has failed takes nothing more, and the daemon is about to end.
      if (!life.store.failed.aborted) throw error
    })
  }

  async #dial(replica: SimReplica): Promise<SimConnection | undefined> {
    await this.clock.wait(this.#latency())
    const { life } = this
    if (life?.log === undefined) return undefined
    const { person, name, id, facts } = replica
    const index = life.log.index
    const daemon = {
      isDurable: (address: string, hash: string) => this.disk.holds(index.at(address as never)?.id ?? 0, hash),
      isRunning: (hash: string) => this.disk.running.some((entry) => entry.kind === 'change' && entry.hash === hash),
    }
    const isAside = (address: string, hash: string): boolean =>
      [...replica.blocks.values()].some((block) => block.address === address && block.aside.has(hash))
    const connection = new SimConnection({
      name,
      peer: person.peer,
      replica: id,
      life,
      clock: this.clock,
      random: this.random.fork(`connection ${this.#connections++}`),
      report: this.report,
      latencyMs: this.weather.latencyMs,
      oracle: () => new StreamOracle({ name, facts, daemon, report: this.report, isAside }),
    })
    try {
      life.welcome(connection.session)
    } catch {
      return undefined
    }
    if (this.disk.running.some(({ kind, origin }) => kind === 'change' && origin.replica === id)) {
      this.report.saw('reconnect during commit')
    }
    await this.clock.wait(this.#latency())
    if (life.clock.isDead) connection.loseDaemon(this.#latency())
    return connection
  }

  #latency(): number {
    return this.random.delay(...this.weather.latencyMs)
  }
}
