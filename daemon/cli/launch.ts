/**
 * Starts the daemon in the background. Keeps true: either the daemon said that it is ready, or nothing that was started
 * here is left running.
 */
import { spawn } from 'node:child_process'
import { mkdir, open } from 'node:fs/promises'
import { dirname, extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { type Clock, isErrorCode, MooringError, type Places } from '../../protocol/index.ts'
import { daemonEnv } from './daemon-env.ts'

export interface LaunchOptions {
  readonly places: Places
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly timeoutMs: number
  /** Told of what the daemon found odd in its configuration, once it is ready. Text of a file: sanitise it. */
  onWarning?(text: string): void
}

/** @throws what the daemon reports (`address-in-use`, `config-invalid`, `state-in-use` …), `timeout`, `cancelled`, `internal` */
export type LaunchDaemon = (options: LaunchOptions) => Promise<void>

/** What the daemon says to whoever started it, once. */
const reportSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), warnings: z.array(z.string()).default([]) }),
  z.object({ kind: z.literal('failed'), error: z.object({ code: z.string(), detail: z.string().optional() }) }),
])

/** The entry of the daemon beside this folder: a source in a clone, a compiled file in a package. */
export const daemonEntry = (): string =>
  fileURLToPath(new URL(`../main${extname(fileURLToPath(import.meta.url))}`, import.meta.url))

/** @param execPath the runtime that runs the daemon: the one that runs this command */
export const launchWith =
  (execPath: string, entry = daemonEntry()): LaunchDaemon =>
  async ({ places, env, clock, signal, timeoutMs, onWarning }) => {
    await mkdir(places.stateDir, { recursive: true, mode: 0o700 })
    await mkdir(dirname(places.logFile), { recursive: true, mode: 0o700 })
    const log = await open(places.logFile, 'a', 0o600)
    try {
      const child = spawn(execPath, [entry], {
        detached: true,
        // The daemon outlives the folder that the operator happens to stand in.
        cwd: places.stateDir,
        env: daemonEnv(env),
        stdio: ['ignore', log.fd, log.fd, 'ipc'],
        windowsHide: true,
      })
      const settled = Promise.withResolvers<readonly string[]>()
      const onAbort = (): void => settled.reject(new MooringError('cancelled'))
      const cancel = clock.after(timeoutMs, () =>
        settled.reject(new MooringError('timeout', { detail: 'the daemon did not become ready' })),
      )
      signal.addEventListener('abort', onAbort, { once: true })
      child.once('error', (cause) =>
        settled.reject(new MooringError('internal', { detail: 'the daemon cannot be run', cause })),
      )
      child.once('exit', (code, by) =>
        settled.reject(
          new MooringError('internal', { detail: `the daemon ended with ${by ?? code} before it was ready` }),
        ),
      )
      child.once('message', (message) => {
        const report = reportSchema.safeParse(message)
        if (report.success && report.data.kind === 'ready') settled.resolve(report.data.warnings)
        else
          settled.reject(
            report.success && report.data.kind === 'failed'
              ? failureFrom(report.data.error)
              : new MooringError('internal'),
          )
      })
      try {
        if (signal.aborted) onAbort()
        for (const warning of await settled.promise) onWarning?.(warning)
      } catch (error) {
        // One that reported a failure ends by itself, and in order.
        if (error instanceof MooringError && error.code === 'timeout') child.kill('SIGKILL')
        else if (signal.aborted) child.kill('SIGTERM')
        throw error
      } finally {
        cancel()
        signal.removeEventListener('abort', onAbort)
        child.removeAllListeners().on('error', () => {})
        // Either would keep this command from ending as long as the daemon runs.
        if (child.connected) child.disconnect()
        child.unref()
      }
    } finally {
      await log.close()
    }
  }

function failureFrom({ code, detail }: { code: string; detail?: string | undefined }): MooringError {
  const known = isErrorCode(code) ? code : 'internal'
  const text = known === code ? detail : [code, detail].filter(Boolean).join(': ')
  return new MooringError(known, text === undefined ? {} : { detail: text })
}
