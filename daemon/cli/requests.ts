/** `moor requests`: who waits for the operator. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { formatDuration } from './duration.ts'
import { readPages } from './pages.ts'
import { keyOf, safeId } from './sanitize.ts'
import { table } from './table.ts'

export const requests = defineCommand({
  name: 'requests',
  summary: 'List the plugins that wait for approval, oldest first',
  args: [],
  options: [],
  examples: ['moor requests', 'moor requests --json'],
  input: z.object({}),
  data: controlProtocol.ops['request.list'].output.omit({ more: true }),
  async run({ connect, call, output, clock }) {
    const client = await connect()
    const readPage = async (after: string) => {
      const { requests: rows, more } = await client.request.list({ after }, call())
      return { rows, more }
    }
    const cards = await readPages(readPage, (card) => card.code)
    cards.sort((a, b) => a.createdAtMs - b.createdAtMs)
    const rows = cards.map((card) => [
      safeId(card.code, 16),
      safeId(card.name, 64),
      safeId(card.manifest.version, 32),
      String(card.wants.length),
      formatDuration(card.expiresAtMs - clock.nowMs()),
      keyOf(card.peer),
      safeId(card.from, 256),
    ])
    output.answer({ requests: cards }, table(['CODE', 'NAME', 'VERSION', 'ASKS', 'EXPIRES', 'KEY', 'FROM'], rows))
    const [oldest] = cards
    if (oldest === undefined) output.note('nobody is waiting')
    // One by its code, after looking: which of several is meant is never guessed.
    else output.next(`moor approve ${rows.length === 1 ? safeId(oldest.code, 16) : 'CODE'}`)
  },
})
