/** The parser, made from the table of commands. Keeps true: what the help shows is what is declared, and nothing is parsed twice. */
import { Command as Parser } from 'commander'
import type { AnyCommand, CommandOption } from './command.ts'
import { globalOptions } from './global-options.ts'
import type { TextSink } from './output.ts'
import { safeText } from './sanitize.ts'

/** What was typed, by the names of the declaration. */
export type Typed = Readonly<Record<string, unknown>>

export interface ProgramInit {
  readonly commands: readonly AnyCommand[]
  readonly stdout: TextSink
  readonly stderr: TextSink
  readonly columns: number | undefined
  /** Called with the command that was meant; parsing waits for it. */
  run(command: AnyCommand, typed: Typed, globals: Typed): Promise<void>
}

/** Parsing throws commander's error instead of ending the process. */
export function createProgram(init: ProgramInit): Parser {
  const program = new Parser('moor')
  program
    .description('Mooring: shared memory and mail for plugins that dial in with a key of their own')
    .exitOverride()
    .configureOutput({
      // What was typed is repeated in messages, and may have been pasted from anywhere.
      writeOut: (text) => init.stdout.write(safeText(text)),
      writeErr: (text) => init.stderr.write(safeText(text)),
      ...(init.columns === undefined
        ? {}
        : { getOutHelpWidth: () => init.columns ?? 80, getErrHelpWidth: () => init.columns ?? 80 }),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError(true)
  for (const option of globalOptions) program.option(flagsOf(option), option.summary)
  program.addHelpText('after', '\nExamples:\n  moor up\n  moor requests\n  moor approve CODE\n  moor help approve')
  const groups = new Map<string, Parser>()
  for (const command of init.commands) {
    const [first = '', second] = command.name.split(' ')
    if (second === undefined) {
      addCommand(program, program.command(first), command, init)
    } else {
      const group = groups.get(first) ?? program.command(first)
      groups.set(first, group)
      addCommand(program, group.command(second), command, init)
    }
  }
  for (const [name, group] of groups) {
    const members = init.commands.filter((command) => command.name.startsWith(`${name} `))
    group.description(members.map((command) => command.summary).join('; '))
    group.addHelpText('after', `\nExamples:\n${members.map((command) => `  ${command.examples[0]}`).join('\n')}`)
  }
  return program
}

function addCommand(program: Parser, parser: Parser, command: AnyCommand, init: ProgramInit): void {
  parser.summary(command.summary)
  parser.description(
    command.description === undefined ? command.summary : `${command.summary}\n\n${command.description}`,
  )
  for (const argument of command.args) parser.argument(`<${argument.name}>`, argument.summary)
  for (const option of command.options) {
    if (option.isRepeatable)
      parser.option(flagsOf(option), option.summary, (value: string, before: string[] = []) => [...before, value])
    else parser.option(flagsOf(option), option.summary)
  }
  parser.addHelpText('after', `\nExamples:\n${command.examples.map((example) => `  ${example}`).join('\n')}`)
  parser.allowExcessArguments(false)
  parser.action(async (...values: unknown[]) => {
    const typed: Record<string, unknown> = { ...parser.opts() }
    for (const [i, argument] of command.args.entries()) typed[argument.name] = values[i]
    await init.run(command, typed, program.opts())
  })
}

function flagsOf({ name, short, value }: CommandOption): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` <${value}>`}`
}
