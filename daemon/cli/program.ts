/** The parser, made from the table of commands. Keeps true: what the help shows is what is declared, and nothing is parsed twice. */
import { CommanderError, Help, Command as Parser } from 'commander'
import { asCalled } from './called.ts'
import type { AnyCommand, CommandArgument, CommandOption } from './command.ts'
import { globalOptions } from './global-options.ts'
import type { TextSink } from './output.ts'
import { safeText } from './sanitize.ts'

/** What was typed, by the names of the declaration. */
export type Typed = Readonly<Record<string, unknown>>

export interface ProgramInit {
  readonly commands: readonly AnyCommand[]
  /** What the commands of each first word have in common. */
  readonly groups: Readonly<Record<string, string>>
  readonly stdout: TextSink
  readonly stderr: TextSink
  readonly columns: number | undefined
  /** What is typed to get here: `moor`, or `npx moor`. */
  readonly call: string
  /** What a line about a wrong command line begins with. */
  readonly usageLabel: string
  /** Called with the command that was meant; parsing waits for it. */
  run(command: AnyCommand, typed: Typed, globals: Typed): Promise<void>
}

/** The code of the error that ends parsing when the version is asked for. */
export const versionAsked = 'moor.version'

/** Parsing throws commander's error instead of ending the process. */
export function createProgram(init: ProgramInit): Parser {
  const program = new Parser('moor')
  /** What stands below the options, by parser. */
  const endings = new Map<Parser, readonly string[]>()
  const shown = (text: string): string => asCalled(safeText(text), init.call)
  program
    .description(
      'Mooring: shared memory for plugins that dial in with a key of their own.\n\nWithout a command: the status, on a terminal.',
    )
    .exitOverride()
    .configureOutput({
      // What was typed is repeated in messages, and may have been pasted from anywhere.
      writeOut: (text) => init.stdout.write(shown(text)),
      writeErr: (text) => init.stderr.write(shown(text)),
      outputError: (text) => init.stderr.write(safeText(text).replace(/^error:/, () => init.usageLabel)),
      ...(init.columns === undefined
        ? {}
        : { getOutHelpWidth: () => init.columns ?? 80, getErrHelpWidth: () => init.columns ?? 80 }),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({
      formatHelp: (parser, helper) =>
        `${[Help.prototype.formatHelp.call(helper, parser, helper).trimEnd(), ...(endings.get(parser) ?? [])].join('\n\n')}\n`,
    })
    .helpOption('-h, --help', 'show this help')
    // A command of the table, like all others.
    .helpCommand(false)
    .showSuggestionAfterError(true)
  for (const option of globalOptions) program.option(flagsOf(option), option.summary)
  program.on('option:version', () => {
    throw new CommanderError(0, versionAsked, 'the version was asked for')
  })
  endings.set(program, [examplesOf(['moor up', 'moor requests', 'moor approve K7WQ2M', 'moor help approve'])])
  const groups = new Map<string, Parser>()
  for (const command of init.commands) {
    const [first = '', second] = command.name.split(' ')
    let parent = program
    if (second !== undefined) {
      parent = groups.get(first) ?? program.command(first).helpCommand(false)
      groups.set(first, parent)
    }
    const parser = parent.command(second ?? first)
    addCommand(program, parser, command, init)
    endings.set(parser, [globalHint, examplesOf(command.examples)])
  }
  for (const [name, group] of groups) {
    const members = init.commands.filter((command) => command.name.startsWith(`${name} `))
    const summary = init.groups[name] ?? ''
    group.summary(summary).description(sentence(summary))
    endings.set(group, [globalHint, examplesOf(members.map((command) => command.examples[0] ?? ''))])
  }
  return program
}

/** The help of a command or group by its words; undefined when there is none. */
export function helpOf(program: Parser, words: readonly string[]): string | undefined {
  let parser: Parser | undefined = program
  for (const word of words) parser = parser?.commands.find((command) => command.name() === word)
  return parser?.helpInformation()
}

const globalHint = `Global options (${globalOptions.map(({ name }) => `--${name}`).join(', ')}): moor help`

const examplesOf = (examples: readonly string[]): string =>
  `Examples:\n${examples.map((example) => `  ${example}`).join('\n')}`

const sentence = (text: string): string => (text.endsWith('.') ? text : `${text}.`)

function addCommand(program: Parser, parser: Parser, command: AnyCommand, init: ProgramInit): void {
  parser.summary(command.summary)
  const summary = sentence(command.summary)
  parser.description(command.description === undefined ? summary : `${summary}\n\n${command.description}`)
  for (const argument of command.args) parser.argument(termOf(argument), argument.summary)
  for (const option of command.options) {
    if (option.isRepeatable)
      parser.option(flagsOf(option), option.summary, (value: string, before: string[] = []) => [...before, value])
    else parser.option(flagsOf(option), option.summary)
  }
  parser.allowExcessArguments(false)
  parser.action(async (...values: unknown[]) => {
    const typed: Record<string, unknown> = { ...parser.opts() }
    for (const [i, argument] of command.args.entries()) typed[argument.name] = values[i]
    await init.run(command, typed, program.opts())
  })
}

function termOf({ name, isOptional = false, isRepeatable = false }: CommandArgument): string {
  const term = `${name}${isRepeatable ? '...' : ''}`
  return isOptional ? `[${term}]` : `<${term}>`
}

function flagsOf({ name, short, value }: CommandOption): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` <${value}>`}`
}
