/** `moor peers`: every key that was decided about. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { firstPlugin } from './card.ts'
import { defineCommand } from './command.ts'
import { readPages } from './pages.ts'
import { keyOf, safeId, safeLine } from './sanitize.ts'
import { table } from './table.ts'

export const peers = defineCommand({
  name: 'peers',
  summary: 'List the plugins that were approved, denied or revoked',
  args: [],
  options: [],
  examples: ['moor peers', 'moor peers --json'],
  input: z.object({}),
  data: controlProtocol.ops['peer.list'].output.omit({ more: true }),
  async run({ connect, call, output }) {
    const client = await connect()
    const readPage = async (after: string) => {
      const { peers: rows, more } = await client.peer.list({ after }, call())
      return { rows, more }
    }
    const cards = await readPages(readPage, (card) => card.peer)
    cards.sort((a, b) => a.name.localeCompare(b.name, 'en'))
    const rows = cards.map((card) => [
      safeId(card.name, 64),
      card.suspended === undefined ? card.state : `${card.state}, suspended`,
      card.sessions.length === 0 ? '-' : String(card.sessions.length),
      String(card.grants.length),
      keyOf(card.peer),
    ])
    output.answer({ peers: cards }, table(['NAME', 'STATE', 'LIVE', 'GRANTS', 'KEY'], rows))
    for (const card of cards) {
      if (card.suspended !== undefined)
        output.note(`${safeId(card.name, 64)} may not write: ${safeLine(card.suspended)}`)
    }
    const suspended = cards.find((card) => card.suspended !== undefined)
    if (suspended !== undefined) output.next(`moor release ${safeId(suspended.name, 64)}`)
    if (rows.length === 0) output.note('no plugin is known yet')
    if (rows.length === 0) output.next(firstPlugin)
  },
})
