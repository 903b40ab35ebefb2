/** The daemon as a process: environment, signals, exit code. The only file of the daemon that touches the process. */
import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { asError, errorTable, MooringError, type Places, placesFrom } from '../protocol/index.ts'
import { packageVersion } from './cli/package-version.ts'
import { type Config, readConfig } from './config.ts'
import { type Daemon, startDaemon } from './daemon.ts'
import { createLog, type Log } from './log.ts'
import { systemClock } from './system-clock.ts'

export interface RunDaemonOptions {
  /** Present: in the operator's terminal. What fails is thrown, for the command to tell them. */
  readonly foreground?: {
    /** Takes each log line, as JSON with a line break. @default standard error */
    readonly writeLog?: (line: string) => void
    /** Told once it is ready. */
    onReady(version: string): void
  }
}

/** Whatever hangs in a stop, the process ends after this. */
const hardExitMs = 15_000
/**
 * By how much garbage may outgrow what is in use before it is collected, in percent, in every thread that is started here.
 * The runtime's own measure lets a daemon that is busy grow to three times of what it needs.
 */
const heapGrowthPercent = 50
/** All of them are in the log. */
const maxReportedWarnings = 16

/**
 * Runs a daemon until a signal, a stop over the control socket or a failure. Resolves with the exit code.
 * @throws in the foreground, what {@link startDaemon} throws
 */
export async function runDaemon(options: RunDaemonOptions): Promise<number> {
  const { foreground } = options
  const destination = foreground?.writeLog === undefined ? {} : { destination: { write: foreground.writeLog } }
  let log = createLog({ level: 'info', ...destination })
  try {
    setFlagsFromString(`--heap-growing-percent=${heapGrowthPercent}`)
    process.umask(0o077)
    const uid = process.getuid?.()
    const places = placesFrom({
      env: process.env,
      platform: process.platform,
      homedir: homedir(),
      ...(uid === undefined ? {} : { uid }),
    })
    mkdirSync(places.stateDir, { recursive: true, mode: 0o700 })
    const { config, warnings } = await readConfig(places.configFile, process.env)
    log = createLog({ level: config.log.level, levels: config.log.levels, ...destination })
    for (const warning of warnings) log.sub('config').warn({}, warning)
    return await runUntilEnded({ places, config, log, warnings, options })
  } catch (thrown) {
    const error = thrown instanceof MooringError ? thrown : new MooringError('internal', { cause: thrown })
    if (error.code === 'internal') log.sub('daemon').error({ err: asError(thrown) }, 'the daemon could not start')
    if (foreground !== undefined) throw error
    report({
      kind: 'failed',
      error: { code: error.code, ...(error.detail === undefined ? {} : { detail: error.detail }) },
    })
    return errorTable[error.code].exit
  }
}

interface Run {
  readonly places: Places
  readonly config: Config
  readonly log: Log
  /** About the configuration. */
  readonly warnings: readonly string[]
  readonly options: RunDaemonOptions
}

async function runUntilEnded({ places, config, log, warnings, options }: Run): Promise<number> {
  const logger = log.sub('daemon')
  const ended = Promise.withResolvers<number>()
  // A process in an unknown state must not acknowledge anything: it stops, and recovers at the next start.
  const onFatal = (error: unknown): void => {
    logger.error({ err: asError(error) }, 'something broke that nobody caught; stopping')
    ended.resolve(errorTable.internal.exit)
  }
  const onSignal = (): void => ended.resolve(0)
  process.on('uncaughtException', onFatal).on('unhandledRejection', onFatal)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)

  const version = await packageVersion()
  const daemon = await startDaemon({ places, config, log, version, withUmask })
  daemon.ended.addEventListener('abort', () => ended.resolve(exitCodeOf(daemon)), { once: true })
  if (daemon.ended.aborted) ended.resolve(exitCodeOf(daemon))
  report({ kind: 'ready', warnings: warnings.slice(0, maxReportedWarnings) })
  options.foreground?.onReady(version)

  const code = await ended.promise
  const cancel = systemClock.after(hardExitMs, () => process.exit(code === 0 ? 1 : code))
  await daemon.stop()
  cancel()
  logger.info({ code }, 'the daemon has stopped')
  process.off('uncaughtException', onFatal).off('unhandledRejection', onFatal)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal)
  return code
}

/** A stop that was asked for is a success; a store that failed is not. */
function exitCodeOf({ ended }: Daemon): number {
  return ended.reason instanceof MooringError ? errorTable[ended.reason.code].exit : 0
}

function withUmask<T>(work: () => T): T {
  const before = process.umask(0o177)
  try {
    return work()
  } finally {
    process.umask(before)
  }
}

/** Tells the command that started the daemon in the background, if there is one. */
function report(message: object): void {
  if (process.send === undefined) return
  process.send(message, undefined, undefined, () => {
    if (process.connected) process.disconnect()
  })
}

// By path: `moor up --foreground` imports this file and runs the daemon in its own process.
if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(await runDaemon({}))
