/** `moor reindex`: makes the search index anew. */

import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'

/** Every block is made and read. */
const defaultTimeoutMs = 10 * 60_000

export const reindex = defineCommand({
  name: 'reindex',
  summary: 'Make the search index anew, from the blocks and the archive',
  description:
    'It is kept up to date by itself; this is for when something looks wrong. Searches wait until it is complete.',
  args: [],
  options: [],
  examples: ['moor reindex'],
  input: z.object({}),
  data: controlProtocol.ops['search.reindex'].output,
  async run({ connect, call, output }) {
    const made = await (await connect()).search.reindex({}, call(defaultTimeoutMs))
    output.answer(made, [`${made.blocks} blocks and ${made.entries} entries of the archive`])
  },
})
