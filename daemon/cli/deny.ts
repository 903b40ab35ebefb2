/** `moor deny`: refuses a request. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { person, safeId } from './sanitize.ts'

export const deny = defineCommand({
  name: 'deny',
  summary: 'Refuse a request; the plugin is told at once',
  args: [{ name: 'code', summary: 'code of the request, from moor requests' }],
  options: [],
  examples: ['moor deny K7WQ2M'],
  input: z.object({ code: controlProtocol.ops['request.deny'].input.shape.code.min(1) }),
  data: controlProtocol.ops['request.deny'].output,
  async run({ connect, call, output }, { code }) {
    const card = await (await connect()).request.deny({ code }, call())
    output.answer(card, [`denied ${safeId(card.code, 16)}: ${person({ name: card.manifest.name, peer: card.peer })}`])
  },
})
