/** `moor block blame`: who wrote which part of a text. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { authorOf } from './block-state.ts'
import { defineCommand } from './command.ts'
import { safeId, safeLine } from './sanitize.ts'
import { table } from './table.ts'

const { input, output: page } = controlProtocol.ops['block.blame']

export const blockBlame = defineCommand({
  name: 'block blame',
  summary: 'Show who wrote which part of a text',
  args: [{ name: 'address', summary: 'scope and label, such as space:home/notes' }],
  options: [
    { name: 'path', value: 'key', isRepeatable: true, summary: 'a key on the way to the text (default: text)' },
    { name: 'offset', value: 'count', summary: 'begin behind so many characters' },
  ],
  examples: ['moor block blame space:home/notes', 'moor block blame space:home/plan --path map --path title'],
  input: z.object({
    address: input.shape.address,
    path: input.shape.path,
    offset: z
      .string()
      .regex(/^\d{1,9}$/, 'must be a whole number')
      .default('0')
      .transform(Number),
  }),
  data: page,
  async run({ connect, call, output }, { address, path, offset }) {
    const client = await connect()
    const answer = await client.block.blame({ address, path, offset }, call())
    const rows = answer.spans.map((span) => [
      safeId(span.change?.slice(0, 12) ?? '-', 12),
      span.atMs === undefined ? '-' : new Date(span.atMs).toISOString().slice(0, 19),
      authorOf(span),
      safeLine(JSON.stringify(span.text), 80),
    ])
    output.answer(answer, table(['CHANGE', 'WHEN', 'WHO', 'TEXT'], rows))
    if (answer.next >= answer.totalChars) return
    const keys = path.map((key) => ` --path '${safeId(key, 64)}'`).join('')
    output.next(`moor block blame ${safeId(address, 256)}${keys} --offset ${answer.next}`)
  },
})
