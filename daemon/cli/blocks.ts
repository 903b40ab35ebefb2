/** `moor blocks`: all blocks. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { readPages } from './pages.ts'
import { safeId, safeLine } from './sanitize.ts'
import { table } from './table.ts'

const block = controlProtocol.ops['block.list'].output.shape.blocks.element

export const blocks = defineCommand({
  name: 'blocks',
  summary: 'List the blocks by address',
  args: [],
  options: [],
  examples: ['moor blocks', 'moor blocks --json'],
  input: z.object({}),
  data: z.strictObject({ blocks: z.array(block) }),
  async run(context) {
    const client = await context.connect()
    const readPage = async (after: string) => {
      const { blocks: rows, more } = await client.block.list({ after }, context.call())
      return { rows, more }
    }
    const all = await readPages(readPage, (one) => one.address)
    const rows = all.map((one) => [
      safeId(one.address, 256),
      safeId(one.schema, 64),
      one.pinned ? `${one.kind}, pinned` : one.kind,
      String(one.generation),
      String(one.changes),
      safeLine(one.description, 60),
    ])
    context.output.answer(
      { blocks: all },
      table(['ADDRESS', 'SCHEMA', 'KIND', 'GENERATION', 'CHANGES', 'DESCRIPTION'], rows),
    )
    if (rows.length === 0) context.output.note('there are no blocks yet')
  },
})
