/** Two clients edit, one of them offline; it comes back, and both get what they lack. */
import type { Workload } from '../workload.ts'

const chars = 1_000
/** Long enough to hang up. */
const hangUpMs = 500

export const reconnect: Workload = {
  name: 'reconnect',
  what: ({ reconnectEdits }) =>
    `A makes ${reconnectEdits} edits offline, B as many online; from A being told to connect until both have all; bytes of A's link`,
  metrics: [
    { name: 'ms', unit: 'ms', target: '≤ 70' },
    { name: 'bytes', unit: 'bytes', target: '≤ 20,000' },
  ],
  async run(world, { reconnectEdits: edits }) {
    await world.startServer()
    const cable = await world.openRelay()
    const [a, b] = await Promise.all([world.connectClient(cable), world.connectClient()])
    const held = {
      client: 'self',
      ref: await b.do('create', { client: 'self', name: 'both', text: '.'.repeat(chars) }),
    }
    await a.do('open', held)
    await Promise.all([a.do('watch', held), b.do('watch', held)])
    // One subject hangs up by itself, another has to notice that the cable is cut.
    const offline = a.do('goOffline', { client: 'self' })
    await Promise.race([offline, new Promise((resolve) => setTimeout(resolve, hangUpMs))])
    cable.cut()
    await offline
    await Promise.all([
      a.do('type', { ...held, count: edits, everyMs: 0 }),
      b.do('type', { ...held, count: edits, everyMs: 0 }),
    ])
    await b.do('settle', held)
    await world.quiet()
    await a.do('readyToGoOnline', { client: 'self' })
    cable.reset()
    cable.heal()
    const length = chars + 2 * edits
    const [startMs, ...marks] = await Promise.all([
      a.do('goOnline', { client: 'self' }),
      a.do('seen', { ...held, length }),
      b.do('seen', { ...held, length }),
    ])
    const endMs = marks.map(({ lengths, atMs }) => atMs[lengths.findIndex((seen) => seen >= length)] ?? Number.NaN)
    return { ms: Math.max(...endMs) - startMs, bytes: cable.bytes.up + cable.bytes.down }
  },
}
