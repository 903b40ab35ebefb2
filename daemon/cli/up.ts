/** `moor up`: starts the daemon, or finds it running; either way the card is the answer. */
import { z } from 'zod'
import { controlProtocol, MooringError, type StatusCard } from '../../protocol/index.ts'
import { nextAfterStatus, statusLines } from './card.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { CommandError } from './failure.ts'
import { safeLine } from './sanitize.ts'

/** The first start makes the key and the database; on a slow disk that takes seconds. */
const defaultTimeoutMs = 30_000

export const up = defineCommand({
  name: 'up',
  summary: 'Start the daemon in the background and show its card',
  description:
    'Nothing happens when it runs already: the same card is shown. With --foreground a daemon that runs already is an error.',
  args: [],
  options: [{ name: 'foreground', summary: 'stay in this terminal, log to standard error, end with Ctrl-C' }],
  examples: ['moor up', 'moor up --foreground', 'moor up --json'],
  input: z.object({ foreground: z.boolean().default(false) }),
  data: z.strictObject({
    /** False: it was running before, or another command started it at the same moment. */
    started: z.boolean(),
    daemon: controlProtocol.ops['daemon.status'].output,
  }),
  async run(context, { foreground }) {
    const running = await statusIfRunning(context)
    if (foreground) {
      if (running !== undefined)
        throw new CommandError('state-in-use', { detail: `pid ${running.pid}`, next: 'moor down' })
      return context.exitWith(await context.runDaemon())
    }
    const { card, started } = running === undefined ? await start(context) : { card: running, started: false }
    const note = started ? (card.firstStart ? 'first start: new identity' : undefined) : 'already running'
    context.output.answer({ started, daemon: card }, statusLines(card, context.clock.nowMs(), note))
    context.output.next(nextAfterStatus(card))
  },
})

type Context = CommandContext<{ started: boolean; daemon: StatusCard }>

async function statusIfRunning({ connect, call }: Context): Promise<StatusCard | undefined> {
  try {
    return await (await connect()).daemon.status({}, call())
  } catch (error) {
    if (error instanceof MooringError && error.code === 'daemon-unreachable') return undefined
    throw error
  }
}

async function start(context: Context): Promise<{ card: StatusCard; started: boolean }> {
  const { output, launch, places, env, clock, signal } = context
  const timeoutMs = context.timeoutMs ?? defaultTimeoutMs
  const deadlineMs = clock.monotonicMs() + timeoutMs
  output.note('starting the daemon …')
  try {
    const onWarning = (text: string): void => output.note(`warning: ${safeLine(text, 400)}`)
    await launch({ places, env, clock, signal, timeoutMs, onWarning })
  } catch (error) {
    // Two starts at once: one of them wins, and both show its card. Until it answers it is on its way.
    if (!(error instanceof MooringError) || error.code !== 'state-in-use') throw withLogs(error)
    return { card: await waitForStatus(context, deadlineMs, error), started: false }
  }
  return { card: await (await context.connect()).daemon.status({}, context.call()), started: true }
}

async function waitForStatus(context: Context, deadlineMs: number, reason: MooringError): Promise<StatusCard> {
  for (;;) {
    const card = await statusIfRunning(context)
    if (card !== undefined) return card
    if (context.clock.monotonicMs() >= deadlineMs) throw reason
    await context.sleep(100)
  }
}

/** What the daemon wrote before it ended is in its log. */
function withLogs(error: unknown): unknown {
  if (!(error instanceof MooringError) || (error.code !== 'internal' && error.code !== 'timeout')) return error
  const detail = error.detail === undefined ? {} : { detail: error.detail }
  return new CommandError(error.code, { ...detail, next: 'moor logs --level warn', cause: error })
}
