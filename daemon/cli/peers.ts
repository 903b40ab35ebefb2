/** `moor peers`: every key that was decided about. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { keyOf, safeId } from './sanitize.ts'
import { table } from './table.ts'

export const peers = defineCommand({
  name: 'peers',
  summary: 'List the plugins that were approved, denied or revoked',
  args: [],
  options: [],
  examples: ['moor peers', 'moor peers --json'],
  input: z.object({}),
  data: controlProtocol.ops['peer.list'].output,
  async run({ connect, call, output }) {
    const answer = await (await connect()).peer.list({}, call())
    const rows = answer.peers.map((card) => [
      safeId(card.name, 64),
      card.state,
      card.sessions.length === 0 ? '-' : String(card.sessions.length),
      String(card.grants.length),
      keyOf(card.peer),
    ])
    output.answer(answer, table(['NAME', 'STATE', 'LIVE', 'GRANTS', 'KEY'], rows))
    if (rows.length === 0) output.note('no plugin is known yet')
    if (rows.length === 0) output.next("moor invite --grant 'blocks:read:space:home/*'")
  },
})
