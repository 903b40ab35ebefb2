/**
 * Runs a plugin as a process of its own: options, signals, exit code. The only file of the SDK that changes the process,
 * and only when its plugin is the file that was started.
 */
import { realpathSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { asError, errorTable, MooringError, shortPeerId } from '../protocol/index.ts'
import { tooOld } from './node-version.ts'
import { definePlugin, type Plugin } from './plugin.ts'
import { type RunOptions, runPlugin } from './run.ts'

/** What may be started as a program: the few things that differ between two starts of one plugin. */
export interface MainOptions {
  readonly run: RunOptions
  /** The name it runs under, when it is not its own. */
  readonly as: string | undefined
  readonly help: boolean
}

const usage = (name: string): string => `${name}: a Mooring plugin

  --ticket TICKET   the daemon to dial, moor1…  (default: MOORING_TICKET, then the daemon of this machine)
  --home FOLDER     where its key is kept
  --as NAME         run under another name, with a key of its own

  example: node plugin.ts --as ${name}-2
`

/**
 * Put it at the end of the file of a plugin: `await runAsMain(import.meta, plugin)`. Does nothing when that file is
 * imported. Resolves when the plugin has stopped; sets the exit code of the table of errors.
 */
export async function runAsMain(meta: { readonly url: string }, plugin: Plugin): Promise<void> {
  if (!isStarted(meta.url)) return
  const complaint = tooOld(process.versions.node, plugin.manifest.name)
  if (complaint !== undefined) {
    process.stderr.write(`${complaint}\n`)
    process.exitCode = 1
    return
  }
  try {
    const options = parseMainOptions(process.argv.slice(2))
    if (options.help) {
      process.stdout.write(usage(plugin.manifest.name))
      return
    }
    await runUntilSignal(options.as === undefined ? plugin : renamed(plugin, options.as), options.run)
  } catch (error) {
    process.stderr.write(describeError(error))
    process.exitCode = exitCodeOf(error)
  } finally {
    // Something that the author started may outlive the plugin; nobody waits for it any more.
    setTimeout(() => process.exit(), exitGraceMs).unref()
  }
}

const exitGraceMs = 2_000

/** @throws `usage` */
export function parseMainOptions(argv: readonly string[]): MainOptions {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        ticket: { type: 'string' },
        home: { type: 'string' },
        as: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    })
    const { ticket, home } = values
    return {
      run: { ...(ticket === undefined ? {} : { ticket }), ...(home === undefined ? {} : { home }) },
      as: values.as,
      help: values.help === true,
    }
  } catch (cause) {
    throw new MooringError('usage', {
      detail: `${(asError(cause).message.split('\n')[0] ?? '').replace(/\.?$/, '.')} Options: --ticket, --home, --as`,
      cause,
    })
  }
}

/** Code, one sentence, the next step; the stack of what is no error of this project. */
export function describeError(error: unknown): string {
  if (error instanceof MooringError) return `${error.code}: ${error.message}\n  next: ${errorTable[error.code].next}\n`
  const plain = asError(error)
  return `${plain.stack ?? plain.message}\n`
}

export const exitCodeOf = (error: unknown): number => (error instanceof MooringError ? errorTable[error.code].exit : 1)

async function runUntilSignal(plugin: Plugin, options: RunOptions): Promise<void> {
  const say = (text: string): void => void process.stderr.write(`${text}\n`)
  const running = await runPlugin(plugin, {
    ...options,
    log: (level, text) => say(`${level}  ${text}`),
    onStatus: ({ state, reason }) => {
      // The reporter says more about a request that waits, and an error is printed at the end.
      if (state !== 'pending' && state !== 'stopped') say(reason === '' ? state : `${state}: ${reason}`)
    },
  })
  say(`${plugin.manifest.name} ${plugin.manifest.version}  key ${running.words} ${shortPeerId(running.peer)}`)
  const onSignal = (): void => {
    // The second time somebody does not want to wait.
    if (isStopping) process.exit(errorTable.cancelled.exit)
    isStopping = true
    void running.stop()
  }
  let isStopping = false
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  try {
    await running.done
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

function renamed({ manifest, setup }: Plugin, name: string): Plugin {
  const { version, description, wants } = manifest
  return definePlugin({ name, version, wants, setup, ...(description === undefined ? {} : { description }) })
}

/** By real path: a started file may be a link, and `import.meta.main` does not exist in every supported version. */
function isStarted(url: string): boolean {
  const started = process.argv[1]
  if (started === undefined) return false
  try {
    return realpathSync(started) === realpathSync(fileURLToPath(url))
  } catch {
    return false
  }
}
