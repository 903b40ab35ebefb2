/** `moor archive insert`: puts a text into the archive of a scope. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { safeId } from './sanitize.ts'

const operation = controlProtocol.ops['archive.insert']
const { scope, text } = operation.input.shape

const field = z.string().regex(/^[a-z0-9._-]+=/, 'is key=value; a key is a name in lower case')

export const archiveInsert = defineCommand({
  name: 'archive insert',
  summary: 'Put a text into the archive of a scope',
  description: 'It stays as it is until it is deleted. Plugins that may read the whole scope can find it.',
  args: [
    { name: 'scope', summary: 'such as space:home' },
    { name: 'text', summary: 'what is kept' },
  ],
  options: [{ name: 'meta', value: 'key=value', isRepeatable: true, summary: 'what is said of it beside the text' }],
  examples: ["moor archive insert space:home 'The kettle is blue' --meta from=ann"],
  input: z.object({ scope, text, meta: z.array(field).optional() }),
  data: operation.output,
  async run({ connect, call, output }, { scope: to, text: kept, meta = [] }) {
    const pairs = meta.map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)] as const)
    const client = await connect()
    const made = await client.archive.insert({ scope: to, text: kept, metadata: Object.fromEntries(pairs) }, call())
    output.answer(made, [safeId(made.id)])
  },
})
