/** `moor narrow`: takes some of what a plugin may do away. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { peerLines } from './card.ts'
import { defineCommand } from './command.ts'
import { orLookAtPeers } from './failure.ts'
import { grantOption } from './grant-option.ts'

const shape = controlProtocol.ops['peer.narrow'].input.shape

export const narrow = defineCommand({
  name: 'narrow',
  summary: 'Leave a plugin only some of what it may do, at once',
  description: 'Its connections are cut and come back with the smaller grant. For more, it has to ask again.',
  args: [{ name: 'who', summary: 'name, whole peer id, or the five words of the key' }],
  options: [{ name: 'grant', value: 'grant', isRepeatable: true, summary: 'what it keeps (repeatable)' }],
  examples: ['moor narrow weather --grant blocks:read:space:home/weather'],
  input: z.object({ who: shape.who, grant: z.array(grantOption).min(1).max(64) }),
  data: controlProtocol.ops['peer.narrow'].output,
  async run({ connect, call, output }, { who, grant }) {
    const card = await orLookAtPeers(who, (await connect()).peer.narrow({ who, grants: grant }, call()))
    output.answer(card, peerLines(card))
  },
})
