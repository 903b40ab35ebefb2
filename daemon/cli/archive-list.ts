/** `moor archive list`: what is in the archive. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { readPages } from './pages.ts'
import { safeId, safeLine } from './sanitize.ts'
import { table } from './table.ts'

const operation = controlProtocol.ops['archive.list']

export const archiveList = defineCommand({
  name: 'archive list',
  summary: 'List the archive, oldest entries first',
  args: [{ name: 'scope', isOptional: true, summary: 'only this scope, such as space:home' }],
  options: [],
  examples: ['moor archive list', 'moor archive list space:home --json'],
  input: z.object({ scope: operation.input.shape.scope }),
  data: z.strictObject({ entries: operation.output.shape.entries }),
  async run(context, { scope }) {
    const client = await context.connect()
    const readPage = async (after: string) => {
      const { entries: rows, more } = await client.archive.list({ scope, after: after as '' }, context.call())
      return { rows, more }
    }
    const entries = await readPages(readPage, ({ id }) => id)
    const rows = entries.map((one) => [
      safeId(one.id),
      safeId(one.scope, 128),
      String(one.totalChars),
      safeLine(one.excerpt, 60),
    ])
    context.output.answer({ entries }, table(['ID', 'SCOPE', 'CHARACTERS', 'BEGINS'], rows))
    if (rows.length === 0) context.output.note('the archive is empty')
  },
})
