/** `moor commands`: the tree of commands, for documents, completions and agents. Needs no daemon. */
import { z } from 'zod'
import { toJsonSchema } from '../../protocol/index.ts'
import { type AnyCommand, defineCommand } from './command.ts'
import { table } from './table.ts'

const commandShape = z.strictObject({
  name: z.string(),
  summary: z.string(),
  args: z.array(
    z.strictObject({
      name: z.string(),
      isOptional: z.boolean(),
      isRepeatable: z.boolean(),
      /** All that it can be, where they are few. */
      values: z.array(z.string()).optional(),
      summary: z.string(),
    }),
  ),
  options: z.array(
    z.strictObject({
      name: z.string(),
      short: z.string().optional(),
      value: z.string().optional(),
      isRepeatable: z.boolean(),
      values: z.array(z.string()).optional(),
      summary: z.string(),
    }),
  ),
  examples: z.array(z.string()),
  /** Any number of answers, one on each line. */
  isStream: z.boolean(),
  /** JSON Schema of `data` in the answer with `--json`. */
  data: z.record(z.string(), z.unknown()),
})

export const commands = defineCommand({
  name: 'commands',
  summary: 'List every command; with --json, with the schema of its answer',
  args: [],
  options: [],
  examples: ['moor commands', 'moor commands --json'],
  input: z.object({}),
  data: z.strictObject({ commands: z.array(commandShape) }),
  async run({ output, commands: all }) {
    const rows = all.map((command) => [command.name, command.summary])
    output.answer({ commands: all.map(describe) }, table(['COMMAND', 'DOES'], rows))
  },
})

const describe = (command: AnyCommand): z.output<typeof commandShape> => ({
  name: command.name,
  summary: command.summary,
  args: command.args.map(({ name, isOptional = false, isRepeatable = false, values, summary }) => ({
    name,
    isOptional,
    isRepeatable,
    ...(values === undefined || values === 'commands' ? {} : { values: [...values] }),
    summary,
  })),
  options: command.options.map(({ name, short, value, isRepeatable = false, values, summary }) => ({
    name,
    ...(short === undefined ? {} : { short }),
    ...(value === undefined ? {} : { value }),
    isRepeatable,
    ...(values === undefined ? {} : { values: [...values] }),
    summary,
  })),
  examples: [...command.examples],
  isStream: command.isStream ?? false,
  data: toJsonSchema(command.data),
})
