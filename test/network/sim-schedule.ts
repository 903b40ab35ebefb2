/**
 * One schedule: who is there, what happens, and how the world is healed at the end and waited for. Everything is drawn from
 * the seed.
 */
import type { BlockAddress } from '../../protocol/index.ts'
import { alice, bob, mallory, person } from '../fixtures/cast.ts'
import { SimActions } from './sim-actions.ts'
import type { Schema } from './sim-author.ts'
import type { SimHostile } from './sim-hostile.ts'
import type { Address } from './sim-process.ts'
import type { SimRandom } from './sim-random.ts'
import type { SimReport } from './sim-report.ts'
import { everything, readOnly, SimWorld, type Weather } from './sim-world.ts'

const people = [alice, bob, await person('carol'), mallory]

/** Simulated time for everything to come together again: a view that failed is tried again after a minute. */
const healMs = 150_000

/** What a schedule is about. */
export interface Theme {
  readonly addresses: readonly (readonly [Address, Schema])[]
  /** Moves megabytes. */
  readonly isHeavy: boolean
  /** Has a plugin that means harm. */
  readonly isHostile: boolean
  /** Plugins lose what they had not written down, or go on from older copies; otherwise the daemon's store is set back. */
  readonly losesPlugins: boolean
}

export class Schedule {
  readonly world: SimWorld
  readonly #random: SimRandom
  readonly #theme: Theme
  readonly #actions: SimActions

  private constructor(world: SimWorld, random: SimRandom) {
    this.world = world
    this.#random = random
    const isHeavy = random.chance(0.025)
    const addresses = Array.from({ length: random.int(1, 3) }, (_, index) => {
      const schema: Schema = isHeavy || random.chance(0.5) ? 'map' : 'text'
      return [`space:home/block${index}`, schema] as const
    })
    this.#theme = { addresses, isHeavy, isHostile: random.chance(0.12), losesPlugins: random.chance(0.6) }
    this.#actions = new SimActions({ world, random, theme: this.#theme })
  }

  static async create(random: SimRandom, report: SimReport): Promise<Schedule> {
    const isSlowDisk = random.chance(0.3)
    const weather: Weather = {
      latencyMs: random.chance(0.7) ? [5, 60] : [80, 600],
      store: {
        writeMs: isSlowDisk ? [60, 900] : [2, 40],
        readMs: random.chance(0.5) ? [0, 2] : [5, 80],
        isSql: random.chance(0.3),
      },
      ringBytes: random.pick([300, 2_000, 20_000]),
      homeMs: random.chance(0.3) ? [50, 600] : [1, 30],
    }
    const world = await SimWorld.create(random, report, weather, people)
    return new Schedule(world, random.fork('schedule'))
  }

  get hostile(): SimHostile | undefined {
    return this.#actions.hostile
  }

  /** Resolves once the world is healed and quiet, or has had its time. */
  async run(): Promise<void> {
    const { world } = this
    const random = this.#random
    this.#actions.inBackground(this.#begin())
    for (const who of random.pick([people.slice(0, 2), people.slice(0, 3), people])) {
      for (let n = random.int(1, 2); n > 0; n--) {
        const replica = world.addReplica(who, `${who.name}${n}`, random.chance(0.75) ? 'empty' : 'none')
        for (const [address, schema] of this.#theme.addresses) if (random.chance(0.7)) replica.open(address, schema)
        this.#actions.inBackground(replica.start())
        world.clock.after(random.int(0, 1_500), () => replica.goOnline())
      }
    }
    await world.clock.run(random.pick([0, 100]))
    for (const replica of world.replicas) this.#actions.editSome(replica)
    const writers = (address: string): number =>
      world.replicas.filter((each) =>
        [...each.blocks.values()].some((block) => block.address === address && block.made),
      ).length
    if (this.#theme.addresses.some(([address]) => writers(address) > 1)) world.report.saw('two creators')
    for (let steps = random.int(15, 70); steps > 0; steps--) {
      await world.clock.run(-Math.log(1 - random.unit()) * random.pick([20, 200, 900]))
      this.#actions.act()
    }
    await this.#heal()
  }

  async #begin(): Promise<void> {
    const { world } = this
    await world.start()
    for (const who of people) await world.decide(who, everything, false)
  }

  async #heal(): Promise<void> {
    const { world } = this
    const actions = this.#actions
    actions.end()
    world.report.trace('heals')
    world.disk.isFull = false
    world.disk.failsNext = false
    for (const { home } of world.replicas) {
      if (home === undefined) continue
      home.isFull = false
      home.failsNext = false
    }
    if (!world.isUp && world.life === undefined) await this.#within(actions.restart(false))
    await world.clock.run(2_000)
    for (const who of people) {
      const final = !world.isRestored && this.#random.chance(0.2) ? readOnly : everything
      const present = world.intended.get(who)
      if (present !== final) actions.inBackground(world.decide(who, final, final === readOnly))
    }
    for (const replica of world.replicas) {
      if (replica.process?.isStoring === false) replica.crash(0)
      if (!replica.isStarted) actions.inBackground(replica.start())
      replica.openAgain()
    }
    await world.clock.run(2_000)
    for (const replica of world.replicas) replica.goOnline()
    let quietSince: number | undefined
    await world.clock.run(healMs, () => {
      const nowMs = world.clock.monotonicMs()
      if (this.#unrest() !== undefined) quietSince = undefined
      else quietSince ??= nowMs
      return quietSince !== undefined && nowMs - quietSince > 1_500
    })
    const unrest = this.#unrest()
    if (unrest !== undefined) world.report.fail(`${healMs} ms after everything was healed: ${unrest}`)
  }

  /** What is still going on; undefined when nothing is. */
  #unrest(): string | undefined {
    const { world } = this
    const { life } = world
    if (life?.log === undefined) return 'the daemon is down'
    if (world.disk.running.length > 0) return 'the store writes'
    if (life.log.quarantine.suspensions().length > 0) {
      this.#actions.inBackground(world.release(true))
      return 'somebody is suspended'
    }
    for (const row of life.log.index.live()) {
      if (row.changes > 0 && (life.verification?.verifiedSeq(row.id) ?? 0) < row.visibleSeq) {
        return `${row.address} is not verified`
      }
    }
    for (const replica of world.replicas) {
      if (!replica.isConnected) return `${replica.name} is not connected`
      if (replica.connection?.isWhole !== true) return `${replica.name} has not noticed that its connection is gone`
      if (!replica.connection.isQuiet) return `bytes of ${replica.name} fly`
      if (replica.process?.isWriting === true) return `the disk of ${replica.name} writes`
      for (const { address, handle } of replica.blocks.values()) {
        const { pending, state, reason } = handle
        const isThere = life.log.index.at(address as BlockAddress) !== undefined
        const isWaiting = pending > 0 || !(isThere ? ['live', 'denied'] : ['gone', 'denied']).includes(state)
        if (isWaiting) return `${replica.name} ${address}: ${pending} edits wait, ${state}: ${reason}`
      }
    }
    return undefined
  }

  /** Lets time pass until the work is done. */
  async #within(work: Promise<unknown>): Promise<void> {
    let isDone = false
    this.#actions.inBackground(
      work.finally(() => {
        isDone = true
      }),
    )
    await this.world.clock.run(healMs, () => isDone)
  }
}
