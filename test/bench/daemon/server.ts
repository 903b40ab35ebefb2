/**
 * The daemon in a process of its own, as `daemon/main.ts` runs it, with a look at its event loop and its threads: what
 * the product itself has no reason to measure.
 */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { createInterface } from 'node:readline'
import { createLog, parseConfig, startDaemon } from '../../../daemon/index.ts'
import { placesFrom } from '../../../protocol/index.ts'
import { percentile } from '../numbers.ts'
import type { ServerCommands, Spent, Spread } from './commands.ts'

const resolutionMs = 1
const usPerMs = 1_000
/** Clock ticks are a hundredth of a second on every Linux that Node runs on. */
const msPerTick = 10

process.umask(0o077)
const places = placesFrom({ env: process.env, platform: process.platform, homedir: homedir() })
mkdirSync(places.stateDir, { recursive: true, mode: 0o700 })
const { config } = parseConfig({ file: 'no file', env: process.env })
const daemon = await startDaemon({
  places,
  config,
  version: '0.0.0-bench',
  log: createLog({ level: config.log.level, levels: config.log.levels }),
  withUmask: (work) => work(),
})

/** Processor time so far, by the name of the thread. */
function cpuByThread(): Map<string, number> {
  const times = new Map<string, number>()
  try {
    for (const id of readdirSync('/proc/self/task')) {
      const stat = readFileSync(`/proc/self/task/${id}/stat`, 'utf8')
      const name = id === String(process.pid) ? 'main' : stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      times.set(name, (times.get(name) ?? 0) + (Number(fields[11]) + Number(fields[12])) * msPerTick)
    }
  } catch {
    const { user, system } = process.cpuUsage()
    times.set('main', (user + system) / 1_000)
  }
  return times
}

/** Looks every millisecond how long it had to wait for that, and how much of the time the thread was at work. */
class LoopWatch {
  #waited: number[] = []
  #worked: number[] = []
  #timer: NodeJS.Timeout | undefined

  begin(): void {
    this.#waited = []
    this.#worked = []
    let lastMs = performance.now()
    let lastCpu = process.threadCpuUsage()
    this.#timer = setInterval(() => {
      const nowMs = performance.now()
      const cpu = process.threadCpuUsage()
      this.#waited.push(Math.max(0, nowMs - lastMs - resolutionMs))
      this.#worked.push((cpu.user + cpu.system - lastCpu.user - lastCpu.system) / usPerMs)
      lastMs = nowMs
      lastCpu = cpu
    }, resolutionMs)
  }

  end(): Pick<Spent, 'delayMs' | 'turnMs'> {
    clearInterval(this.#timer)
    return { delayMs: spread(this.#waited), turnMs: spread(this.#worked) }
  }
}

const spread = (values: readonly number[]): Spread => ({
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
  p999: percentile(values, 0.999),
  max: percentile(values, 1),
})

const loop = new LoopWatch()
let before = new Map<string, number>()

const commands: ServerCommands = {
  async begin() {
    before = cpuByThread()
    loop.begin()
  },
  async end() {
    const watched = loop.end()
    const cpuMs = [...cpuByThread()].map(([name, total]) => [name, total - (before.get(name) ?? 0)])
    return {
      ...watched,
      cpuMs: Object.fromEntries(cpuMs.filter(([, spent]) => Number(spent) > 0)),
    }
  },
}

const run = commands as unknown as Readonly<Record<keyof ServerCommands, (input: unknown) => Promise<unknown>>>

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, command } = JSON.parse(line) as { id: number; command: keyof ServerCommands }
    void run[command]({}).then((result) => process.stdout.write(`${JSON.stringify({ id, result: result ?? null })}\n`))
  })
  .on('close', () => process.exit(0))

process.on('SIGTERM', () => void daemon.stop().then(() => process.exit(0)))
process.send?.({ kind: 'ready' })
