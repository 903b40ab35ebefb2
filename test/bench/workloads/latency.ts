/** From a local change to the other client's callback, with the text in hand. */
import type { Marks } from '../commands.ts'
import { percentile } from '../numbers.ts'
import type { Workload } from '../workload.ts'

/** Characters of the block when it begins. */
const chars = 1_000
const warmUps = 50

export const latency: Workload = {
  name: 'latency',
  what: ({ latencyPaced, latencyMax }) =>
    `1,000-character block, ${latencyPaced} edits at 10/s, then ${latencyMax} as fast as it goes (_max)`,
  metrics: [
    { name: 'p50_ms', unit: 'ms', target: '≤ 3.5' },
    { name: 'p99_ms', unit: 'ms', target: '≤ 12' },
    { name: 'p50_ms_max', unit: 'ms' },
    { name: 'p99_ms_max', unit: 'ms' },
  ],
  async run(world, { latencyPaced, latencyMax }) {
    await world.startServer()
    const [writer, reader] = await Promise.all([world.connectClient(), world.connectClient()])
    const ref = await writer.do('create', { client: 'self', name: 'latency', text: '.'.repeat(chars) })
    const held = { client: 'self', ref }
    await reader.do('open', held)
    await reader.do('watch', held)
    let typed = chars
    const typeAndSee = async (count: number, everyMs: number): Promise<readonly number[]> => {
      const from = typed
      typed += count
      const [atMs, marks] = await Promise.all([
        writer.do('type', { ...held, count, everyMs }),
        reader.do('seen', { ...held, length: typed }),
      ])
      return delays(atMs, marks, from)
    }
    await typeAndSee(warmUps, 10)
    const paced = await typeAndSee(latencyPaced, 100)
    const max = await typeAndSee(latencyMax, 0)
    return {
      p50_ms: percentile(paced, 0.5),
      p99_ms: percentile(paced, 0.99),
      p50_ms_max: percentile(max, 0.5),
      p99_ms_max: percentile(max, 0.99),
    }
  },
}

/** The i-th edit has arrived when the text is longer than `from` + i. */
function delays(typedAtMs: readonly number[], { lengths, atMs }: Marks, from: number): number[] {
  let mark = 0
  return typedAtMs.map((typedMs, index) => {
    while ((lengths[mark] ?? Number.POSITIVE_INFINITY) <= from + index) mark++
    return (atMs[mark] ?? Number.NaN) - typedMs
  })
}
