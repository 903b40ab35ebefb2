/** The parts of one simulated schedule and what can happen to them; the schedule decides what happens when. */
import {
  asError,
  type Grant,
  type InstanceId,
  MooringError,
  parseAddress,
  parseGrant,
  type ReplicaId,
  schemaNamed,
} from '../../protocol/index.ts'
import { daemonPerson, type Person } from '../fixtures/cast.ts'
import type { Schema } from './sim-author.ts'
import { type ClockScope, SimClock } from './sim-clock.ts'
import { SimConnection } from './sim-connection.ts'
import { DaemonLife } from './sim-daemon.ts'
import { SimDisk, type StoreWeather } from './sim-disk.ts'
import { type HomeImage, SimHome } from './sim-home.ts'
import { keyOf, type ReplicaFacts, StreamOracle } from './sim-oracle.ts'
import type { Address, SimProcess } from './sim-process.ts'
import type { SimRandom } from './sim-random.ts'
import { SimReplica } from './sim-replica.ts'
import type { SimReport } from './sim-report.ts'

export const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
export const readOnly = ['blocks:read:space:home/*']

export interface Weather {
  readonly latencyMs: readonly [number, number]
  readonly store: StoreWeather
  readonly ringBytes: number
  /** Usual and worst time of a transaction on the disk of a plugin. */
  readonly homeMs: readonly [number, number]
}

/** Who dials. */
export interface Caller {
  readonly person: Person
  readonly name: string
  readonly id: ReplicaId
  readonly instance: InstanceId
  readonly clock: ClockScope
  readonly facts: ReplicaFacts
  readonly isHostile: boolean
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
  /** What was acknowledged of a block when the operator deleted it, by address and hash: a restored store need not have it. */
  readonly deletedChanges = new Set<string>()
  /** What the operator wants each key to have. */
  readonly intended = new Map<Person, readonly string[]>()
  readonly #deleted = new Set<Address>()
  readonly #deciding = new Set<Person>()
  #connections = 0
  #lives = 0

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
    this.disk.onFolded = () => {
      if (this.replicas.some((replica) => replica.isCatchingUp)) this.report.saw('compaction during sync')
    }
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

  /** @param image the disk that it begins with; `empty`, or `none` for a plugin that keeps nothing */
  addReplica(person: Person, name: string, image: HomeImage | 'empty' | 'none', facts?: ReplicaFacts): SimReplica {
    const { clock, report } = this
    const random = this.random.fork(`replica ${name}`)
    const disk = { random: random.fork('disk'), report, writeMs: this.weather.homeMs }
    const home = image === 'none' ? undefined : new SimHome(disk, image === 'empty' ? undefined : image)
    const dial = (from: SimReplica, process: SimProcess): Promise<SimConnection | MooringError> => {
      const { person: who, id, facts: known } = from
      const { instance, clock: scope } = process
      return this.dial({ person: who, name, id, instance, clock: scope, facts: known, isHostile: false })
    }
    const replica = new SimReplica({ person, name, clock, random, report, home, dial, ...(facts && { facts }) })
    this.replicas.push(replica)
    return replica
  }

  /** Starts the daemon over what the store holds. */
  async start(): Promise<void> {
    const life = new DaemonLife(this.disk, this.clock, this.report, this.random.fork(`views ${this.#lives++}`))
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
    life.kill()
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

  /** Folds all there is of a block, as the daemon does by itself once it is worth it. */
  async compact(): Promise<void> {
    const { life } = this
    const rows = life?.log?.index.live() ?? []
    if (life?.compaction === undefined || rows.length === 0) return
    try {
      const { changes, id, address } = this.random.pick(rows)
      if (changes === 0) return
      this.report.trace(`${address} is compacted`)
      await life.compaction.compact(id)
    } catch (error) {
      // A store that has failed takes nothing more, a view may fail, and the block may have gone.
      const code = error instanceof MooringError ? error.code : 'internal'
      const isExpected = ['view-failed', 'block-not-found', 'storage-full'].includes(code)
      if (!life.store.failed.aborted && !isExpected) throw error
    }
  }

  /** Deletes a block, or makes a new one where one was deleted. */
  async deleteOrCreate(address: Address, schema: Schema): Promise<void> {
    const { life } = this
    if (life?.log === undefined) return
    const origin = { peer: daemonPerson.peer, replica: '0'.repeat(32) as ReplicaId }
    const { scope, label, address: parsed } = parseAddress(address)
    const row = life.log.index.at(parsed)
    try {
      if (row !== undefined) {
        this.report.trace(`${address} is deleted`)
        const ofBlock = this.replicas.flatMap(({ facts }) => [...facts.acked])
        for (const [known, change] of ofBlock) if (change.address === address) this.deletedChanges.add(known)
        const { committer } = life.log.watcherComponents
        const [outcome] = await committer.submit([{ kind: 'delete', block: row.id, origin, grantVersion: 0 }])
        if (outcome?.kind === 'stored') {
          this.report.saw('deleted')
          // Also what was on its way then and came before: it is acknowledged by now, or soon.
          for (const hash of this.disk.storedAt(address)) this.deletedChanges.add(keyOf(address, hash))
        }
      } else if (this.#deleted.has(address)) {
        const block = await life.log.create({
          origin,
          grantVersion: 0,
          scope,
          label,
          meta: {},
          schema: schemaNamed(schema),
        })
        if (block.generation > 1) this.report.count('created again')
      }
      this.#deleted.add(address)
    } catch (error) {
      const code = error instanceof MooringError ? error.code : 'internal'
      if (!['storage-full', 'storage-failed', 'address-taken'].includes(code)) throw error
    }
  }

  /** The operator releases what is set aside and lets everyone write again. */
  async release(isAll: boolean): Promise<void> {
    const { life } = this
    if (life?.log === undefined) return
    const { log } = life
    try {
      const rows = isAll ? [] : log.quarantine.rows()
      const row = rows.length === 0 ? undefined : this.random.pick(rows)
      if (row !== undefined) {
        this.report.saw('release')
        this.report.trace(`the operator releases ${row.hash.slice(0, 8)}`)
        await log.release(row.block, row.hash)
        life.verification?.next(row.block)
      }
      for (const { peer } of log.quarantine.suspensions()) await log.unsuspend(peer)
    } catch (error) {
      const code = asError(error) instanceof MooringError ? (error as MooringError).code : ''
      if (!['block-deleted', 'change-not-found', 'storage-full', 'storage-failed'].includes(code)) throw error
    }
  }

  /** Connects a process. An error when the daemon cannot be reached or refuses. */
  async dial(caller: Caller): Promise<SimConnection | MooringError> {
    await this.clock.wait(this.#latency())
    const { life } = this
    if (life?.log === undefined) return new MooringError('daemon-unreachable')
    const { person, name, id, instance, facts, clock: pluginClock, isHostile } = caller
    const daemon = {
      isDurable: (address: string, hash: string) => this.disk.holds(address, hash),
      isFrom: (replica: string, address: string, hash: string) => this.disk.isFrom(replica, address, hash),
      isRunning: (hash: string) => this.disk.running.some((entry) => entry.kind === 'change' && entry.hash === hash),
    }
    const connection = new SimConnection({
      name,
      peer: person.peer,
      replica: id,
      instance,
      pluginClock,
      life,
      clock: this.clock,
      random: this.random.fork(`connection ${this.#connections++}`),
      report: this.report,
      latencyMs: this.weather.latencyMs,
      oracle: () => new StreamOracle({ name, replica: id, facts, daemon, report: this.report, isHostile }),
    })
    try {
      life.welcome(connection.session)
    } catch (error) {
      return error as MooringError
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
