/**
 * `npm run soak -- [--only NAME] [--count N] [--seed S] [--minutes M] [--list]`: faults on real processes, each campaign at its
 * long count unless told otherwise; with minutes, again and again with the next seed until they are over. Prints what was
 * measured, and for what failed the command that repeats it.
 */
import { parseArgs } from 'node:util'
import { type Campaign, replayCommand, Skipped } from '../test/soak/campaign.ts'
import { campaigns } from '../test/soak/index.ts'
import { abandonAll, Scene } from '../test/soak/scene.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    count: { type: 'string' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '0' },
    list: { type: 'boolean', default: false },
  },
})
if (values.list) {
  for (const { name, summary, counts, unit } of campaigns) console.log(`${name}  ${counts.long} ${unit}: ${summary}`)
  process.exit(0)
}
const chosen = campaigns.filter(({ name }) => values.only === undefined || name === values.only)
if (chosen.length === 0) {
  console.error(`no campaign ${values.only}; there are ${campaigns.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
const endMs = performance.now() + Number(values.minutes) * 60_000
const outcomes = { passed: 0, failed: 0, skipped: 0 }

async function runOne(campaign: Campaign, seed: string): Promise<void> {
  const { name, counts, unit } = campaign
  const count = Number(values.count ?? counts.long)
  const startMs = performance.now()
  const seconds = (): string => ((performance.now() - startMs) / 1_000).toFixed(1)
  const scene = new Scene()
  try {
    const figures = await campaign.run({ count, seed, scene })
    outcomes.passed++
    console.log(`${name}: ${count} ${unit}, seed ${seed}, ${seconds()} s`, figures)
  } catch (error) {
    if (error instanceof Skipped) {
      outcomes.skipped++
      console.log(`${name}: skipped, ${error.message}`)
      return
    }
    outcomes.failed++
    console.error(`${name}: FAILED after ${seconds()} s\n  ${replayCommand(name, { count, seed })}`)
    console.error(error)
  } finally {
    await scene.close()
  }
}

process.on('exit', abandonAll)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))

const isNumber = /^\d+$/.test(values.seed)
for (let round = 0; round === 0 || performance.now() < endMs; round++) {
  const seed = isNumber ? String(Number(values.seed) + round) : `${values.seed}.${round}`
  for (const campaign of chosen) await runOne(campaign, round === 0 ? values.seed : seed)
}
console.log(`${outcomes.passed} passed, ${outcomes.failed} failed, ${outcomes.skipped} skipped`)
if (outcomes.failed > 0) process.exitCode = 1
