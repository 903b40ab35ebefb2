/** `moor block meta`: changes what is said of a block beside its content. */
import { z } from 'zod'
import { controlProtocol, limits } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { safeId, safeLine } from './sanitize.ts'

const operation = controlProtocol.ops['block.update-metadata']
const { address, patch } = operation.input.shape

const optionsText = z
  .string()
  .max(limits.maxOptionsChars)
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      context.addIssue({ code: 'custom', message: 'is no JSON' })
      return z.NEVER
    }
  })
  .pipe(patch.shape.options.unwrap())

export const blockMeta = defineCommand({
  name: 'block meta',
  summary: 'Say what a block is for',
  description: 'Plugins that may read the block are told, also those that are offline now.',
  args: [{ name: 'address', summary: 'scope and label, such as space:home/notes' }],
  options: [
    { name: 'description', value: 'text', summary: 'what the block is for; empty for nothing' },
    { name: 'options', value: 'json', summary: 'its fields, items or sections; {} for none' },
  ],
  examples: [
    'moor block meta space:home/notes --description Shopping',
    'moor block meta space:home/diary --options \'{"displayLimit": 20}\'',
  ],
  input: z
    .object({ address, description: patch.shape.description, options: optionsText.optional() })
    .refine(({ description, options }) => description !== undefined || options !== undefined, {
      message: 'say --description, --options or both',
    }),
  data: operation.output,
  async run({ connect, call, output }, { address: at, description, options }) {
    const client = await connect()
    const answer = await client.block['update-metadata']({ address: at, patch: { description, options } }, call())
    const { meta } = answer
    const said = meta.options === undefined ? [] : [safeLine(JSON.stringify(meta.options), limits.maxOptionsChars)]
    output.answer(answer, [`${safeId(at, 256)}: ${safeLine(meta.description ?? 'no description', 500)}`, ...said])
  },
})
