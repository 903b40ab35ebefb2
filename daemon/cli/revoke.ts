/** `moor revoke`: cuts a plugin off. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { orLookAtPeers } from './failure.ts'
import { person } from './sanitize.ts'

export const revoke = defineCommand({
  name: 'revoke',
  summary: 'Cut every connection of a plugin, at once, and keep it out',
  description: 'What the plugin already copied to its own disk cannot be erased from here.',
  args: [{ name: 'who', summary: 'name, whole peer id, or the five words of the key' }],
  options: [],
  examples: ['moor revoke weather', 'moor revoke amber-otter-violin-nine-lamp'],
  input: z.object({ who: controlProtocol.ops['peer.revoke'].input.shape.who }),
  data: controlProtocol.ops['peer.revoke'].output,
  async run({ connect, call, output }, { who }) {
    const card = await orLookAtPeers(who, (await connect()).peer.revoke({ who }, call()))
    output.answer(card, [`revoked ${person(card)}`])
    output.note('its own copy of what it could read stays with it')
  },
})
