/** `moor archive get`: one entry of the archive. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { safeId, safeLine, safeText } from './sanitize.ts'

const operation = controlProtocol.ops['archive.get']

export const archiveGet = defineCommand({
  name: 'archive get',
  summary: 'Show an entry of the archive',
  args: [{ name: 'id', summary: 'as moor archive list shows it' }],
  options: [],
  examples: ['moor archive get 019b0a3c-7d00-7000-8000-000000000001'],
  input: z.object({ id: operation.input.shape.id }),
  data: operation.output,
  async run({ connect, call, output }, { id }) {
    const entry = await (await connect()).archive.get({ id }, call())
    const facts = Object.entries(entry.metadata).map(([key, value]) => `${safeId(key, 64)}=${safeLine(value, 256)}`)
    output.note([safeId(entry.scope, 128), new Date(entry.createdAtMs).toISOString(), ...facts].join('  '))
    output.answer(entry, [safeText(entry.text)])
  },
})
