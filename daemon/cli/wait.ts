/** `moor wait`: for scripts, until the daemon answers or a plugin is connected. */
import { z } from 'zod'
import { controlProtocol, MooringError, type PeerCard, type StatusCard } from '../../protocol/index.ts'
import { peerLines, statusLines } from './card.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { formatDuration } from './duration.ts'
import { CommandError } from './failure.ts'

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
    const waited = await untilAnswered(context, plugin, context.timeoutMs ?? defaultTimeoutMs)
    const lines =
      waited.plugin === undefined ? statusLines(waited.daemon, context.clock.nowMs()) : peerLines(waited.plugin)
    context.output.answer(waited, lines)
  },
})

async function untilAnswered(
  context: CommandContext<Waited>,
  plugin: string | undefined,
  timeoutMs: number,
): Promise<Waited> {
  const deadlineMs = context.clock.monotonicMs() + timeoutMs
  let hasAnswered = false
  for (;;) {
    const leftMs = Math.max(1, Math.floor(deadlineMs - context.clock.monotonicMs()))
    try {
      const client = await context.connect({ timeoutMs: leftMs })
      const options = { signal: context.signal, timeoutMs: leftMs }
      const daemon = await client.daemon.status({}, options)
      hasAnswered = true
      if (plugin === undefined) return { daemon }
      return { daemon, plugin: await client.peer.wait({ who: plugin }, options) }
    } catch (error) {
      if (!(error instanceof MooringError)) throw error
      // A daemon that is restarted meanwhile is waited for again.
      const isGone = error.category === 'unavailable'
      if (!isGone && error.code !== 'timeout') throw error
      if (!isGone || context.clock.monotonicMs() >= deadlineMs) {
        const within = `within ${formatDuration(timeoutMs)}`
        throw plugin !== undefined && hasAnswered
          ? new CommandError('timeout', {
              detail: `${plugin} did not connect ${within}`,
              next: 'moor peers',
              cause: error,
            })
          : new CommandError('timeout', { detail: `no daemon answered ${within}`, next: 'moor up', cause: error })
      }
    }
    await context.sleep(100)
  }
}
