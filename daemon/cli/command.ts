/**
 * What a command is: one value, from which the parser, the help, the completion, the tree and the checks are made. Keeps
 * true: a command declares the shape of its JSON data and can only answer in that shape.
 */
import type { z } from 'zod'
import type { CallOptions, Clock, ControlClient, Places } from '../../protocol/index.ts'
import type { LaunchDaemon } from './launch.ts'
import type { Output } from './output.ts'

export interface CommandArgument {
  readonly name: string
  /** May be left out. */
  readonly isOptional?: boolean
  /** Takes all words that are left. */
  readonly isRepeatable?: boolean
  readonly summary: string
  /** What a shell offers: these texts, or the commands themselves. */
  readonly values?: readonly string[] | 'commands'
}

export interface CommandOption {
  /** Without dashes, `kebab-case`; in the input it is `camelCase`. */
  readonly name: string
  /** One letter. */
  readonly short?: string
  /** What stands for the value in the help; absent: a switch. */
  readonly value?: string
  /** May be given several times. */
  readonly isRepeatable?: boolean
  readonly summary: string
  /** What a shell offers for the value. */
  readonly values?: readonly string[]
}

export interface Command<Input = unknown, Data = unknown> {
  /** One or two words: `status`, `block show`. */
  readonly name: string
  readonly summary: string
  /** More than the summary, for the help. */
  readonly description?: string
  readonly args: readonly CommandArgument[]
  readonly options: readonly CommandOption[]
  /** Whole command lines. */
  readonly examples: readonly string[]
  /** Arguments and options by name: texts, lists of texts for what is repeatable, true for a switch. */
  readonly input: z.ZodType<Input>
  /** The data of the JSON answer, or of each line of it when `isStream`. */
  readonly data: z.ZodType<Data>
  /** Any number of answers, one on each line; one that goes on is ended by Ctrl-C, and that is no failure to tell of. */
  readonly isStream?: boolean
  run(context: CommandContext<Data>, input: Input): Promise<void>
}

/** A command whose input and data only it knows. */
export type AnyCommand = Command<never, never>

export const defineCommand = <Input, Data>(command: Command<Input, Data>): AnyCommand =>
  command as unknown as AnyCommand

/** What a command may touch. Nothing of the process beyond this. */
export interface CommandContext<Data = unknown> {
  readonly output: Output<Data>
  readonly places: Places
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Aborts at Ctrl-C. */
  readonly signal: AbortSignal
  /** All commands in reading order. */
  readonly commands: readonly AnyCommand[]
  /** The help of a command or a group by its words, of everything for none; undefined when there is no such command. */
  helpOf(words: readonly string[]): string | undefined
  /** `--timeout` in milliseconds, if given. */
  readonly timeoutMs: number | undefined
  /** `--yes` */
  readonly isYes: boolean
  /** Whether there is a person to ask. */
  readonly canAsk: boolean
  readonly launch: LaunchDaemon
  /** The daemon, connected once for each command. @throws `daemon-unreachable`, `control-denied` */
  connect(options?: { readonly timeoutMs?: number }): Promise<ControlClient>
  /** Options of one call: the signal, and the deadline. */
  call(defaultMs?: number): CallOptions
  /** Waits. @throws `cancelled` at Ctrl-C */
  sleep(ms: number): Promise<void>
  /** Asks yes or no on the terminal. @throws `cancelled` at Ctrl-C */
  confirm(question: string): Promise<boolean>
  isAlive(pid: number): Promise<boolean>
  /** Runs the daemon in this process until it ends; its exit code. */
  runDaemon(): Promise<number>
  /** Ends this command with an exit code that somebody else chose and explained. */
  exitWith(code: number): void
}
