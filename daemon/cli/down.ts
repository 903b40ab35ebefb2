/** `moor down`: stops the daemon and waits until its process is gone, so that what follows may touch its files. */
import { z } from 'zod'
import { MooringError, type StatusCard } from '../../protocol/index.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { CommandError } from './failure.ts'

/** Open transactions and the last acknowledgements fit in this with room to spare. */
const defaultTimeoutMs = 30_000

export const down = defineCommand({
  name: 'down',
  summary: 'Stop the daemon and wait until it is gone',
  description: 'Nothing happens when none runs.',
  args: [],
  options: [],
  examples: ['moor down', 'moor down --timeout 1m'],
  input: z.object({}),
  data: z.strictObject({
    /** False: no daemon was running. */
    stopped: z.boolean(),
    pid: z.int().optional(),
  }),
  async run(context) {
    const { output } = context
    const card = await askToStop(context)
    if (card === undefined) return output.answer({ stopped: false }, ['no daemon is running'])
    output.note(`stopping pid ${card.pid} …`)
    await untilGone(context, card.pid)
    output.answer({ stopped: true, pid: card.pid }, ['stopped'])
  },
})

type Context = CommandContext<{ stopped: boolean; pid?: number | undefined }>

async function askToStop({ connect, call }: Context): Promise<StatusCard | undefined> {
  let card: StatusCard | undefined
  try {
    const client = await connect()
    card = await client.daemon.status({}, call())
    await client.daemon.stop({}, call())
  } catch (error) {
    const code = error instanceof MooringError ? error.code : undefined
    if (code === 'daemon-unreachable') return card
    // Once it was asked, a lost connection is part of stopping: whether it stops is seen from its process.
    if (card === undefined || (code !== 'connection-lost' && code !== 'daemon-stopping')) throw error
  }
  return card
}

async function untilGone({ clock, isAlive, sleep, timeoutMs = defaultTimeoutMs }: Context, pid: number): Promise<void> {
  const deadlineMs = clock.monotonicMs() + timeoutMs
  while (await isAlive(pid)) {
    if (clock.monotonicMs() >= deadlineMs) {
      throw new CommandError('timeout', { detail: `pid ${pid} is still there`, next: 'moor logs --level warn' })
    }
    await sleep(50)
  }
}
