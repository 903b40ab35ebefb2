/** A client without any data of its own opens the finished block; then another does, of a server that was just started. */
import { finalText } from '../trace.ts'
import type { Workload } from '../workload.ts'
import type { World } from '../world.ts'

/** The session is put in quickly: what is measured is reading it. */
const perChange = 100

export const cold: Workload = {
  name: 'cold',
  what: (sizes) =>
    `a fresh client opens the block of ${sizes.cold} edits (${perChange} per change); _restarted: of a server that was just started`,
  metrics: [
    { name: 'ms', unit: 'ms', target: '≤ 1.2 × automerge-alone' },
    { name: 'ms_restarted', unit: 'ms' },
  ],
  async run(world, sizes) {
    const text = finalText(sizes.cold)
    const server = await world.startServer()
    const [writer, reader] = await Promise.all([world.connectClient(), world.connectClient()])
    const ref = await writer.do('create', { client: 'self', name: 'trace', text: '' })
    const held = { client: 'self', ref }
    await reader.do('open', held)
    await Promise.all([
      writer.do('replay', { ...held, upTo: sizes.cold, perChange }),
      reader.do('whenText', { ...held, ...text }),
    ])
    await writer.do('settle', held)
    // Nobody but the server can answer, and it may let go of what nobody has open.
    await Promise.all([writer.kill(), reader.kill()])
    await world.quiet()
    const ms = await open(world, ref, text)
    await server.stop()
    await world.startServer()
    return { ms, ms_restarted: await open(world, ref, text) }
  },
  async local(sizes, runLocal) {
    await runLocal('replay', String(sizes.cold), String(perChange), 'saved')
    return { ms: await runLocal('cold', 'saved') }
  },
}

async function open(world: World, ref: string, text: { length: number; sha256: string }): Promise<number> {
  const client = world.startClient()
  const ms = await client.do('openCold', { ...(await world.access()), ref, ...text })
  await client.kill()
  return ms
}
