/** `moor completion`: scripts for shells, made from the same tree as the parser, so they cannot fall behind it. */
import { z } from 'zod'
import { type AnyCommand, defineCommand } from './command.ts'
import { globalOptions } from './global-options.ts'

const shells = ['bash', 'zsh', 'fish'] as const

export const completion = defineCommand({
  name: 'completion',
  summary: 'Print a completion script for bash, zsh or fish',
  args: [{ name: 'shell', summary: shells.join(', ') }],
  options: [],
  examples: ['source <(moor completion bash)', 'moor completion fish > ~/.config/fish/completions/moor.fish'],
  input: z.object({ shell: z.enum(shells, `must be one of ${shells.join(', ')}`) }),
  data: z.strictObject({ shell: z.enum(shells), script: z.string() }),
  async run({ output, commands }, { shell }) {
    const lines = scripts[shell](choicesOf(commands))
    output.answer({ shell, script: `${lines.join('\n')}\n` }, lines)
  },
})

/** What can follow the words typed so far. */
interface Choices {
  /** The words without options: empty, a group such as `block`, or a whole command. */
  readonly typed: string
  /** True when more words may follow, such as arguments. */
  readonly isCommand: boolean
  readonly found: readonly { readonly word: string; readonly summary: string; readonly takesValue: boolean }[]
}

function choicesOf(commands: readonly AnyCommand[]): Choices[] {
  const groups = Map.groupBy(
    commands.filter((command) => command.name.includes(' ')),
    (command) => command.name.split(' ', 1)[0] ?? '',
  )
  const nextWord = (command: AnyCommand, skip: number) => ({
    word: command.name.slice(skip),
    summary: command.summary,
    takesValue: false,
  })
  const top = commands.filter((command) => !command.name.includes(' ')).map((command) => nextWord(command, 0))
  for (const [name, members] of groups) {
    top.push({ word: name, summary: members.map((member) => member.summary).join('; '), takesValue: false })
  }
  return [
    { typed: '', isCommand: false, found: top },
    ...[...groups].map(([name, members]) => ({
      typed: name,
      isCommand: false,
      found: members.map((member) => nextWord(member, name.length + 1)),
    })),
    ...commands.map((command) => ({
      typed: command.name,
      isCommand: true,
      found: [...command.options, ...globalOptions].map((option) => ({
        word: `--${option.name}`,
        summary: option.summary,
        takesValue: option.value !== undefined,
      })),
    })),
  ]
}

const scripts: Record<(typeof shells)[number], (choices: readonly Choices[]) => string[]> = {
  bash: (choices) => [
    '_moor() {',
    `  local typed="" found="" word cur="\${COMP_WORDS[COMP_CWORD]}"`,
    `  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do`,
    '    case "$word" in -*) ;; *) typed="$typed $word" ;; esac',
    '  done',
    `  case "\${typed# }" in`,
    ...choices.map(
      ({ typed, isCommand, found }) =>
        `    "${typed}"${isCommand ? `|"${typed} "*` : ''}) found="${found.map(({ word }) => word).join(' ')}" ;;`,
    ),
    '  esac',
    '  COMPREPLY=($(compgen -W "$found" -- "$cur"))',
    '}',
    'complete -o default -F _moor moor',
  ],
  zsh: (choices) => [
    '#compdef moor',
    '_moor() {',
    '  local typed="" word',
    '  local -a found',
    `  for word in "\${(@)words[2,CURRENT-1]}"; do`,
    '    [[ "$word" == -* ]] || typed="$typed $word"',
    '  done',
    `  case "\${typed# }" in`,
    ...choices.map(
      ({ typed, isCommand, found }) =>
        `    "${typed}"${isCommand ? `|"${typed} "*` : ''}) found=(${found.map(({ word, summary }) => quote(`${word}:${summary}`)).join(' ')}) ;;`,
    ),
    '  esac',
    '  _describe -o moor found',
    '}',
    'if [ "$funcstack[1]" = "_moor" ]; then _moor "$@"; else compdef _moor moor; fi',
  ],
  fish: (choices) => [
    'complete -c moor -f',
    ...choices.flatMap(({ typed, isCommand, found }) => {
      const members = found.map(({ word }) => word).join(' ')
      const seen = typed
        .split(' ')
        .map((word) => `__fish_seen_subcommand_from ${word}`)
        .join('; and ')
      const when = isCommand
        ? seen
        : typed === ''
          ? '__fish_use_subcommand'
          : `${seen}; and not __fish_seen_subcommand_from ${members}`
      return found.map(({ word, summary, takesValue }) => {
        const what = word.startsWith('--') ? `-l ${word.slice(2)}${takesValue ? ' -r' : ''}` : `-a ${word}`
        return `complete -c moor -n ${fishQuote(when)} ${what} -d ${fishQuote(summary)}`
      })
    }),
  ],
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
const fishQuote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
