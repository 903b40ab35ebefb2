/**
 * `npm run sim -- [--count N] [--seed S] [--twice] [--trace]`: simulated schedules of block sync, from seed S on. Prints
 * what went wrong with the command that repeats it, and which situations were reached how often.
 */
import { parseArgs } from 'node:util'
import { situations } from '../test/network/sim-report.ts'
import { replayCommand, simulate } from '../test/network/simulator.ts'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    twice: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
})
const first = Number(values.seed)
const count = Number(values.count)
const counts = new Map<string, number>()
let failed = 0

for (let n = 0; n < count; n++) {
  const seed = String(first + n)
  const run = await simulate(seed, { keepsLines: values.trace })
  const problems = [...run.failures]
  if (values.twice) {
    const again = await simulate(seed)
    if (again.hash !== run.hash) problems.push('the same seed gave another trace')
  }
  for (const [what, times] of run.counts) counts.set(what, (counts.get(what) ?? 0) + times)
  for (const line of run.lines) console.log(line)
  if (problems.length === 0) continue
  failed++
  console.error(
    `seed ${seed} failed (${[...run.counts.keys()].filter((what) => situations.some((each) => each === what)).join(', ')})\n${problems.map((problem) => `  ${problem}`).join('\n')}\n  ${replayCommand(seed)}`,
  )
}

console.log(`${count} schedules, ${failed} failed`)
for (const situation of situations) console.log(`  ${String(counts.get(situation) ?? 0).padStart(8)}  ${situation}`)
for (const [what, times] of counts) {
  if (!situations.some((situation) => situation === what)) console.log(`  ${String(times).padStart(8)}  (${what})`)
}
if (failed > 0) process.exitCode = 1
