/** One line of the daemon's log. Keeps true: a line that is not ours (a crash of the runtime) is shown too, never dropped. */
import { z } from 'zod'
import { isPeerId, limits } from '../../protocol/index.ts'
import { person, safeId, safeLine } from './sanitize.ts'

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

export const logLineShape = z.strictObject({
  /** Null: the line is plain text, all of it in `text`. */
  time: z.string().nullable(),
  level: z.enum(logLevels).nullable(),
  /** Subsystem; `plugin` for lines that a plugin forwarded. */
  sub: z.string().nullable(),
  plugin: z.string().optional(),
  peer: z.string().optional(),
  text: z.string(),
  /** Everything else that was logged with it. */
  fields: z.record(z.string(), z.unknown()),
})
export type LogLine = z.output<typeof logLineShape>

const written = z.looseObject({
  time: z.string().nullable().catch(null),
  level: z.enum(logLevels).nullable().catch(null),
  sub: z.string().nullable().catch(null),
  plugin: z.string().optional().catch(undefined),
  peer: z.string().optional().catch(undefined),
  msg: z.string().catch(''),
})

export function parseLogLine(line: string): LogLine {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    // Not JSON: what the runtime itself prints when it ends.
  }
  const found = written.safeParse(value)
  if (!found.success) return { time: null, level: null, sub: null, text: line, fields: {} }
  const { time, level, sub, plugin, peer, msg, ...fields } = found.data
  return {
    time,
    level,
    sub,
    ...(plugin === undefined ? {} : { plugin }),
    ...(peer === undefined ? {} : { peer }),
    text: msg,
    fields,
  }
}

export interface LogFilter {
  /** This level and above; lines without a level always pass, since they are the worst. */
  readonly level?: LogLevel | undefined
  /** Name or peer id. */
  readonly plugin?: string | undefined
}

export function passes(line: LogLine, { level, plugin }: LogFilter): boolean {
  if (plugin !== undefined && line.plugin !== plugin && line.peer !== plugin) return false
  return level === undefined || line.level === null || logLevels.indexOf(line.level) >= logLevels.indexOf(level)
}

/** For a person, on one line whatever is in it. */
export function formatLogLine(line: LogLine): string {
  const text = safeLine(line.text, limits.maxLogLineChars)
  if (line.time === null && line.level === null) return text
  const who = authorOf(line)
  const extra = Object.entries(line.fields)
    .slice(0, 32)
    .map(
      ([name, value]) =>
        `${safeId(name, 32)}=${safeLine(typeof value === 'string' ? value : JSON.stringify(value), 200)}`,
    )
  return [safeId(line.time ?? '-', 32), (line.level ?? '-').padEnd(5), who, text, ...extra].join('  ')
}

function authorOf({ sub, plugin, peer }: LogLine): string {
  if (plugin === undefined) return safeId(sub ?? '-', 32)
  if (peer !== undefined && isPeerId(peer)) return person({ name: plugin, peer })
  return `${safeId(plugin, 64)} (no key)`
}
