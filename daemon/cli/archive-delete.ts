/** `moor archive delete`: removes an entry for good. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { safeId } from './sanitize.ts'

const operation = controlProtocol.ops['archive.delete']

export const archiveDelete = defineCommand({
  name: 'archive delete',
  summary: 'Delete an entry of the archive, for good',
  args: [{ name: 'id', summary: 'as moor archive list shows it' }],
  options: [],
  examples: ['moor archive delete 019b0a3c-7d00-7000-8000-000000000001'],
  input: z.object({ id: operation.input.shape.id }),
  data: operation.output,
  async run({ connect, call, output }, { id }) {
    const answer = await (await connect()).archive.delete({ id }, call())
    output.answer(answer, [`deleted ${safeId(id)}`])
  },
})
