/** The server is killed while two clients work. What one had seen of the other, and nobody has afterwards, is lost. */
import type { Workload } from '../workload.ts'

const chars = 1_000
const everyMs = 10
/** A server may load what it has stored after it has answered; one that has nothing more is quiet. */
const quietMs = 1_500

export const crash: Workload = {
  name: 'crash',
  what: ({ crashEdits }) =>
    `SIGKILL the server the instant B saw the ${crashEdits}th edit of A (100/s): edits that B had seen and a new client does not find; the worst of all runs`,
  metrics: [{ name: 'lost', unit: 'edits', target: '0' }],
  repeats: ({ crashRepeats }) => crashRepeats,
  worstCounts: true,
  async run(world, { crashEdits }) {
    const server = await world.startServer()
    const [a, b] = await Promise.all([world.connectClient(), world.connectClient()])
    const ref = await a.do('create', { client: 'self', name: 'crash', text: '.'.repeat(chars) })
    const held = { client: 'self', ref }
    await b.do('open', held)
    const typing = a.do('type', { ...held, count: crashEdits * 4, everyMs })
    // It is killed with its client, in the middle of it.
    typing.catch(() => {})
    const seen = (await b.do('killAt', { ...held, length: chars + crashEdits, pid: server.process.pid })) - chars
    // Before the server is back: neither of them may tell it what it has lost.
    await Promise.all([a.kill(), b.kill(), server.process.exited])
    await world.startServer()
    const witness = await world.connectClient()
    try {
      await witness.do('open', held)
    } catch {
      // A subject that does not know the document any more says so here.
      return { lost: seen }
    }
    const found = (await witness.do('lengthAfter', { ...held, length: chars + seen, quietMs })) - chars
    return { lost: Math.max(0, seen - Math.max(0, found)) }
  },
}
