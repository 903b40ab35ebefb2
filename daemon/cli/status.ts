/** `moor status`: the card of the daemon. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { nextAfterStatus, statusLines } from './card.ts'
import { defineCommand } from './command.ts'

export const status = defineCommand({
  name: 'status',
  summary: 'Show the daemon: key, words, addresses, counts, next step',
  args: [],
  options: [],
  examples: ['moor status', 'moor status --json'],
  input: z.object({}),
  data: controlProtocol.ops['daemon.status'].output,
  async run({ connect, call, output, clock }) {
    const card = await (await connect()).daemon.status({}, call())
    output.answer(card, statusLines(card, clock.nowMs()))
    output.next(nextAfterStatus(card))
  },
})
