/**
 * One installation of a simulated plugin: a disk, one process after the other on it, and a connection that comes and goes.
 * Keeps what the runtime of the SDK keeps: the newest connection is the one that counts, and an id that another process
 * uses is given up.
 */
import { asError, MooringError, type ReplicaId } from '../../protocol/index.ts'
import { daemonPerson, type Person } from '../fixtures/cast.ts'
import type { Schema } from './sim-author.ts'
import type { SimClock } from './sim-clock.ts'
import type { SimConnection } from './sim-connection.ts'
import type { HomeImage, SimHome } from './sim-home.ts'
import { LifeFacts, ReplicaFacts } from './sim-oracle.ts'
import { type Address, idFrom, type OpenBlock, SimProcess } from './sim-process.ts'
import type { SimRandom } from './sim-random.ts'
import type { SimReport } from './sim-report.ts'

export interface ReplicaInit {
  readonly person: Person
  readonly name: string
  readonly clock: SimClock
  readonly random: SimRandom
  readonly report: SimReport
  /** Undefined for a plugin that keeps nothing: its process never ends. */
  readonly home: SimHome | undefined
  readonly facts?: ReplicaFacts
  /** Tries to connect; an error when the daemon cannot be reached or refuses. */
  dial(replica: SimReplica, process: SimProcess): Promise<SimConnection | MooringError>
}

const none: ReadonlyMap<Address, OpenBlock> = new Map()

export class SimReplica {
  readonly person: Person
  readonly name: string
  readonly home: SimHome | undefined
  readonly facts: ReplicaFacts
  id: ReplicaId
  /** Undefined between two processes. */
  process: SimProcess | undefined
  connection: SimConnection | undefined
  readonly #init: ReplicaInit
  /** What its author works on, in whichever process. */
  readonly #wanted = new Map<Address, Schema>()
  readonly #later = new Set<Address>()
  readonly #ended: { readonly process: SimProcess; readonly connection: SimConnection | undefined }[] = []
  #scope: ReturnType<SimClock['scope']> | undefined
  #wantsOnline = false
  #isDialling = false
  #lives = 0

  constructor(init: ReplicaInit) {
    this.#init = init
    this.person = init.person
    this.name = init.name
    this.home = init.home
    this.facts = init.facts ?? new ReplicaFacts()
    this.id = idFrom(init.random)
  }

  get isConnected(): boolean {
    return this.connection !== undefined && !this.connection.signal.aborted
  }

  /** Whether something that it missed is on its way to it. */
  get isCatchingUp(): boolean {
    return this.isConnected && [...this.blocks.values()].some(({ handle }) => handle.state === 'catching-up')
  }

  get blocks(): ReadonlyMap<Address, OpenBlock> {
    return this.process?.blocks ?? none
  }

  /** Whether there is a process, up or on its way. */
  get isStarted(): boolean {
    return this.#scope !== undefined
  }

  async start(): Promise<void> {
    if (this.isStarted) return
    const { clock, person, name, home, random, report } = this.#init
    const scope = clock.scope()
    this.#scope = scope
    const process = await SimProcess.start({
      drawn: this.facts.drawn,
      person,
      name,
      home,
      facts: this.facts,
      clock: scope,
      random: random.fork(`process ${this.#lives++}`),
      report,
      onShortfall: () => this.#shortfall(),
    })
    if (scope.isDead) return
    this.facts.life = new LifeFacts(process.untold)
    this.id = process.memory.replica ?? this.id
    this.process = process
    this.#dialSoon(0)
    for (const [address, schema] of this.#wanted) {
      if (!this.#later.has(address)) await process.open(address, schema)
    }
  }

  /** @param isLater not before the end, when everyone opens everything to compare it */
  open(address: Address, schema: Schema, isLater = false): void {
    this.#wanted.set(address, schema)
    if (isLater) this.#later.add(address)
    else this.#later.delete(address)
    if (!isLater)
      this.process
        ?.open(address, schema)
        .catch((error) => this.#init.report.fail(`${this.name}: ${asError(error).stack}`))
  }

  /** Opens whatever its author works on and has not opened in this process. */
  openAgain(): void {
    for (const [address, schema] of this.#wanted) this.open(address, schema)
  }

  /** The process is killed. What it had not written down is gone. */
  crash(daemonNoticesMs: number): void {
    if (!this.isStarted) return
    this.#init.report.trace(`${this.name} crashes`)
    this.#scope?.kill()
    this.connection?.losePlugin(daemonNoticesMs)
    this.#over()
  }

  /** The process ends in order, however long that takes. */
  async stop(): Promise<void> {
    const { process } = this
    const scope = this.#scope
    if (process === undefined) return
    this.#init.report.trace(`${this.name} stops`)
    try {
      await process.memory.beforeStop()
    } catch (error) {
      // What could not be saved is lost with the process, as its author was told.
      const code = error instanceof MooringError ? error.code : 'internal'
      if (!['storage-full', 'storage-failed'].includes(code)) throw error
    }
    if (this.process !== process) return
    const { connection } = this
    this.#ended.push({ process, connection })
    this.process = undefined
    await process.memory.stop()
    if (this.#scope !== scope) return
    connection?.leave()
    scope?.kill()
    this.#over()
  }

  /** The disk as a copy that another installation begins with. */
  image(isMoved: boolean): HomeImage | undefined {
    return this.home?.image(isMoved)
  }

  goOnline(): void {
    this.#wantsOnline = true
    this.#dialSoon(0)
  }

  goOffline(): void {
    this.#wantsOnline = false
    this.connection?.leave()
  }

  /** Gives back what the simulation took. */
  async discard(): Promise<void> {
    this.#wantsOnline = false
    this.#scope?.kill()
    if (this.process !== undefined) this.#over()
    for (const { process, connection } of this.#ended) {
      connection?.discard()
      void process.memory.stop().catch(() => {})
    }
  }

  #over(): void {
    if (this.process !== undefined) this.#ended.push({ process: this.process, connection: this.connection })
    this.#scope = undefined
    this.process = undefined
    this.connection = undefined
    this.#isDialling = false
  }

  /** The store is older than what was sent from it: under another id the plugin is sent everything. */
  #shortfall(): void {
    this.#init.report.saw('own store was older')
    this.connection?.leave()
    this.#takeOtherId()
  }

  #takeOtherId(): void {
    this.#init.report.saw('replica-in-use')
    this.id = idFrom(this.#init.random)
    this.process?.memory.useReplica(this.id)
    this.facts.life = new LifeFacts(this.process?.untold)
  }

  /** After a connection that was good at once, as a rule: what was on its way may still be. */
  #dialAgain(): void {
    const { random } = this.#init
    this.#dialSoon(random.chance(0.7) ? random.int(0, 20) : random.int(100, 1_500))
  }

  #dialSoon(ms: number): void {
    const scope = this.#scope
    if (this.#isDialling || scope === undefined || this.process === undefined) return
    this.#isDialling = true
    scope.after(ms, () => {
      this.#isDialling = false
      void this.#dial().catch((error: unknown) => this.#init.report.fail(`dialling threw: ${asError(error).stack}`))
    })
  }

  async #dial(): Promise<void> {
    const { process } = this
    if (!this.#wantsOnline || this.#isDialling || this.isConnected || process === undefined) return
    this.#isDialling = true
    const { id } = this
    const answer = await this.#init.dial(this, process)
    if (process.clock.isDead) {
      if (!('code' in answer)) answer.losePlugin(this.#init.random.int(6_000, 6_500))
      return
    }
    this.#isDialling = false
    if ('code' in answer) {
      if (answer.code === 'replica-in-use') this.#takeOtherId()
      this.#dialSoon(this.#init.random.int(200, 1_500))
      return
    }
    if (!this.#wantsOnline || id !== this.id) {
      answer.leave()
      this.#dialSoon(0)
      return
    }
    this.connection = answer
    const { signal } = answer
    signal.addEventListener('abort', () => this.#dialAgain(), { once: true })
    if (signal.aborted) {
      this.#dialAgain()
      return
    }
    this.#init.report.trace(`${this.name} is connected`)
    process.memory.onConnection({
      daemon: daemonPerson.peer,
      replica: this.id,
      signal,
      openChannel: () => answer.openChannel(),
    })
  }
}
