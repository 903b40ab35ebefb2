/** One writer at full speed, many watchers that read the text whenever it changed. */
import type { Held } from '../commands.ts'
import type { Sizes } from '../sizes.ts'
import type { Workload } from '../workload.ts'
import type { ClientProcess } from '../world.ts'

const warmUps = 50
/** Two cores cannot run more, and each process reads one text for many. */
const watcherProcesses = 2

interface Watcher {
  readonly process: ClientProcess
  readonly held: Held
}

const fanout = (watchers: number, edits: (sizes: Sizes) => number): Workload => ({
  name: `fanout-${watchers}`,
  what: (sizes) => `one writer, ${edits(sizes)} edits at full speed, ${watchers} watchers that read the text`,
  metrics: [{ name: 'deliveries_per_s', unit: '1/s', ...(watchers === 50 ? { target: '≥ 2 × automerge-repo' } : {}) }],
  async run(world, sizes) {
    const count = edits(sizes)
    await world.startServer()
    const writer = await world.connectClient()
    const ref = await writer.do('create', { client: 'self', name: 'fanout', text: '.' })
    const watching = await Promise.all(
      Array.from({ length: watcherProcesses }, async (_, first) => {
        const process = world.startClient()
        const own: Watcher[] = []
        // One after the other: a storm of handshakes is another workload.
        for (let index = first; index < watchers; index += watcherProcesses) {
          const held = { client: `watcher-${index}`, ref }
          await world.connect(process, held.client)
          await process.do('open', held)
          await process.do('watch', held)
          own.push({ process, held })
        }
        return own
      }),
    )
    const all = watching.flat()
    const typeAndSee = async (edits: number, length: number): Promise<{ startMs: number; endMs: number }> => {
      const [atMs, ...marks] = await Promise.all([
        writer.do('type', { client: 'self', ref, count: edits, everyMs: 0 }),
        ...all.map(({ process, held }) => process.do('seen', { ...held, length })),
      ])
      const last = marks.map(({ lengths, atMs }) => atMs[lengths.findIndex((seen) => seen >= length)] ?? Number.NaN)
      return { startMs: atMs[0] ?? Number.NaN, endMs: Math.max(...last) }
    }
    await typeAndSee(warmUps, 1 + warmUps)
    const { startMs, endMs } = await typeAndSee(count, 1 + warmUps + count)
    return { deliveries_per_s: (watchers * count * 1_000) / (endMs - startMs) }
  },
})

export const fanout10 = fanout(10, (sizes) => sizes.fanout10)
export const fanout50 = fanout(50, (sizes) => sizes.fanout50)
