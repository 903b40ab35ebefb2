/** `moor block create`: the block of a schema at an address, made if there is none. */
import { z } from 'zod'
import { controlProtocol, schemaNames } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { safeId } from './sanitize.ts'

const operation = controlProtocol.ops['block.create']
const { address, schema, meta } = operation.input.shape

export const blockCreate = defineCommand({
  name: 'block create',
  summary: 'Make a block',
  description:
    'Plugins that may read the address get it at once. `moor block meta` says what its fields or sections are.',
  args: [
    { name: 'address', summary: 'scope and label, such as space:home/notes' },
    { name: 'schema', values: schemaNames, summary: 'what it holds' },
  ],
  options: [{ name: 'description', value: 'text', summary: 'what the block is for' }],
  examples: ['moor block create space:home/notes text', 'moor block create space:home/facts map --description Facts'],
  input: z.object({ address, schema, description: meta.unwrap().shape.description }),
  data: operation.output,
  async run({ connect, call, output }, { address: at, schema: name, description }) {
    const client = await connect()
    const said = description === undefined ? {} : { meta: { description } }
    const answer = await client.block.create({ address: at, schema: name, ...said }, call())
    const did = answer.isNew ? `generation ${answer.generation}` : 'is there already'
    output.answer(answer, [`${safeId(at, 256)}: ${did}`])
  },
})
