/**
 * What happens in one schedule: who edits what, what breaks, what the operator decides. Everything is drawn from the seed;
 * the last part heals the world and waits until it is quiet.
 */
import { alice, bob, mallory, person } from '../fixtures/cast.ts'
import type { SimRandom } from './sim-random.ts'
import type { Address, OpenBlock, SimReplica } from './sim-replica.ts'
import type { SimReport } from './sim-report.ts'
import { SimWorld, type Weather } from './sim-world.ts'

const people = [alice, bob, await person('carol'), mallory]
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
const readOnly = ['blocks:read:space:home/*']

/** Simulated time for everything to come together again. */
const healMs = 60_000

type Action = readonly [weight: number, run: () => unknown]

export class Schedule {
  readonly world: SimWorld
  readonly #random: SimRandom
  readonly #addresses: readonly (readonly [Address, 'text' | 'map'])[]
  /** Some schedules move megabytes. */
  readonly #isHeavy: boolean
  #backup: number | undefined
  #isHealing = false

  private constructor(world: SimWorld, random: SimRandom) {
    this.world = world
    this.#random = random
    this.#isHeavy = random.chance(0.025)
    const count = random.int(1, 3)
    this.#addresses = Array.from({ length: count }, (_, index) => {
      const schema = this.#isHeavy || random.chance(0.5) ? 'map' : 'text'
      return [`space:home/block${index}`, schema] as const
    })
  }

  static async create(random: SimRandom, report: SimReport): Promise<Schedule> {
    const isSlowDisk = random.chance(0.3)
    const weather: Weather = {
      latencyMs: random.chance(0.7) ? [5, 60] : [80, 600],
      store: { writeMs: isSlowDisk ? [60, 900] : [2, 40], readMs: random.chance(0.5) ? [0, 2] : [5, 80] },
      ringBytes: random.pick([300, 2_000, 20_000]),
    }
    const world = await SimWorld.create(random, report, weather, people)
    return new Schedule(world, random.fork('schedule'))
  }

  /** Resolves once the world is healed and quiet, or has had its time. */
  async run(): Promise<void> {
    const { world } = this
    const random = this.#random
    this.#inBackground(this.#begin())
    for (const who of random.pick([people.slice(0, 2), people.slice(0, 3), people])) {
      for (let n = random.int(1, 2); n > 0; n--) {
        const replica = world.addReplica(who, `${who.name}${n}`)
        for (const [address, schema] of this.#addresses) if (random.chance(0.7)) replica.open(address, schema)
        this.#editSome(replica)
        world.clock.after(random.int(0, 1_500), () => replica.goOnline())
      }
    }
    const writers = (address: string): number =>
      world.replicas.filter((each) =>
        [...each.blocks.values()].some((block) => block.address === address && block.made),
      ).length
    if (this.#addresses.some(([address]) => writers(address) > 1)) world.report.saw('two creators')
    for (let steps = random.int(15, 70); steps > 0; steps--) {
      await world.clock.run(-Math.log(1 - random.unit()) * random.pick([20, 200, 900]))
      this.#act()
    }
    await this.#heal()
  }

  async #begin(): Promise<void> {
    const { world } = this
    await world.start()
    for (const who of people) await world.decide(who, everything, false)
  }

  #act(): void {
    const random = this.#random
    const { world } = this
    const replica = random.pick(world.replicas)
    const actions: readonly Action[] = [
      [40, () => this.#editSome(replica)],
      [6, () => this.#addresses.length > 0 && this.#open(replica)],
      [6, () => this.#each(replica, (block) => block.handle.value)],
      [6, () => this.#each(replica, (block) => replica.flush(block))],
      [6, () => this.#lose(replica)],
      [3, () => replica.connection?.loseStream()],
      [4, () => this.#leaveForAWhile(replica)],
      [4, () => replica.connection?.stall(random.pick(['plugin', 'daemon']), random.int(100, 6_000))],
      [3, () => this.#crash()],
      [3, () => this.#regrant(replica)],
      [3, () => this.#regrantWhileEditing(replica)],
      [1, () => this.#fillDisk()],
      [1, () => this.#failDisk()],
      [3, () => this.#inBackground(world.makeSnapshot())],
      [2, () => this.#makeBackup()],
      [1, () => this.#crash(true)],
      [this.#isHeavy ? 12 : 0, () => this.#overwhelm(replica)],
    ]
    let left = random.unit() * actions.reduce((sum, [weight]) => sum + weight, 0)
    const chosen = actions.find(([weight]) => {
      left -= weight
      return left < 0
    })
    chosen?.[1]()
  }

  #each(replica: SimReplica, act: (block: OpenBlock) => void): void {
    for (const block of replica.blocks.values()) act(block)
  }

  #open(replica: SimReplica): void {
    const [address, schema] = this.#random.pick(this.#addresses)
    replica.open(address, schema)
  }

  #editSome(replica: SimReplica): void {
    const random = this.#random
    const blocks = [...replica.blocks.values()]
    if (blocks.length === 0) return
    const block = random.pick(blocks)
    for (let n = random.chance(0.2) ? random.int(2, 12) : 1; n > 0; n--) replica.edit(block, random)
  }

  #lose(replica: SimReplica): void {
    const random = this.#random
    const { connection } = replica
    if (connection === undefined || !replica.isConnected) return
    const isHalfOpen = random.chance(0.4)
    if (isHalfOpen) this.world.report.saw('half-open')
    this.world.report.trace(`${replica.name} loses its connection`)
    const slow = (): number => random.int(2_000, 6_500)
    const [pluginMs, daemonMs] = isHalfOpen ? random.pick([[slow(), 0] as const, [0, slow()] as const]) : [0, 0]
    connection.lose(pluginMs + random.int(0, 50), daemonMs + random.int(0, 50))
  }

  #leaveForAWhile(replica: SimReplica): void {
    this.world.report.trace(`${replica.name} leaves`)
    replica.goOffline()
    this.world.clock.after(this.#random.int(50, 5_000), () => {
      if (!this.#isHealing) replica.goOnline()
    })
  }

  #crash(isRestored = false): void {
    const { world } = this
    if (!world.isUp) return
    world.crash()
    this.#startAgain(this.#random.int(20, 1_500), isRestored)
  }

  #startAgain(afterMs: number, isRestored: boolean): void {
    this.world.clock.after(afterMs, () => this.#inBackground(this.#restart(isRestored)))
  }

  async #restart(isRestored: boolean): Promise<void> {
    const { world } = this
    if (world.life !== undefined) return
    const backup = this.#backup
    if (isRestored && backup !== undefined) {
      world.report.saw('restore')
      world.report.trace('the store is an older copy')
      world.isRestored = true
      // A plugin that may no longer write cannot supply what was cut off.
      for (const who of people) world.intended.set(who, everything)
      await world.disk.restore(backup)
    }
    await world.start()
    await world.decideAsIntended()
  }

  #makeBackup(): void {
    if (this.world.isUp) this.#backup = this.world.disk.moment
  }

  #regrant(replica: SimReplica): void {
    const { world } = this
    const random = this.#random
    if (world.isRestored) return
    const present = world.intended.get(replica.person) ?? everything
    const [address] = random.pick(this.#addresses)
    const narrower = random.pick([
      readOnly,
      [],
      [...everything, `!blocks:write:${address}`],
      [...everything, `!blocks:read:${address}`],
    ])
    const isWide = present === everything
    this.#inBackground(world.decide(replica.person, isWide ? narrower : everything, isWide))
  }

  /** The decision meets edits of the same key on their way to the store. */
  #regrantWhileEditing(replica: SimReplica): void {
    const { clock } = this.world
    for (let n = 0; n < 4; n++) clock.after(n * this.#random.int(5, 120), () => this.#editSome(replica))
    clock.after(this.#random.int(50, 500), () => {
      if (!this.#isHealing) this.#regrant(replica)
    })
  }

  #fillDisk(): void {
    const { disk, clock } = this.world
    disk.isFull = true
    clock.after(this.#random.int(500, 4_000), () => {
      disk.isFull = false
    })
  }

  #failDisk(): void {
    if (!this.world.isUp) return
    this.world.disk.failsNext = true
    this.world.life?.store.failed.addEventListener('abort', () => this.#startAgain(this.#random.int(50, 1_500), false))
  }

  /** One writes more than the window of another who does not give credit. */
  #overwhelm(writer: SimReplica): void {
    const random = this.#random
    for (const replica of this.world.replicas) if (replica !== writer) replica.connection?.stall('plugin', 5_000)
    const [block] = writer.blocks.values()
    if (block === undefined) return
    for (let n = 12; n > 0; n--) this.world.clock.after(n * random.int(50, 150), () => writer.editHuge(block, random))
  }

  async #heal(): Promise<void> {
    const { world } = this
    this.#isHealing = true
    world.report.trace('heals')
    world.disk.isFull = false
    world.disk.failsNext = false
    if (!world.isUp && world.life === undefined) await this.#within(this.#restart(false))
    await world.clock.run(2_000)
    for (const who of people) {
      const final = !world.isRestored && this.#random.chance(0.2) ? readOnly : everything
      const present = world.intended.get(who)
      if (present !== final) this.#inBackground(world.decide(who, final, final === readOnly))
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
    if (unrest !== undefined) world.report.fail(`a minute after everything was healed: ${unrest}`)
  }

  /** What is still going on; undefined when nothing is. */
  #unrest(): string | undefined {
    const { world } = this
    if (!world.isUp) return 'the daemon is down'
    if (world.disk.running.length > 0) return 'the store writes'
    for (const replica of world.replicas) {
      if (!replica.isConnected) return `${replica.name} is not connected`
      if (replica.connection?.isQuiet !== true) return `bytes of ${replica.name} fly`
      for (const { address, handle } of replica.blocks.values()) {
        const { pending, state, reason } = handle
        const isWaiting = pending > 0 || (state !== 'live' && state !== 'denied')
        if (isWaiting) return `${replica.name} ${address}: ${pending} edits wait, ${state}: ${reason}`
      }
    }
    return undefined
  }

  #inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.world.report.fail(`the schedule threw: ${String((error as Error).stack)}`))
  }

  /** Lets time pass until the work is done. */
  async #within(work: Promise<unknown>): Promise<void> {
    let isDone = false
    this.#inBackground(
      work.finally(() => {
        isDone = true
      }),
    )
    await this.world.clock.run(healMs, () => isDone)
  }
}
