/** `moor blocks`: all blocks. */
import { z } from 'zod'
import { type ControlClient, controlProtocol, MooringError } from '../../protocol/index.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { safeId, safeLine } from './sanitize.ts'
import { table } from './table.ts'

const block = controlProtocol.ops['block.list'].output.shape.blocks.element
type Block = z.output<typeof block>

export const blocks = defineCommand({
  name: 'blocks',
  summary: 'List the blocks by address',
  args: [],
  options: [],
  examples: ['moor blocks', 'moor blocks --json'],
  input: z.object({}),
  data: z.strictObject({ blocks: z.array(block) }),
  async run(context) {
    const all = await readAll(await context.connect(), context)
    const rows = all.map((one) => [
      safeId(one.address, 256),
      safeId(one.schema, 64),
      String(one.generation),
      String(one.changes),
      safeLine(one.description, 60),
    ])
    context.output.answer({ blocks: all }, table(['ADDRESS', 'SCHEMA', 'GENERATION', 'CHANGES', 'DESCRIPTION'], rows))
    if (rows.length === 0) context.output.note('there are no blocks yet')
  },
})

async function readAll(client: ControlClient, context: CommandContext<{ blocks: Block[] }>): Promise<Block[]> {
  const all: Block[] = []
  for (;;) {
    const after = all.at(-1)?.address ?? ''
    const page = await client.block.list({ after, limit: 200 }, context.call())
    all.push(...page.blocks)
    if (!page.more) return all
    // A page that does not get further would be asked for again without end.
    if ((all.at(-1)?.address ?? '') <= after)
      throw new MooringError('malformed', { detail: 'the list of blocks does not end' })
  }
}
