/**
 * `npm run bench:daemon`: the daemon alone, with clients that apply nothing. What it takes in and passes on, how long its
 * event loop keeps others waiting meanwhile, and whether a change costs more when there are many before it.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { connectControl } from '../../../daemon/cli/control-client.ts'
import { systemClock } from '../../../daemon/system-clock.ts'
import { placesFrom } from '../../../protocol/index.ts'
import { Child, killAll } from '../processes.ts'
import { format } from '../results.ts'
import { makeScratch, removeAllScratch, removeScratch } from '../scratch.ts'
import type { ClientCommands, ServerCommands, Spent } from './commands.ts'

const usage = `usage: npm run bench:daemon -- [options]
  --count N          changes; 1 to 1,900,000, which is what a block holds (100,000)
  --watchers N       watchers of the fan-out; 1 to 100 (50)
  --workload NAME    only this one; may be given again (accept, fanout, growth)
  --json             one JSON object per line on standard output instead of the table`

const grants = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:bench/*`)
const limitMs = 600_000
const inviteTtlMs = 600_000
/** As many as an author's loop makes in one turn. */
const perFrame = 64
/** Not measured: until then the code is cold. */
const warmUp = 10_000
/** Changes over which one cost is measured: above the resolution of processor time. */
const windowSize = 10_000
const watcherProcesses = 2

interface Row {
  readonly workload: string
  readonly subject: 'mooring'
  readonly metric: string
  readonly value: number
  readonly unit: string
  readonly target?: string
}

type Caller<Commands> = {
  readonly [Name in keyof Commands]: Commands[Name] extends (input: infer In) => infer Out ? (input: In) => Out : never
}

const callerOf = <Commands>(child: Child): Caller<Commands> =>
  new Proxy({} as Caller<Commands>, {
    get: (_, name) => (input: object) => child.call(String(name), input, limitMs),
  })

/** A daemon with an empty folder, and clients. */
class World {
  readonly #dir: string
  readonly #children: Child[] = []
  readonly #invite: () => Promise<string>
  readonly server: Caller<ServerCommands>
  /** Position of the log behind everything that was written. */
  #seq = 0

  private constructor(child: Child, dir: string, invite: () => Promise<string>) {
    this.#dir = dir
    this.#children.push(child)
    this.#invite = invite
    this.server = callerOf(child)
  }

  static async start(): Promise<World> {
    const dir = makeScratch()
    const env = { MOORING_HOME: dir, MOORING_LISTEN_PORT: '0', MOORING_LOG_LEVEL: 'error' }
    const child = new Child(new URL('./server.ts', import.meta.url), [], env)
    await child.ready()
    const places = placesFrom({ env, platform: process.platform, homedir: dir })
    const signal = AbortSignal.timeout(limitMs)
    const { client: control, close } = await connectControl({ places, clock: systemClock, signal })
    void child.exited.then(close).catch(() => {})
    return new World(child, dir, async () => (await control.invite.create({ grants, ttlMs: inviteTtlMs })).ticket)
  }

  client(): Caller<ClientCommands> {
    const child = new Child(new URL('./client.ts', import.meta.url), [], {})
    this.#children.push(child)
    return callerOf(child)
  }

  async createBlock(writer: Caller<ClientCommands>, label: string): Promise<void> {
    await writer.create({ endpoint: await this.#invite(), address: `space:bench/${label}` })
    this.#seq++
  }

  async watch(watcher: Caller<ClientCommands>, amount: number): Promise<void> {
    const endpoints = await Promise.all(Array.from({ length: amount }, () => this.#invite()))
    await watcher.watch({ endpoints, pattern: 'space:bench/*' })
  }

  /** Sends what was built; answers what it took until all watchers had it. */
  async write(
    writer: Caller<ClientCommands>,
    watchers: readonly Caller<ClientCommands>[],
    changes: number,
  ): Promise<{ readonly ackedMs: number; readonly seenMs: number }> {
    this.#seq += changes
    const [{ startMs, ackedMs }, ...seen] = await Promise.all([
      writer.write({}),
      ...watchers.map((watcher) => watcher.seen({ seq: this.#seq })),
    ])
    return { ackedMs: ackedMs - startMs, seenMs: Math.max(ackedMs, ...seen) - startMs }
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill()
    await Promise.all(this.#children.map((child) => child.exited))
    removeScratch(this.#dir)
  }
}

async function inWorld<T>(work: (world: World) => Promise<T>): Promise<T> {
  const world = await World.start()
  try {
    return await work(world)
  } finally {
    await world.close()
  }
}

type Values = Readonly<Record<string, readonly [value: number, unit: string, target?: string]>>

const delayRows = ({ delayMs: { p50, p99, p999, max }, turnMs }: Spent): Values => ({
  loop_delay_p50_ms: [p50, 'ms'],
  loop_delay_p99_ms: [p99, 'ms'],
  loop_delay_p999_ms: [p999, 'ms', '≤ 20'],
  loop_delay_max_ms: [max, 'ms'],
  loop_turn_p999_ms: [turnMs.p999, 'ms'],
  loop_turn_max_ms: [turnMs.max, 'ms'],
})

const totalOf = ({ cpuMs }: Spent): number => Object.values(cpuMs).reduce((sum, ms) => sum + ms, 0)

/** Processor time for each change: of all threads, and of the two that every change passes. */
const costRows = (spent: Spent, changes: number): Values => ({
  cpu_us_per_change: [(totalOf(spent) * 1_000) / changes, 'µs'],
  main_us_per_change: [((spent.cpuMs.main ?? 0) * 1_000) / changes, 'µs'],
  store_us_per_change: [((spent.cpuMs['mooring store'] ?? 0) * 1_000) / changes, 'µs'],
})

const passOn = async (world: World, watchers: number, count: number) => {
  const writer = world.client()
  const reading = Array.from({ length: Math.min(watchers, watcherProcesses) }, () => world.client())
  await world.createBlock(writer, 'trace')
  await Promise.all(
    reading.map((watcher, index) =>
      world.watch(watcher, Math.floor(watchers / reading.length) + (index < watchers % reading.length ? 1 : 0)),
    ),
  )
  await writer.build({ changes: warmUp, perFrame })
  await world.write(writer, reading, warmUp)
  await writer.build({ changes: count, perFrame })
  await world.server.begin({})
  const took = await world.write(writer, reading, count)
  return { ...took, spent: await world.server.end({}) }
}

const workloads: Readonly<Record<string, (count: number, watchers: number) => Promise<Values>>> = {
  accept: (count) =>
    inWorld(async (world) => {
      const { ackedMs, seenMs, spent } = await passOn(world, 1, count)
      return {
        changes_per_s: [(count * 1_000) / seenMs, '1/s', '≥ 25,000'],
        durable_per_s: [(count * 1_000) / ackedMs, '1/s'],
        ...costRows(spent, count),
        ...delayRows(spent),
      }
    }),
  fanout: (count, watchers) =>
    inWorld(async (world) => {
      const changes = Math.min(count, 50_000)
      const { seenMs, spent } = await passOn(world, watchers, changes)
      return {
        deliveries_per_s: [(changes * watchers * 1_000) / seenMs, '1/s', '≥ 250,000'],
        ...costRows(spent, changes),
        ...delayRows(spent),
      }
    }),
  growth: (count) =>
    inWorld(async (world) => {
      const writer = world.client()
      await world.createBlock(writer, 'warm-up')
      const write = async (changes: number): Promise<Spent> => {
        await writer.build({ changes, perFrame })
        await world.server.begin({})
        await world.write(writer, [], changes)
        return world.server.end({})
      }
      await write(warmUp)
      await world.createBlock(writer, 'long')
      await write(1_000)
      const first = costRows(await write(windowSize), windowSize)
      const between = Math.max(0, count - 1_000 - 2 * windowSize)
      for (let left = between; left > 0; left -= 50_000) await write(Math.min(left, 50_000))
      const last = costRows(await write(windowSize), windowSize)
      const path = (costs: Values): number =>
        (costs.main_us_per_change?.[0] ?? 0) + (costs.store_us_per_change?.[0] ?? 0)
      return {
        us_per_change_first: [path(first), 'µs'],
        us_per_change_last: [path(last), 'µs'],
        ratio: [path(last) / path(first), '', '0.8 to 1.2'],
      }
    }),
}

function render(rows: readonly Row[]): string {
  const cells = rows.map((row) => [row.workload, row.metric, format(row.value), row.target ?? ''])
  const lines = [['', '', 'mooring', 'target'], ...cells]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 2 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function numberOption(name: string, text: string, max: number): number {
  const value = Number(text)
  if (!(Number.isInteger(value) && value >= 1 && value <= max)) throw new Error(`--${name} takes 1 to ${max}`)
  return value
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '100000' },
      watchers: { type: 'string', default: '50' },
      workload: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(`${usage}\n`)
    return 0
  }
  const count = numberOption('count', values.count, 1_900_000)
  const watchers = numberOption('watchers', values.watchers, 100)
  const names = values.workload.length === 0 ? Object.keys(workloads) : values.workload
  const rows: Row[] = []
  for (const workload of names) {
    const run = workloads[workload]
    if (run === undefined) throw new Error(`no workload ${workload}; there are ${Object.keys(workloads).join(', ')}`)
    for (const [metric, [value, unit, target]] of Object.entries(await run(count, watchers))) {
      const row: Row = {
        workload,
        subject: 'mooring',
        metric,
        value,
        unit,
        ...(target === undefined ? {} : { target }),
      }
      rows.push(row)
      if (values.json) process.stdout.write(`${JSON.stringify(row)}\n`)
    }
  }
  const what = `${count} changes of one letter, ${perFrame} a frame; ${watchers} watchers in ${watcherProcesses} processes`
  if (!values.json) process.stdout.write(`daemon alone: ${what}\n\n${render(rows)}\n`)
  return 0
}

process.on('exit', () => {
  killAll()
  removeAllScratch()
})
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => process.exit(code))
}
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exit(await main())
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`)
    process.exit(2)
  }
}
