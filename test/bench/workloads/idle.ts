/** Many clients that are connected, have a block open, and do nothing. */
import { cpuMs, residentMb } from '../proc-stats.ts'
import type { Workload } from '../workload.ts'
import { writtenMs } from '../world.ts'

const processes = 4

export const idle: Workload = {
  name: 'idle',
  what: ({ idleClients, idleMs }) =>
    `${idleClients} clients in ${processes} processes, connected, each with a block of its own, for ${idleMs / 1_000} s`,
  metrics: [
    { name: 'server_rss_mb', unit: 'MB' },
    { name: 'server_rss_mb_per_client', unit: 'MB', target: '≤ 0.5' },
    { name: 'cpu_pct', unit: '%', target: '≤ 5' },
  ],
  async run(world, { idleClients, idleMs }) {
    const { pid } = (await world.startServer()).process
    const before = residentMb(pid, 'now')
    await Promise.all(
      Array.from({ length: processes }, async (_, process) => {
        const child = world.startClient()
        // One after the other: a storm of handshakes is another workload.
        for (let index = process; index < idleClients; index += processes) {
          const client = `idle-${index}`
          await world.connect(child, client)
          await child.do('create', { client, name: client, text: 'idle', isUrgent: true })
        }
      }),
    )
    await world.quiet(writtenMs)
    const [fromMs, from] = [cpuMs(pid), performance.now()]
    await new Promise((resolve) => setTimeout(resolve, idleMs))
    const [toMs, to] = [cpuMs(pid), performance.now()]
    const after = residentMb(pid, 'now')
    return {
      server_rss_mb: after,
      server_rss_mb_per_client:
        after === undefined || before === undefined ? undefined : (after - before) / idleClients,
      cpu_pct: fromMs === undefined || toMs === undefined ? undefined : ((toMs - fromMs) * 100) / (to - from),
    }
  },
}
