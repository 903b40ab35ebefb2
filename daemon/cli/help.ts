/** `moor help`: of everything, of a group, of one command. Needs no daemon. */
import { z } from 'zod'
import { closest } from './closest.ts'
import { defineCommand } from './command.ts'
import { CommandError } from './failure.ts'

export const help = defineCommand({
  name: 'help',
  summary: 'Show the help of a command; without one, all commands and the global options',
  args: [
    {
      name: 'command',
      isOptional: true,
      isRepeatable: true,
      summary: 'its words, such as approve or block show',
      values: 'commands',
    },
  ],
  options: [],
  examples: ['moor help', 'moor help approve', 'moor help block show'],
  input: z.object({ command: z.array(z.string().max(64)).max(8).default([]) }),
  data: z.strictObject({ command: z.string(), text: z.string() }),
  async run({ output, helpOf, commands }, { command: words }) {
    const command = words.join(' ')
    const text = helpOf(words)
    if (text === undefined) {
      const names = commands.map(({ name }) => name)
      const guess = closest(command, names)
      throw new CommandError('usage', {
        detail: `there is no command ${command}`,
        next: guess === undefined ? 'moor help' : `moor help ${guess}`,
      })
    }
    output.answer({ command, text }, [output.asCalled(text.trimEnd())])
  },
})
