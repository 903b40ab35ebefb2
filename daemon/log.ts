/** Structured logs. Every subsystem has a child logger with its name and a level of its own. */
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino'

export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
export const levels: readonly Level[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent']

/** What a part logs with: fields first, then one constant sentence. */
export interface Logger {
  trace(fields: object, message: string): void
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface LogInit {
  readonly level: Level
  /** Levels that differ by subsystem, e.g. `{ net: 'debug' }`. */
  readonly levels?: Readonly<Record<string, Level>>
  /** @default standard error */
  readonly destination?: DestinationStream
}

export interface Log {
  /** The logger of one subsystem (`sub` in each line). */
  sub(name: string): Logger
  /** The logger of a plugin's forwarded lines (`plugin` in each line). */
  plugin(name: string, peer: string): Logger
}

export function createLog(init: LogInit): Log {
  const root: PinoLogger = pino(
    { base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label) => ({ level: label }) } },
    init.destination ?? pino.destination(2),
  )
  root.level = 'trace'
  const child = (fields: Record<string, string>, level: Level): Logger => root.child(fields, { level })
  return {
    sub: (name) => child({ sub: name }, init.levels?.[name] ?? init.level),
    plugin: (name, peer) => child({ sub: 'plugin', plugin: name, peer }, init.levels?.plugin ?? init.level),
  }
}
