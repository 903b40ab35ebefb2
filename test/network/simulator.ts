/**
 * Block sync in simulated time: the real log, sessions, replicas and Automerge, with the network, the disk, the clock and
 * chance drawn from one seed. The same seed gives the same schedule to the last byte, so a failure can be looked at.
 */
import { checkWorld } from './sim-checks.ts'
import { SimRandom } from './sim-random.ts'
import { SimReport } from './sim-report.ts'
import { Schedule } from './sim-schedule.ts'

export interface Simulation {
  readonly seed: string
  /** Hash over everything that happened, in order. */
  readonly hash: string
  readonly failures: readonly string[]
  readonly counts: ReadonlyMap<string, number>
  /** Every line behind the hash, when asked for. */
  readonly lines: readonly string[]
}

export async function simulate(seed: string, options: { readonly keepsLines?: boolean } = {}): Promise<Simulation> {
  const report = new SimReport(seed, options.keepsLines === true)
  const schedule = await Schedule.create(new SimRandom(seed), report)
  const { world } = schedule
  try {
    await schedule.run()
    await checkWorld(world, schedule.hostile?.forbidden ?? new Map())
  } catch (error) {
    report.fail(`the simulation threw: ${String((error as Error).stack)}`)
  }
  const hash = report.digest()
  for (const replica of world.replicas) await replica.discard()
  world.life?.kill()
  await world.disk.inner.close()
  return { seed, hash, failures: report.failures, counts: report.counts, lines: report.lines ?? [] }
}

export const replayCommand = (seed: string): string => `npm run sim -- --seed ${seed} --count 1 --trace`
