/** The recorded editing session, from one client to another, through a relay that counts. */
import { bytesBelow, residentMb } from '../proc-stats.ts'
import type { Sizes } from '../sizes.ts'
import { finalText } from '../trace.ts'
import type { Workload } from '../workload.ts'

interface ReplayInit {
  readonly perChange: number
  edits(sizes: Sizes): number
  /** From the end until the server's memory is looked at once more; 0: it is not. */
  restMs(sizes: Sizes): number
}

const replay = ({ perChange, edits, restMs }: ReplayInit): Workload => ({
  name: `replay-${perChange}`,
  what: (sizes) => `${edits(sizes)} edits of the recorded session, ${perChange} per change, to a second client`,
  metrics: [
    { name: 'converge_s', unit: 's', target: '≤ 1.3 × the writer_s of automerge-alone' },
    { name: 'writer_s', unit: 's' },
    { name: 'server_rss_mb', unit: 'MB', target: '≤ 420' },
    { name: 'server_rss_mb_after', unit: 'MB', target: '≤ 150' },
    { name: 'wire_bytes', unit: 'bytes' },
    { name: 'wire_bytes_up', unit: 'bytes', target: '≤ 12 an edit' },
    { name: 'wire_bytes_down', unit: 'bytes', target: '≤ 12 an edit' },
    { name: 'disk_bytes', unit: 'bytes' },
  ],
  async run(world, sizes) {
    const upTo = edits(sizes)
    const server = await world.startServer()
    const relay = await world.openRelay()
    const [writer, reader] = await Promise.all([world.connectClient(relay), world.connectClient(relay)])
    const held = { client: 'self', ref: await writer.do('create', { client: 'self', name: 'trace', text: '' }) }
    await reader.do('open', held)
    relay.reset()
    const [{ startMs, writtenMs }, endMs] = await Promise.all([
      writer.do('replay', { ...held, upTo, perChange }),
      reader.do('whenText', { ...held, ...finalText(upTo) }),
    ])
    await writer.do('settle', held)
    const { up, down } = relay.bytes
    const rss = residentMb(server.process.pid, 'peak')
    // What it keeps when all is done, both clients still there.
    await new Promise((resolve) => setTimeout(resolve, restMs(sizes)))
    const rssAfter = restMs(sizes) > 0 ? residentMb(server.process.pid, 'now') : undefined
    await Promise.all([writer.kill(), reader.kill()])
    await server.stop()
    return {
      converge_s: (endMs - startMs) / 1_000,
      writer_s: writtenMs / 1_000,
      server_rss_mb: rss,
      server_rss_mb_after: rssAfter,
      wire_bytes: up + down,
      wire_bytes_up: up,
      wire_bytes_down: down,
      disk_bytes: bytesBelow(world.dataDir),
    }
  },
  async local(sizes, runLocal) {
    return { writer_s: (await runLocal('replay', String(edits(sizes)), String(perChange), 'saved')) / 1_000 }
  },
})

export const replay1 = replay({ perChange: 1, edits: (sizes) => sizes.replay1, restMs: (sizes) => sizes.restMs })
export const replay100 = replay({ perChange: 100, edits: (sizes) => sizes.replay100, restMs: () => 0 })
