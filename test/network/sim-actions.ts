/** What can happen in a schedule, and how often: edits, crashes, lost connections, full disks, decisions, attacks. */
import { bob, mallory } from '../fixtures/cast.ts'
import type { HomeImage } from './sim-home.ts'
import { SimHostile } from './sim-hostile.ts'
import type { OpenBlock, SimProcess } from './sim-process.ts'
import type { SimRandom } from './sim-random.ts'
import type { SimReplica } from './sim-replica.ts'
import type { Theme } from './sim-schedule.ts'
import { everything, readOnly, type SimWorld } from './sim-world.ts'

export interface ActionsInit {
  readonly world: SimWorld
  readonly random: SimRandom
  readonly theme: Theme
}

type Action = readonly [weight: number, run: () => unknown]

/** So many replicas of one schedule: each costs in every step. */
const maxReplicas = 9

export class SimActions {
  readonly hostile: SimHostile | undefined
  readonly #world: SimWorld
  readonly #random: SimRandom
  readonly #theme: Theme
  readonly #images = new Map<SimReplica, HomeImage>()
  #backup: number | undefined
  #isOver = false

  constructor({ world, random, theme }: ActionsInit) {
    this.#world = world
    this.#random = random
    this.#theme = theme
    const harm = { world, person: mallory, victim: bob, random: random.fork('hostile') }
    this.hostile = theme.isHostile ? new SimHostile(harm) : undefined
  }

  /** Nothing that was set in motion breaks anything from here on. */
  end(): void {
    this.#isOver = true
  }

  act(): void {
    const { losesPlugins, isHeavy } = this.#theme
    const world = this.#world
    const random = this.#random
    const replica = random.pick(world.replicas)
    // What was cut off comes back from who made it: who is gone for good, or lost it too, cannot bring it.
    const mayRestore = !losesPlugins && this.hostile === undefined
    const actions: readonly Action[] = [
      [40, () => this.editSome(replica)],
      [6, () => this.#open(replica)],
      [6, () => this.#each(replica, (block) => block.handle.value)],
      [6, () => this.#each(replica, (block, process) => process.flush(block))],
      [6, () => this.#lose(replica)],
      [3, () => replica.connection?.loseStream()],
      [4, () => this.#leaveForAWhile(replica)],
      [4, () => replica.connection?.stall(random.pick(['plugin', 'daemon']), random.int(100, 6_000))],
      [3, () => this.#crash()],
      [3, () => this.#regrant(replica)],
      [3, () => this.#regrantWhileEditing(replica)],
      [1, () => this.#fillDisk()],
      [1, () => this.#failDisk()],
      [4, () => this.inBackground(world.compact())],
      [2, () => this.#killView()],
      [1, () => this.#deleteOrCreate()],
      [2, () => this.#stopPlugin(replica)],
      [2, () => replica.process?.fold(random)],
      [1, () => this.#fillHome(replica)],
      [losesPlugins ? 5 : 0, () => this.#crashPlugin(replica)],
      [losesPlugins ? 1 : 0, () => this.#failHome(replica)],
      [losesPlugins ? 2 : 0, () => this.#keepImage(replica)],
      [losesPlugins ? 2 : 0, () => this.#restorePlugin(replica)],
      [losesPlugins ? 1 : 0, () => this.#copyPlugin(replica)],
      [mayRestore ? 2 : 0, () => this.#makeBackup()],
      [mayRestore ? 1 : 0, () => this.#crash(true)],
      [isHeavy ? 12 : 0, () => this.#overwhelm(replica)],
      [isHeavy ? 6 : 0, () => this.#flood(replica)],
      [this.hostile === undefined ? 0 : 8, () => this.#attack()],
      [this.hostile === undefined ? 0 : 3, () => this.inBackground(world.release(false))],
    ]
    let left = random.unit() * actions.reduce((sum, [weight]) => sum + weight, 0)
    const chosen = actions.find(([weight]) => {
      left -= weight
      return left < 0
    })
    chosen?.[1]()
  }

  editSome(replica: SimReplica): void {
    const random = this.#random
    const blocks = [...replica.blocks.values()]
    if (blocks.length === 0) return
    const block = random.pick(blocks)
    for (let n = random.chance(0.2) ? random.int(2, 12) : 1; n > 0; n--) replica.process?.edit(block, random)
  }

  async restart(isRestored: boolean): Promise<void> {
    const world = this.#world
    if (world.life !== undefined) return
    const backup = this.#backup
    if (isRestored && backup !== undefined) {
      world.report.saw('restore')
      world.report.trace('the store is an older copy')
      world.isRestored = true
      // A plugin that may no longer write cannot supply what was cut off.
      for (const who of world.people) world.intended.set(who, everything)
      await world.disk.restore(backup)
    }
    await world.start()
    await world.decideAsIntended()
  }

  inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.#world.report.fail(`the schedule threw: ${String((error as Error).stack)}`))
  }

  #each(replica: SimReplica, act: (block: OpenBlock, process: SimProcess) => void): void {
    const { process } = replica
    if (process !== undefined) for (const block of process.blocks.values()) act(block, process)
  }

  #open(replica: SimReplica): void {
    const [address, schema] = this.#random.pick(this.#theme.addresses)
    replica.open(address, schema)
  }

  #lose(replica: SimReplica): void {
    const random = this.#random
    const { connection } = replica
    if (connection === undefined || !replica.isConnected) return
    const isHalfOpen = random.chance(0.4)
    if (isHalfOpen) this.#world.report.saw('half-open')
    this.#world.report.trace(`${replica.name} loses its connection`)
    const slow = (): number => random.int(2_000, 6_500)
    const [pluginMs, daemonMs] = isHalfOpen ? random.pick([[slow(), 0] as const, [0, slow()] as const]) : [0, 0]
    connection.lose(pluginMs + random.int(0, 50), daemonMs + random.int(0, 50))
  }

  #leaveForAWhile(replica: SimReplica): void {
    this.#world.report.trace(`${replica.name} leaves`)
    replica.goOffline()
    this.#later(this.#random.int(50, 5_000), () => replica.goOnline())
  }

  #later(ms: number, run: () => void): void {
    this.#world.clock.after(ms, () => {
      if (!this.#isOver) run()
    })
  }

  #crash(isRestored = false): void {
    const world = this.#world
    if (!world.isUp) return
    world.crash()
    this.#startAgain(this.#random.int(20, 1_500), isRestored)
  }

  #startAgain(afterMs: number, isRestored: boolean): void {
    this.#world.clock.after(afterMs, () => this.inBackground(this.restart(isRestored)))
  }

  #makeBackup(): void {
    if (this.#world.isUp) this.#backup = this.#world.disk.moment
  }

  #killView(): void {
    const runner = this.#world.life?.runner
    if (runner !== undefined) runner.isDoomed = true
  }

  #crashPlugin(replica: SimReplica): void {
    const { home, process } = replica
    if (home === undefined || process === undefined) return
    const { report } = this.#world
    if ([...process.written].some((hash) => !home.saved.has(hash))) report.saw('plugin crash with unsaved')
    if ([...process.blocks.values()].some(({ handle }) => handle.pending > 0)) report.saw('plugin crash with unacked')
    replica.crash(this.#random.int(6_000, 6_500))
    this.#startPlugin(replica)
  }

  #startPlugin(replica: SimReplica): void {
    const random = this.#random
    const ms = random.chance(0.5) ? random.int(5, 300) : random.int(300, 8_000)
    // Also at the end: one that was still stopping then is started by nobody else.
    this.#world.clock.after(ms, () => this.inBackground(replica.start()))
  }

  #stopPlugin(replica: SimReplica): void {
    if (replica.home === undefined || replica.process === undefined) return
    this.#world.report.saw('plugin stop')
    this.inBackground(replica.stop().then(() => this.#startPlugin(replica)))
  }

  #fillHome({ home }: SimReplica): void {
    if (home === undefined) return
    home.isFull = true
    this.#world.clock.after(this.#random.int(300, 4_000), () => {
      home.isFull = false
    })
  }

  /** A store that failed is of no use to its process any more; the next one opens it anew. */
  #failHome(replica: SimReplica): void {
    const { home } = replica
    if (home === undefined) return
    home.failsNext = true
    this.#later(this.#random.int(500, 3_000), () => {
      if (home.failsNext) return
      this.#world.report.saw('replica store failed')
      this.#crashPlugin(replica)
    })
  }

  #keepImage(replica: SimReplica): void {
    const image = replica.image(false)
    if (image !== undefined) this.#images.set(replica, image)
  }

  /** An old copy is put in the place of the newer store: as the same file, or as another one. */
  #restorePlugin(replica: SimReplica): void {
    const image = this.#images.get(replica)
    const { home } = replica
    if (image === undefined || home === undefined) return
    this.#world.report.saw('restored store')
    replica.crash(this.#random.int(6_000, 6_500))
    home.restore(this.#random.chance(0.5) ? image : { ...image, place: home.image(true).place })
    this.#startPlugin(replica)
  }

  /** The store is copied while it is in use, and another process starts from the copy. */
  #copyPlugin(replica: SimReplica): void {
    const world = this.#world
    const image = replica.image(this.#random.chance(0.5))
    if (image === undefined || world.replicas.length >= maxReplicas) return
    world.report.saw('copied store')
    const copy = world.addReplica(
      replica.person,
      `${replica.name}c${world.replicas.length}`,
      image,
      replica.facts.copy(),
    )
    for (const [address, schema] of this.#theme.addresses) copy.open(address, schema, this.#random.chance(0.3))
    this.inBackground(copy.start())
    copy.goOnline()
  }

  #regrant(replica: SimReplica): void {
    const world = this.#world
    const random = this.#random
    if (world.isRestored) return
    const present = world.intended.get(replica.person) ?? everything
    const [address] = random.pick(this.#theme.addresses)
    if (present === everything && random.chance(0.2)) {
      // About nothing that anyone reads here; yet every cursor is void.
      this.inBackground(world.decide(replica.person, [...everything, 'blocks:read:space:garden/*'], false))
      return
    }
    const narrower = random.pick([
      readOnly,
      [],
      [...everything, `!blocks:write:${address}`],
      [...everything, `!blocks:read:${address}`],
    ])
    const isWide = present === everything
    this.inBackground(world.decide(replica.person, isWide ? narrower : everything, isWide))
  }

  /** The decision meets edits of the same key on their way to the store. */
  #regrantWhileEditing(replica: SimReplica): void {
    const { clock } = this.#world
    for (let n = 0; n < 4; n++) clock.after(n * this.#random.int(5, 120), () => this.editSome(replica))
    this.#later(this.#random.int(50, 500), () => this.#regrant(replica))
  }

  #fillDisk(): void {
    const { disk, clock } = this.#world
    disk.isFull = true
    clock.after(this.#random.int(500, 4_000), () => {
      disk.isFull = false
    })
  }

  #failDisk(): void {
    if (!this.#world.isUp) return
    this.#world.disk.failsNext = true
    this.#world.life?.store.failed.addEventListener('abort', () => this.#startAgain(this.#random.int(50, 1_500), false))
  }

  /** One writes more than the window of another who does not give credit. */
  #overwhelm(writer: SimReplica): void {
    const random = this.#random
    for (const replica of this.#world.replicas) {
      if (replica !== writer) replica.connection?.stall('plugin', 5_000)
    }
    const [address] = writer.blocks.keys()
    for (let n = 12; n > 0; n--) {
      this.#world.clock.after(n * random.int(50, 150), () => {
        const block = address === undefined ? undefined : writer.blocks.get(address)
        if (block !== undefined) writer.process?.fill(block, random)
      })
    }
  }

  /** One writes more operations than a peer may in a second. */
  #flood(writer: SimReplica): void {
    const block = [...writer.blocks.values()].find(({ schema }) => schema === 'map')
    if (block !== undefined) for (let n = 7; n > 0; n--) writer.process?.flood(block)
  }

  #deleteOrCreate(): void {
    this.inBackground(this.#world.deleteOrCreate(...this.#random.pick(this.#theme.addresses)))
  }

  #attack(): void {
    const { hostile } = this
    const [address, schema] = this.#random.pick(this.#theme.addresses)
    if (hostile !== undefined) this.inBackground(hostile.attack(address, schema))
  }
}
