/**
 * `npm run bench`: measures Mooring beside its peers, on this machine, in one run. One run of one workload at a time, in
 * turns between the subjects, so that a machine that gets slower gets slower for all. Leaves no process behind, also
 * when it is interrupted.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { renderChart } from './chart.ts'
import { installPeers } from './install.ts'
import { median } from './numbers.ts'
import { type Options, parseOptions, usage } from './options.ts'
import { Child, killAll } from './processes.ts'
import { localName, type Result, type Row, renderTable } from './results.ts'
import { makeScratch, removeAllScratch, removeScratch } from './scratch.ts'
import type { Sizes } from './sizes.ts'
import type { RunLocal, Values, Workload } from './workload.ts'
import { World } from './world.ts'

const say = (text: string): void => void process.stderr.write(`${text}\n`)

/** One try: values, or why there are none. */
type Attempt = { readonly values: Values } | { readonly why: string }

async function attempt(work: () => Promise<Values>): Promise<Attempt> {
  try {
    return { values: await work() }
  } catch (error) {
    return { why: reasonOf(error instanceof Error ? error.message : String(error)) }
  }
}

const root = fileURLToPath(new URL('../../', import.meta.url))

/** One line of what may be the whole last output of a process, with paths as they are in the project. */
function reasonOf(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const reason = lines.find((line) => /^\w*Error\b/.test(line)) ?? lines[0] ?? 'no reason was given'
  return reason.replaceAll(root, '').slice(0, 300)
}

/** In a world of its own, whatever came before. */
async function runOnce(workload: Workload, subject: Options['subjects'][number], sizes: Sizes): Promise<Values> {
  const leftMs = sizes.budgetMs - performance.now()
  if (leftMs <= 0)
    throw new Error(`left out: the ${Math.round(sizes.budgetMs / 1_000)} s of a ${sizes.name} run were over`)
  const world = new World(subject, Math.min(sizes.limitMs, leftMs))
  try {
    return await workload.run(world, sizes)
  } finally {
    await world.close()
  }
}

async function runLocalOnce(local: NonNullable<Workload['local']>, sizes: Sizes): Promise<Values> {
  const dir = makeScratch()
  // The last argument of a command that keeps something is a name in this folder.
  const runLocal: RunLocal = async (command, ...args) => {
    const paths = args.map((arg) => (arg === 'saved' ? join(dir, arg) : arg))
    const child = new Child(new URL('./local.ts', import.meta.url), [command, ...paths], {})
    const { tookMs } = await child.ready()
    child.kill()
    await child.exited
    return Number(tookMs)
  }
  try {
    return await local(sizes, runLocal)
  } finally {
    removeScratch(dir)
  }
}

function summarise(workload: Workload, subject: string, attempts: readonly Attempt[]): Result {
  const values = attempts.flatMap((each) => ('values' in each ? [each.values] : []))
  const failed = attempts.flatMap((each) => ('why' in each ? [each.why] : []))
  const rows = workload.metrics.flatMap(({ name, unit }): Row[] => {
    const measured = values.map((each) => each[name]).filter((value) => value !== undefined)
    // Automerge alone has only some of the metrics; a subject has all, or none and a reason.
    if (measured.length === 0 && subject === localName) return []
    const value = measured.length === 0 ? null : workload.worstCounts ? Math.max(...measured) : median(measured)
    return [{ workload: workload.name, subject, metric: name, value, unit }]
  })
  const why = failed[0] === undefined ? {} : { why: `${failed.length} of ${attempts.length} runs failed: ${failed[0]}` }
  return { workload, subject, rows, ...why }
}

async function measure(workload: Workload, { sizes, subjects }: Options): Promise<Result[]> {
  const repeats = workload.repeats?.(sizes) ?? sizes.repeats
  const attempts = new Map<string, Attempt[]>(subjects.map(({ name }) => [name, []]))
  const note = (name: string, done: Attempt): void => {
    attempts.set(name, [...(attempts.get(name) ?? []), done])
    say(`${workload.name}  ${name}  ${'why' in done ? done.why : JSON.stringify(done.values)}`)
  }
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const subject of subjects) {
      // A subject that did not get there once does not get there: it must not cost the limit again.
      if (attempts.get(subject.name)?.some((each) => 'why' in each)) continue
      note(subject.name, await attempt(() => runOnce(workload, subject, sizes)))
    }
    const { local } = workload
    if (local !== undefined) note(localName, await attempt(() => runLocalOnce(local, sizes)))
  }
  return [...attempts].map(([name, all]) => summarise(workload, name, all))
}

async function main(): Promise<number> {
  let options: Options | undefined
  try {
    options = parseOptions(process.argv.slice(2))
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    say(usage)
    return 2
  }
  if (options === undefined) {
    process.stdout.write(`${usage}\n`)
    return 0
  }
  const { asJson, sizes, subjects } = options
  if (subjects.some(({ name }) => name !== 'mooring')) installPeers(say)
  const [load = 0] = loadavg()
  const results: Result[] = []
  for (const workload of options.workloads) {
    const measured = await measure(workload, options)
    results.push(...measured)
    // At once: what was measured stays measured when the rest is interrupted.
    if (asJson) for (const row of measured.flatMap(({ rows }) => rows)) process.stdout.write(`${JSON.stringify(row)}\n`)
  }
  const names = [
    ...subjects.map(({ name }) => name),
    ...(results.some(({ subject }) => subject === localName) ? [localName] : []),
  ]
  const table = renderTable({ results, subjects: names, describe: (workload) => workload.what(sizes) })
  const [cpu] = cpus()
  const head = [
    `${sizes.name} run, medians of ${sizes.repeats}; Node ${process.version}, ${availableParallelism()} × ${cpu?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GB`,
    ...(load > availableParallelism() / 2
      ? [`the machine was busy with something else: load ${load.toFixed(1)} at the start`]
      : []),
    ...subjects.map(({ name, what }) => `${name}: ${what}`),
    `÷: ${subjects[0]?.name} divided by the other; below 1 is less time, memory or bytes, and for deliveries_per_s slower`,
  ].join('\n')
  if (!asJson) process.stdout.write(`${head}\n\n${table}\n`)
  keep(results, names, `${head}\n\n${table}\n`)
  return 0
}

function keep(results: readonly Result[], names: readonly string[], text: string): void {
  const folder = new URL('./results/', import.meta.url)
  mkdirSync(folder, { recursive: true })
  writeFileSync(new URL('bench.svg', folder), renderChart(results, names))
  writeFileSync(new URL('bench.txt', folder), text)
  const lines = results.flatMap(({ rows }) => rows).map((row) => `${JSON.stringify(row)}\n`)
  writeFileSync(new URL('bench.jsonl', folder), lines.join(''))
  say(`written: ${fileURLToPath(folder)}bench.svg, bench.txt, bench.jsonl`)
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
process.exit(await main())
