/** `moor block meta`: changes what is said of a block beside its content. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { safeId, safeLine } from './sanitize.ts'

const operation = controlProtocol.ops['block.update-metadata']
const { address, patch } = operation.input.shape

export const blockMeta = defineCommand({
  name: 'block meta',
  summary: 'Say what a block is for',
  description: 'Plugins that may read the block are told, also those that are offline now.',
  args: [{ name: 'address', summary: 'scope and label, such as space:home/notes' }],
  options: [{ name: 'description', value: 'text', summary: 'what the block is for; empty for nothing' }],
  examples: ['moor block meta space:home/notes --description Shopping'],
  input: z.object({ address, description: patch.shape.description.unwrap() }),
  data: operation.output,
  async run({ connect, call, output }, { address: at, description }) {
    const client = await connect()
    const answer = await client.block['update-metadata']({ address: at, patch: { description } }, call())
    output.answer(answer, [`${safeId(at, 256)}: ${safeLine(answer.meta.description ?? 'no description', 500)}`])
  },
})
