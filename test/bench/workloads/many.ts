/** A new client reads many small blocks. */
import { residentMb } from '../proc-stats.ts'
import type { Workload } from '../workload.ts'
import { writtenMs } from '../world.ts'

const chars = 100

export const many: Workload = {
  name: 'many',
  what: ({ manyBlocks }) => `one new client reads ${manyBlocks} blocks of ${chars} characters`,
  metrics: [
    { name: 'seconds', unit: 's', target: '≤ 1.5 × automerge-alone' },
    { name: 'server_rss_mb', unit: 'MB', target: '≤ 150' },
  ],
  async run(world, { manyBlocks }) {
    const server = await world.startServer()
    const writer = await world.connectClient()
    const refs = await writer.do('createMany', { client: 'self', count: manyBlocks, text: 'x'.repeat(chars) })
    await world.quiet(writtenMs)
    const reader = world.startClient()
    const ms = await reader.do('openMany', { ...(await world.access()), refs, length: chars })
    return { seconds: ms / 1_000, server_rss_mb: residentMb(server.process.pid, 'peak') }
  },
  async local({ manyBlocks }, runLocal) {
    return { seconds: (await runLocal('many', String(manyBlocks), String(chars))) / 1_000 }
  },
}
