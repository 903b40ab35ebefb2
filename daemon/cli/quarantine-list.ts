/** `moor quarantine list`: what is kept and applied nowhere. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { readPages } from './pages.ts'
import { person, safeId, safeLine } from './sanitize.ts'
import { table } from './table.ts'

const change = controlProtocol.ops['quarantine.list'].output.shape.changes.element

export const quarantineList = defineCommand({
  name: 'quarantine list',
  summary: 'List the changes that were set aside because their block cannot be made with them',
  args: [],
  options: [],
  examples: ['moor quarantine list', 'moor quarantine list --json'],
  input: z.object({}),
  data: z.strictObject({ changes: z.array(change) }),
  async run(context) {
    const client = await context.connect()
    const readPage = async (after: string) => {
      const { changes: rows, more } = await client.quarantine.list({ after: Number(after) }, context.call())
      return { rows, more }
    }
    // Positions as texts of one length, which are in the order of the numbers.
    const changes = await readPages(readPage, ({ seq }) => String(seq).padStart(16, '0'))
    const rows = changes.map((one) => [
      safeId(one.hash.slice(0, 12), 12),
      safeId(one.address, 256),
      person(one),
      safeLine(one.reason, 120),
    ])
    context.output.answer({ changes }, table(['CHANGE', 'ADDRESS', 'FROM', 'REASON'], rows))
    const [first] = changes
    if (first === undefined) context.output.note('nothing is set aside')
    else context.output.next(`moor quarantine export ${safeId(first.hash.slice(0, 12), 12)}`)
  },
})
