/**
 * The command line as a function: text in, text and an exit code out. Keeps true: the process itself is touched only by
 * who calls this, every failure ends as a code with a next command, and nothing a command opened outlives it.
 */
import { CommanderError } from 'commander'
import { asError, type Clock, errorTable, MooringError, type Places, placesFrom } from '../../protocol/index.ts'
import { systemClock } from '../system-clock.ts'
import type { AnyCommand, CommandContext } from './command.ts'
import { confirmOnTerminal, type TerminalInput, type TerminalOutput } from './confirm.ts'
import { type ControlConnection, connectControl } from './control-client.ts'
import { parseDuration } from './duration.ts'
import { type Attempt, CommandError, failureOf } from './failure.ts'
import { commandGroups } from './groups.ts'
import { commandTable } from './index.ts'
import { type LaunchDaemon, launchWith } from './launch.ts'
import { formatLogLine, parseLogLine } from './log-line.ts'
import { Output, type TextSink } from './output.ts'
import { packageVersion } from './package-version.ts'
import { isProcessAlive } from './process-alive.ts'
import { createProgram, helpOf, type Typed, versionAsked } from './program.ts'
import { safeLine } from './sanitize.ts'
import { protocols } from './version.ts'

export interface CliInit {
  /** Without runtime and script. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdin: TerminalInput
  readonly stdout: TextSink
  readonly stderr: TextSink & TerminalOutput
  readonly isTTY: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean }
  /** What the operator types to get here, for hints. @default moor */
  readonly call?: string
  /** Width of the terminal. */
  readonly columns?: number | undefined
  readonly platform: string
  readonly homedir: string
  readonly uid?: number | undefined
  /** The runtime that starts the daemon. */
  readonly execPath: string
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal
  /** Whether a signal could be sent to the process. */
  canSignal(pid: number): boolean
  /** @default the clock of the machine */
  readonly clock?: Clock
  /** @default `daemon/main` beside this folder, in a process of its own */
  readonly launch?: LaunchDaemon
  /** @default a prompt on the terminal */
  readonly confirm?: (question: string) => Promise<boolean>
  /** @default `daemon/main` beside this folder, in this process */
  readonly runDaemon?: (options: ForegroundOptions) => Promise<number>
}

/** What the daemon is told that runs in this process. */
export interface ForegroundOptions {
  /** Takes each line of the log, as JSON with a line break; absent: they go to standard error as they are. */
  readonly writeLog?: (line: string) => void
  /** Told once it is ready. */
  onReady(version: string): void
}

/** A call names its deadline to the daemon, which takes none above a day. */
const maxTimeoutMs = 86_400_000

/** Answers with the exit code; never throws. */
export async function runCli(init: CliInit): Promise<number> {
  // On a terminal the bare name asks "how is it going?"; in a script it is a mistake.
  const argv = init.argv.length === 0 && init.isTTY.stdout ? ['status'] : init.argv
  let exit = 0
  const program = createProgram({
    commands: commandTable,
    groups: commandGroups,
    call: init.call ?? 'moor',
    usageLabel: outputOf(init, 'error', { color: !argv.includes('--no-color') }).errorLabel('usage'),
    stdout: init.stdout,
    stderr: init.stderr,
    columns: init.columns,
    run: async (command, typed, globals) => {
      exit = await runCommand({ init, command, typed, globals, helpOf: (words) => helpOf(program, words) })
    },
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exit
  } catch (error) {
    if (error instanceof CommanderError && error.code === versionAsked) return printVersion(init, argv)
    if (error instanceof CommanderError) return endOfParsing(init, argv, error)
    return fail(outputOf(init, 'error', { json: argv.includes('--json') }), init, error)
  }
}

/** The parser has printed what is wrong, or the help that was asked for. */
function endOfParsing(init: CliInit, argv: readonly string[], error: CommanderError): number {
  if (error.exitCode === 0) return 0
  const failure = failureOf(
    new CommandError('usage', {
      detail: safeLine(error.message.replace(/^error: /, '').replaceAll('\n', ' '), 300),
      next: helpFor(argv.filter((word) => !word.startsWith('-'))),
    }),
  )
  const output = outputOf(init, 'error', { json: argv.includes('--json') })
  output.failQuietly(failure)
  if (error.code !== 'commander.help') init.stderr.write(`next: ${output.asCalled(failure.next)}\n`)
  return failure.exit
}

/** The help that is nearest to what was typed: of the command, of its group, of everything. */
function helpFor(words: readonly string[]): string {
  const named = commandTable.find(({ name }) => name === words.slice(0, name.split(' ').length).join(' '))
  const nearest = named?.name ?? (Object.hasOwn(commandGroups, words[0] ?? '') ? words[0] : undefined)
  return nearest === undefined || nearest === 'help' ? 'moor help' : `moor help ${nearest}`
}

async function printVersion(init: CliInit, argv: readonly string[]): Promise<number> {
  const version = await packageVersion()
  const output = outputOf(init, 'version', { json: argv.includes('--json') })
  output.answer({ version, protocols, daemon: null }, [`mooring ${version}`])
  return 0
}

interface Run {
  readonly init: CliInit
  readonly command: AnyCommand
  readonly typed: Typed
  readonly globals: Typed
  readonly helpOf: CommandContext['helpOf']
}

async function runCommand(run: Run): Promise<number> {
  const { init, command, typed, globals } = run
  const output = outputOf(init, command.name, globals)
  const closing: (() => Promise<void>)[] = []
  let exit = 0
  try {
    const input = checkInput(command, typed)
    const context = contextOf(run, output, closing, (code) => {
      exit = code
    })
    await (command as AnyCommandOfUnknown).run(context, input)
    return exit
  } catch (error) {
    // Ctrl-C is how a stream ends: nothing went wrong.
    if (command.isStream === true && init.signal.aborted) return errorTable.cancelled.exit
    const code = typeof typed.code === 'string' ? typed.code : undefined
    return fail(output, init, error, { command: command.name, code })
  } finally {
    for (const close of closing) await close()
  }
}

/** A command without the types that only it knows; its input was checked with its own schema. */
interface AnyCommandOfUnknown {
  run(context: CommandContext, input: unknown): Promise<void>
}

function checkInput(command: AnyCommand, typed: Typed): unknown {
  const result = command.input.safeParse(typed)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const field = String(issue?.path[0] ?? '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  const isArgument = command.args.some((argument) => argument.name === field)
  const isMissing = typed[String(issue?.path[0])] === undefined
  const next: unknown = issue?.code === 'custom' ? issue.params?.next : undefined
  throw new CommandError('usage', {
    detail: `${isArgument ? `<${field}>` : `--${field}`} ${isMissing ? 'is needed' : (issue?.message ?? 'is not valid')}`,
    next: typeof next === 'string' ? next : `moor help ${command.name}`,
  })
}

function contextOf(
  { init, globals, helpOf }: Run,
  output: Output,
  closing: (() => Promise<void>)[],
  exitWith: (code: number) => void,
): CommandContext {
  const { env, platform, homedir, uid, signal, clock = systemClock } = init
  const timeoutMs = typeof globals.timeout === 'string' ? parseDuration(globals.timeout, maxTimeoutMs) : undefined
  const placesInit = { env, platform, homedir, ...(uid === undefined ? {} : { uid }) }
  let places: Places | undefined
  let connection: Promise<ControlConnection> | undefined
  const context: CommandContext = {
    output,
    env,
    clock,
    signal,
    timeoutMs,
    exitWith,
    helpOf,
    commands: commandTable,
    isYes: globals.yes === true,
    canAsk: globals.input !== false && init.isTTY.stdin && init.isTTY.stderr,
    launch: init.launch ?? launchWith(init.execPath),
    // Asked for when needed: a broken MOORING_HOME must not keep `moor explain` from explaining it.
    get places() {
      places ??= placesFrom(placesInit)
      return places
    },
    connect: async (options = {}) => {
      connection ??= connectControl({
        places: context.places,
        clock,
        signal,
        ...timeoutOf(options.timeoutMs ?? timeoutMs),
      })
      try {
        const { client, close } = await connection
        if (!closing.includes(close)) closing.push(close)
        return client
      } catch (error) {
        connection = undefined
        throw error
      }
    },
    call: (defaultMs) => ({ signal, ...timeoutOf(timeoutMs ?? defaultMs) }),
    sleep: (ms) => sleep(clock, signal, ms),
    confirm: init.confirm ?? ((question) => confirmOnTerminal(question, init.stdin, init.stderr, signal)),
    isAlive: (pid) => isProcessAlive(pid, init.canSignal, platform),
    runDaemon: () => (init.runDaemon ?? runDaemonHere)(foregroundOf(init, output)),
  }
  return context
}

/** On a terminal the log is for a person to read; anywhere else it is what the log file would hold. */
function foregroundOf(init: CliInit, output: Output): ForegroundOptions {
  const writeLog = (line: string): void => {
    init.stderr.write(`${formatLogLine(parseLogLine(line.trimEnd()))}\n`)
  }
  return {
    ...(init.isTTY.stderr && !output.isJson ? { writeLog } : {}),
    onReady: (version) => output.note(`mooring ${version} runs until Ctrl-C; in another terminal: moor status`),
  }
}

const timeoutOf = (timeoutMs: number | undefined) => (timeoutMs === undefined ? {} : { timeoutMs })

function outputOf(init: CliInit, kind: string, globals: Typed): Output {
  const { env, isTTY } = init
  const isColourful = globals.color !== false && !env.NO_COLOR && env.TERM !== 'dumb'
  return new Output({
    stdout: init.stdout,
    stderr: init.stderr,
    kind,
    isJson: globals.json === true,
    isQuiet: globals.quiet === true,
    call: init.call ?? 'moor',
    colours: { stdout: isColourful && isTTY.stdout, stderr: isColourful && isTTY.stderr },
  })
}

function fail(output: Output, { signal }: CliInit, error: unknown, attempt: Attempt = {}): number {
  // After Ctrl-C whatever fails fails because of it.
  const failure = failureOf(signal.aborted ? new MooringError('cancelled') : error, attempt)
  output.fail(failure)
  return failure.exit
}

function sleep(clock: Clock, signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      cancel()
      reject(new MooringError('cancelled'))
    }
    const cancel = clock.after(ms, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    if (signal.aborted) return onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

async function runDaemonHere(foreground: ForegroundOptions): Promise<number> {
  // Only here, so that no other command pays for loading the daemon.
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
  const entry: unknown = await import(new URL(`../main${extension}`, import.meta.url).href)
  const run = typeof entry === 'object' && entry !== null && 'runDaemon' in entry ? entry.runDaemon : undefined
  if (typeof run !== 'function') throw new MooringError('internal', { detail: 'the daemon has no runDaemon' })
  const code: unknown = await run({ foreground })
  if (typeof code !== 'number') throw asError('the daemon answered without an exit code')
  return code
}
