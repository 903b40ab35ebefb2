/** `moor release`: lets a suspended plugin write again. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { peerLines } from './card.ts'
import { defineCommand } from './command.ts'

export const release = defineCommand({
  name: 'release',
  summary: 'Let a plugin write again that was suspended for a change that was set aside',
  description: 'The change itself stays in quarantine; moor quarantine release takes that back in.',
  args: [{ name: 'who', summary: 'name, whole peer id, or the five words of the key' }],
  options: [],
  examples: ['moor release weather', 'moor release amber-otter-violin-nine-lamp'],
  input: z.object({ who: controlProtocol.ops['peer.release'].input.shape.who }),
  data: controlProtocol.ops['peer.release'].output,
  async run({ connect, call, output }, { who }) {
    const card = await (await connect()).peer.release({ who }, call())
    output.answer(card, peerLines(card))
    output.note('it may write again; the same plugin with the same fault will be suspended again')
  },
})
