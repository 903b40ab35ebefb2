/** `moor logs`: the daemon's log file. Needs no daemon: it is most wanted when there is none. */
import { z } from 'zod'
import { MooringError } from '../../protocol/index.ts'
import { closest } from './closest.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { LogFile } from './log-file.ts'
import { LogFilter } from './log-filter.ts'
import { formatLogLine, type LogLine, logLevels, logLineShape, parseLogLine } from './log-line.ts'
import { safeId } from './sanitize.ts'

/** How often a growing file is looked at: notifications of the file system are not reliable everywhere. */
const pollMs = 200

export const logs = defineCommand({
  name: 'logs',
  summary: 'Show the log of the daemon',
  args: [],
  options: [
    { name: 'follow', short: 'f', summary: 'go on printing what is added, until Ctrl-C' },
    { name: 'lines', short: 'n', value: 'count', summary: 'so many of the last lines (default: 200)' },
    { name: 'level', value: 'level', summary: `this level and above: ${logLevels.join(', ')}`, values: logLevels },
    {
      name: 'plugin',
      value: 'name',
      summary: 'only lines of and about this plugin: name, peer id or words of the key',
    },
  ],
  examples: ['moor logs --level warn', 'moor logs -f --plugin weather', 'moor logs --json'],
  input: z.object({
    follow: z.boolean().default(false),
    lines: z
      .string()
      .regex(/^\d{1,5}$/, 'must be a whole number below 100000')
      .default('200')
      .transform(Number),
    level: z.enum(logLevels, `must be one of ${logLevels.join(', ')}`).optional(),
    plugin: z.string().min(1).max(128).optional(),
  }),
  data: logLineShape,
  isStream: true,
  async run(context, { follow, lines, level, plugin }) {
    const file = new LogFile(context.places.logFile)
    const filter = new LogFilter({ level, plugin })
    try {
      for (const line of await lastLines(file, lines, filter)) print(context, line)
      if (plugin !== undefined && !filter.isKnown) {
        const guess = closest(plugin, filter.names)
        const hint = guess === undefined ? '' : `; did you mean ${safeId(guess, 64)}?`
        context.output.note(`no line of the log is about ${safeId(plugin)}${hint}`)
      }
      if (follow) await followFile(context, file, filter)
    } finally {
      await file.close()
    }
  },
})

type Context = CommandContext<LogLine>

async function lastLines(file: LogFile, count: number, filter: LogFilter): Promise<LogLine[]> {
  const last: LogLine[] = []
  try {
    for await (const text of file.tail()) {
      const line = parseLogLine(text)
      if (!filter.passes(line)) continue
      last.push(line)
      // Cut now and then, not at every line: cutting costs as much as what is kept.
      if (last.length > 2 * count + 100) last.splice(0, last.length - count)
    }
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause
    throw new MooringError('daemon-unreachable', { detail: 'there is no log yet: no daemon was started here', cause })
  }
  return count === 0 ? [] : last.slice(-count)
}

async function followFile(context: Context, file: LogFile, filter: LogFilter): Promise<void> {
  const { clock, timeoutMs } = context
  const deadlineMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.monotonicMs() + timeoutMs
  while (clock.monotonicMs() < deadlineMs) {
    for await (const text of file.added()) {
      const line = parseLogLine(text)
      if (filter.passes(line)) print(context, line)
    }
    await context.sleep(pollMs)
  }
  throw new MooringError('timeout')
}

function print({ output }: Context, line: LogLine): void {
  const text = formatLogLine(line)
  output.answer(line, [
    line.level === 'error' ? output.paint('red', text) : line.level === 'warn' ? output.paint('yellow', text) : text,
  ])
}
