/** One line of the daemon's log. Keeps true: a line that is not ours (a crash of the runtime) is shown too, never dropped. */
import { z } from 'zod'
import { isErrorCode, isPeerId, limits, type PeerId } from '../../protocol/index.ts'
import { keyOf, person, safeId, safeLine } from './sanitize.ts'

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

export const logLineShape = z.strictObject({
  /** Null: the line is plain text, all of it in `text`. */
  time: z.string().nullable(),
  level: z.enum(logLevels).nullable(),
  /** Subsystem; `plugin` for lines that a plugin forwarded. */
  sub: z.string().nullable(),
  /** The plugin that forwarded the line. */
  plugin: z.string().optional(),
  /** The plugin that a line of the daemon is about. */
  name: z.string().optional(),
  /** The key of either. */
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
  name: z.string().optional().catch(undefined),
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
  const { time, level, sub, plugin, name, peer, msg, ...fields } = found.data
  return {
    time,
    level,
    sub,
    ...(plugin === undefined ? {} : { plugin }),
    ...(name === undefined ? {} : { name }),
    ...(peer === undefined ? {} : { peer }),
    text: msg,
    fields,
  }
}

/** For a person, on one line whatever is in it. */
export function formatLogLine(line: LogLine): string {
  const text = safeLine(line.text, limits.maxLogLineChars)
  if (line.time === null && line.level === null) return text
  const who = line.plugin === undefined ? safeId(line.sub ?? '-', 32) : personOf(line.plugin, line.peer)
  const extra = Object.entries(line.fields)
    .slice(0, 32)
    .map(
      ([name, value]) =>
        `${safeId(name, 32)}=${safeLine(name === 'err' ? errorText(value) : typeof value === 'string' ? value : JSON.stringify(value), 200)}`,
    )
  return [safeId(line.time ?? '-', 32), (line.level ?? '-').padEnd(5), who, text, ...subjectOf(line), ...extra].join(
    '  ',
  )
}

/** Who a line of the daemon is about: the name is the plugin's choice, so the key stands next to it. */
function subjectOf({ plugin, name, peer }: LogLine): string[] {
  if (plugin !== undefined) return []
  if (name !== undefined) return [personOf(name, peer)]
  if (peer === undefined) return []
  return [isPeerId(peer) ? keyOf(peer) : safeId(peer)]
}

const personOf = (name: string, peer: string | undefined): string =>
  peer !== undefined && isPeerId(peer) ? person({ name, peer: peer as PeerId }) : `${safeId(name, 64)} (no key)`

/** A logged error: one with a code of the table says all in its sentence, of any other the place is wanted too. */
function errorText(value: unknown): string {
  const found = loggedError.safeParse(value)
  if (!found.success) return typeof value === 'string' ? value : JSON.stringify(value)
  const { message, code, stack } = found.data
  if (isErrorCode(code)) return message
  const place = /\n\s+(at [^\n]+)/.exec(stack)?.[1]
  return place === undefined ? message : `${message} ${place}`
}

const loggedError = z.looseObject({ message: z.string(), code: z.unknown().optional(), stack: z.string().catch('') })
