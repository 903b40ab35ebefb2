/** `moor completion`: scripts for shells, made from the same tree as the parser, so they cannot fall behind it. */
import { z } from 'zod'
import { type AnyCommand, type CommandOption, defineCommand } from './command.ts'
import { globalOptions } from './global-options.ts'
import { commandGroups } from './groups.ts'

const shells = ['bash', 'zsh', 'fish'] as const

export const completion = defineCommand({
  name: 'completion',
  summary: 'Print a completion script for bash, zsh or fish',
  args: [{ name: 'shell', summary: shells.join(', '), values: shells }],
  options: [],
  examples: ['source <(moor completion bash)', 'moor completion fish > ~/.config/fish/completions/moor.fish'],
  input: z.object({ shell: z.enum(shells, `must be one of ${shells.join(', ')}`) }),
  data: z.strictObject({ shell: z.enum(shells), script: z.string() }),
  async run({ output, commands }, { shell }) {
    const lines = scripts[shell](choicesOf(commands), valuesOf(commands))
    output.answer({ shell, script: `${lines.join('\n')}\n` }, lines)
  },
})

interface Word {
  readonly word: string
  readonly summary: string
}

/** What can follow the words typed so far. */
interface Choices {
  /** The words without options: empty, a group such as `block`, or a whole command. */
  readonly typed: string
  /** The next word: commands, or the known values of the first argument. */
  readonly words: readonly Word[]
  readonly options: readonly CommandOption[]
  /** True for a command: options may follow its arguments. */
  readonly isCommand: boolean
}

/** Options by whether they take a value, and the values where they are known: `--level` and `trace debug …`. */
interface Values {
  readonly takers: readonly string[]
  readonly known: readonly { readonly flags: readonly string[]; readonly values: readonly string[] }[]
}

function choicesOf(commands: readonly AnyCommand[]): Choices[] {
  const groups = Map.groupBy(
    commands.filter((command) => command.name.includes(' ')),
    (command) => command.name.split(' ', 1)[0] ?? '',
  )
  const top = [
    ...commands.filter(({ name }) => !name.includes(' ')).map(({ name, summary }) => ({ word: name, summary })),
    ...[...groups.keys()].map((name) => ({ word: name, summary: commandGroups[name] ?? '' })),
  ]
  const argumentOf = ({ args }: AnyCommand): readonly Word[] => {
    const values = args[0]?.values ?? []
    return values === 'commands' ? top : values.map((word) => ({ word, summary: args[0]?.name ?? '' }))
  }
  return [
    { typed: '', isCommand: false, words: top, options: globalOptions },
    ...[...groups].map(([group, members]) => ({
      typed: group,
      isCommand: false,
      words: members.map(({ name, summary }) => ({ word: name.slice(group.length + 1), summary })),
      options: globalOptions,
    })),
    ...commands.map((command) => ({
      typed: command.name,
      isCommand: true,
      words: argumentOf(command),
      options: [...command.options, ...globalOptions],
    })),
  ]
}

function valuesOf(commands: readonly AnyCommand[]): Values {
  const taking = [...commands.flatMap(({ options }) => options), ...globalOptions].filter(({ value }) => value)
  return {
    takers: [...new Set(taking.flatMap(flagsOf))],
    known: taking
      .filter(({ values }) => values !== undefined)
      .map((option) => ({ flags: flagsOf(option), values: option.values ?? [] })),
  }
}

const flagsOf = ({ name, short }: CommandOption): string[] => [
  `--${name}`,
  ...(short === undefined ? [] : [`-${short}`]),
]

const scripts: Record<(typeof shells)[number], (choices: readonly Choices[], values: Values) => string[]> = {
  bash: (choices, { takers, known }) => [
    '_moor() {',
    `  local typed="" found="" skip="" word cur="\${COMP_WORDS[COMP_CWORD]}"`,
    `  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do`,
    ...skipValues(takers),
    '  done',
    '  case "$skip" in',
    ...known.map(({ flags, values }) => `    ${flags.join('|')}) found="${values.join(' ')}" ;;`),
    '    ?*) ;;',
    `    *) case "\${typed# }" in`,
    ...choices.flatMap(({ typed, isCommand, words, options }) => {
      const flags = options.map(({ name }) => `--${name}`).join(' ')
      return [
        `      "${typed}") found="${[...words.map(({ word }) => word), flags].join(' ')}" ;;`,
        ...(isCommand ? [`      "${typed} "*) found="${flags}" ;;`] : []),
      ]
    }),
    '    esac ;;',
    '  esac',
    '  COMPREPLY=($(compgen -W "$found" -- "$cur"))',
    '}',
    'complete -o default -F _moor moor',
  ],
  zsh: (choices, { takers, known }) => [
    '#compdef moor',
    '_moor() {',
    '  local typed="" skip="" word',
    '  local -a found options',
    `  for word in "\${(@)words[2,CURRENT-1]}"; do`,
    ...skipValues(takers),
    '  done',
    '  case "$skip" in',
    ...known.map(({ flags, values }) => `    ${flags.join('|')}) found=(${values.join(' ')}) ;;`),
    '    ?*) _default; return ;;',
    `    *) case "\${typed# }" in`,
    ...choices.flatMap(({ typed, isCommand, words, options }) => {
      const flags = `options=(${options.map(({ name, summary }) => zshItem(`--${name}`, summary)).join(' ')})`
      const found = `found=(${words.map(({ word, summary }) => zshItem(word, summary)).join(' ')})`
      return [`      "${typed}") ${found}; ${flags} ;;`, ...(isCommand ? [`      "${typed} "*) ${flags} ;;`] : [])]
    }),
    '    esac ;;',
    '  esac',
    // Options are offered once a dash is typed; `-o` says so, and must not be said of commands.
    '  _describe -o option options',
    '  _describe word found',
    '}',
    'if [ "$funcstack[1]" = "_moor" ]; then _moor "$@"; else compdef _moor moor; fi',
  ],
  fish: (choices) => [
    'complete -c moor -f',
    ...choices.flatMap(({ typed, isCommand, words, options }) => {
      const seen = typed
        .split(' ')
        .map((word) => `__fish_seen_subcommand_from ${word}`)
        .join('; and ')
      const members = words.map(({ word }) => word).join(' ')
      const start = typed === '' ? '__fish_use_subcommand' : seen
      const isNext = typed === '' || members === '' ? start : `${seen}; and not __fish_seen_subcommand_from ${members}`
      return [
        ...words.map(
          ({ word, summary }) => `complete -c moor -n ${fishQuote(isNext)} -a ${word} -d ${fishQuote(summary)}`,
        ),
        ...(isCommand || typed === '' ? options : []).map(
          (option) => `complete -c moor -n ${fishQuote(start)} ${fishOption(option)} -d ${fishQuote(option.summary)}`,
        ),
      ]
    }),
  ],
}

/** Both shells: what was typed without options and their values; `skip` is the option whose value comes next. */
const skipValues = (takers: readonly string[]): string[] => [
  '    if [ -n "$skip" ]; then skip=""; continue; fi',
  '    case "$word" in',
  `      ${takers.join('|')}) skip="$word" ;;`,
  '      -*) ;;',
  '      *) typed="$typed $word" ;;',
  '    esac',
]

const zshItem = (word: string, summary: string): string => `'${`${word}:${summary}`.replaceAll("'", "'\\''")}'`

function fishOption({ name, short, value, values }: CommandOption): string {
  const offered = values === undefined ? '-r' : `-x -a ${fishQuote(values.join(' '))}`
  return `${short === undefined ? '' : `-s ${short} `}-l ${name}${value === undefined ? '' : ` ${offered}`}`
}

const fishQuote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
