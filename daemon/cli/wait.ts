/** `moor wait`: for scripts, until the daemon answers or a plugin is connected. */
import { z } from 'zod'
import { controlProtocol, MooringError, type PeerCard, type StatusCard } from '../../protocol/index.ts'
import { peerLines, statusLines } from './card.ts'
import { type CommandContext, defineCommand } from './command.ts'

const defaultTimeoutMs = 60_000

interface Waited {
  daemon: StatusCard
  plugin?: PeerCard | undefined
}

export const wait = defineCommand({
  name: 'wait',
  summary: 'Wait until the daemon answers, or until a plugin is connected',
  args: [],
  options: [{ name: 'plugin', value: 'name', summary: 'name, key or words of the plugin to wait for' }],
  examples: ['moor wait', 'moor wait --plugin weather --timeout 2m'],
  input: z.object({ plugin: z.string().min(1).max(128).optional() }),
  data: z.strictObject({
    daemon: controlProtocol.ops['daemon.status'].output,
    plugin: controlProtocol.ops['peer.wait'].output.optional(),
  }),
  async run(context, { plugin }) {
    const deadlineMs = context.clock.monotonicMs() + (context.timeoutMs ?? defaultTimeoutMs)
    const waited = await untilAnswered(context, plugin, deadlineMs)
    const lines =
      waited.plugin === undefined ? statusLines(waited.daemon, context.clock.nowMs()) : peerLines(waited.plugin)
    context.output.answer(waited, lines)
  },
})

async function untilAnswered(
  context: CommandContext<Waited>,
  plugin: string | undefined,
  deadlineMs: number,
): Promise<Waited> {
  for (;;) {
    const leftMs = Math.max(1, Math.floor(deadlineMs - context.clock.monotonicMs()))
    try {
      const client = await context.connect({ timeoutMs: leftMs })
      const options = { signal: context.signal, timeoutMs: leftMs }
      const daemon = await client.daemon.status({}, options)
      if (plugin === undefined) return { daemon }
      return { daemon, plugin: await client.peer.wait({ who: plugin }, options) }
    } catch (error) {
      // A daemon that is restarted meanwhile is waited for again.
      const isGone = error instanceof MooringError && error.category === 'unavailable'
      if (!isGone) throw error
      if (context.clock.monotonicMs() >= deadlineMs)
        throw new MooringError('timeout', { cause: error, detail: error.message })
    }
    await context.sleep(100)
  }
}
