/**
 * SIGKILL at random moments under the load of three durable plugins in each of several worlds: of the daemon, of the
 * plugins, of both, and of plugins whose edits are saved and not sent because the daemon hangs. Keeps: what the daemon
 * settled is in its database after each kill, what was saved by a plugin gets there, and no sequence number is there twice.
 */
import type Database from 'better-sqlite3'
import { cpuMs } from '../bench/proc-stats.ts'
import { SimRandom } from '../network/sim-random.ts'
import { type Campaign, type CampaignOptions, type Figures, mustHold } from './campaign.ts'
import type { PluginHost } from './plugin-host.ts'
import type { Made, PluginWord } from './plugin-process.ts'
import { World } from './world.ts'

/** A plugin notices that a daemon was killed after some seconds: meanwhile other worlds have something to do. */
const worldsAtOnce = 4
const names = ['ada', 'ben', 'cyd'] as const
const shared = 'space:soak/shared'
/** Never idle, and never so busy that what is measured is the load. */
const load = { do: 'load', perTurn: 3, pauseMs: 40 } as const

/** What is killed in a round. With the daemon, or while it is gone or hangs, plugins have saved what was never sent. */
const rounds = ['daemon', 'plugins, then daemon', 'daemon, then plugins', 'plugins of a hanging daemon'] as const

interface Tally {
  daemonKills: number
  pluginKills: number
  edits: number
  readonly startMs: number[]
  readonly startCpuMs: number[]
}

async function run({ count, seed, scene }: CampaignOptions): Promise<Figures> {
  const random = new SimRandom(seed)
  const tally: Tally = { daemonKills: 0, pluginKills: 0, edits: 0, startMs: [], startCpuMs: [] }
  const worlds = Math.min(worldsAtOnce, count)
  await Promise.all(
    Array.from({ length: worlds }, async (_, n) => {
      const share = Math.floor(count / worlds) + (n < count % worlds ? 1 : 0)
      await new Kills(new World(scene), random.fork(String(n)), tally).run(share)
    }),
  )
  const { daemonKills, pluginKills, edits, startMs, startCpuMs } = tally
  return {
    daemonKills,
    pluginKills,
    edits,
    lost: 0,
    startMedianMs: middleOf(startMs),
    startMaxMs: Math.round(Math.max(...startMs)),
    // On a machine that is busy with other things this says more than the time on the clock.
    startCpuMedianMs: middleOf(startCpuMs),
  }
}

const middleOf = (values: readonly number[]): number =>
  Math.round([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0)

class Kills {
  readonly #world: World
  readonly #random: SimRandom
  readonly #tally: Tally
  readonly #homes = new Map<string, string>()
  /** Newest change by actor that the daemon said is durable there. */
  readonly #settled = new Map<string, number>()
  /** Newest change by actor that the plugin said is durable here. */
  readonly #saved = new Map<string, number>()
  #host: PluginHost
  #run = 0

  constructor(world: World, random: SimRandom, tally: Tally) {
    this.#world = world
    this.#random = random
    this.#tally = tally
    for (const name of names) this.#homes.set(name, world.scene.folder(name))
    this.#host = world.host()
  }

  async run(count: number): Promise<void> {
    await this.#world.start()
    const admitted = this.#world.admit(names.length)
    await this.#startPlugins()
    await admitted
    for (let round = 0; round < count; round++) await this.#round(rounds[(round + this.#random.int(0, 1)) % 4])
    await this.#converge()
  }

  async #round(kind: (typeof rounds)[number] | undefined): Promise<void> {
    await this.#work('settled')
    if (kind === 'plugins, then daemon') {
      await this.#killPlugins()
      await this.#startPlugins()
      await this.#work('settled')
    }
    if (kind === 'plugins of a hanging daemon') {
      this.#world.daemon.signal('SIGSTOP')
      await this.#work('saved')
      await this.#killPlugins()
    }
    await this.#world.kill()
    this.#tally.daemonKills++
    if (kind === 'daemon, then plugins') {
      await this.#work('saved')
      await this.#killPlugins()
    }
    this.#world.inspect((database) => this.#check(database, this.#settled))
    this.#tally.startMs.push(await this.#world.start())
    this.#tally.startCpuMs.push(cpuMs(this.#world.daemon.pid) ?? 0)
    if (this.#host.child.hasExited) await this.#startPlugins()
  }

  /** Waits until every plugin has done something since now, and then for some more of it. */
  async #work(said: 'saved' | 'settled'): Promise<void> {
    for (const name of names) {
      const from = this.#host.said(name)
      await this.#host.heard(name, said, { from })
    }
    const name = this.#random.pick(names)
    for (let more = this.#random.int(0, 30); more > 0; more--) {
      await this.#host.heard(name, said, { from: this.#host.said(name) })
    }
  }

  async #startPlugins(): Promise<void> {
    if (this.#run > 0) this.#host = this.#world.host()
    const host = this.#host
    const run = this.#run++
    host.onWord((word) => this.#heard(word))
    for (const name of names) {
      const blocks = [shared, `space:soak/${name}`]
      host.tell({ to: name, do: 'start', home: this.#homes.get(name) ?? '', blocks })
    }
    for (const name of names) {
      await host.heard(name, 'ready')
      host.tell({ to: name, key: `${name} ${run}`, ...load })
    }
  }

  async #killPlugins(): Promise<void> {
    await this.#host.child.kill()
    this.#tally.pluginKills += names.length
  }

  #heard(word: PluginWord): void {
    if (word.said === 'saved') keepNewest(this.#saved, word.made)
    if (word.said === 'settled') keepNewest(this.#settled, word.made)
  }

  async #converge(): Promise<void> {
    const host = this.#host
    for (const name of names) await host.ask({ to: name, do: 'rest' }, 'rested')
    for (const name of names) await host.ask({ to: name, do: 'flush' }, 'flushed')
    // Each has blocks of its own, so a plugin that was never here reads all of them.
    const witness = 'witness'
    const admitted = this.#world.admit(1)
    const blocks = [shared, ...names.map((name) => `space:soak/${name}`)]
    const home = this.#world.scene.folder(witness)
    await host.ask({ to: witness, do: 'start', home, blocks, memory: true }, 'ready')
    await admitted
    await host.ask({ to: witness, do: 'flush' }, 'flushed')
    const shown = await host.ask({ to: witness, do: 'show' }, 'shown')
    mustHold(shown.keys === 2 * names.length * this.#run, 'every run of every plugin must have left its mark:', shown)
    await this.#world.kill()
    this.#world.inspect((database) => {
      this.#check(database, this.#settled)
      this.#check(database, this.#saved)
    })
  }

  /** What was promised about each actor is there, without a gap, and once. */
  #check(database: Database.Database, promised: ReadonlyMap<string, number>): void {
    const integrity = database.pragma('integrity_check', { simple: true })
    mustHold(integrity === 'ok', 'the database must be sound:', integrity)
    const clock = new Map<string, number>()
    for (const { actor, seq } of database.prepare(clockSql).all() as { actor: string; seq: number }[]) {
      clock.set(actor, seq)
    }
    for (const [actor, seq] of promised) {
      const held = clock.get(actor) ?? 0
      mustHold(held >= seq, 'what was promised must be there:', actor, seq, held)
    }
    const wrong = database.prepare(wrongSql).all()
    mustHold(wrong.length === 0, 'the changes of an actor must be a run without gaps or repeats:', wrong)
    this.#tally.edits = Math.max(this.#tally.edits, Number(database.prepare(editsSql).pluck().get()))
  }
}

const clockSql = 'SELECT lower(hex(actor)) AS actor, seq FROM clock'
/** Older ones may have been folded into a snapshot; those that are there end with the newest. */
const wrongSql = `SELECT lower(hex(r.actor)) AS actor, count(*) AS rows, count(DISTINCT actor_seq) AS numbers,
    min(actor_seq) AS first, max(actor_seq) AS last, c.seq
  FROM change r JOIN clock c ON c.block = r.block AND c.actor = r.actor
  GROUP BY r.block, r.actor
  HAVING rows <> numbers OR last - first + 1 <> rows OR last <> c.seq`
const editsSql = 'SELECT sum(seq) FROM clock'

function keepNewest(newest: Map<string, number>, made: readonly Made[]): void {
  for (const { actor, seq } of made) newest.set(actor, Math.max(newest.get(actor) ?? 0, seq))
}

export const kill: Campaign = {
  name: 'kill',
  summary:
    'the daemon and its plugins are killed under load: nothing settled or saved is lost, and nothing is there twice',
  unit: 'kills of the daemon',
  counts: { short: 4, long: 200 },
  run,
}
