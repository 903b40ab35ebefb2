/** `moor quarantine release`: takes a change back in that was set aside. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { safeId } from './sanitize.ts'

const operation = controlProtocol.ops['quarantine.release']

export const quarantineRelease = defineCommand({
  name: 'quarantine release',
  summary: 'Take a change back in, and what was set aside because it builds on it',
  description: 'It is verified again like anything new, and set aside again if its block still cannot be made with it.',
  args: [{ name: 'change', summary: 'its hash, or at least the first 8 digits' }],
  options: [],
  examples: ['moor quarantine release 4f1c2a9b'],
  input: z.object({ change: operation.input.shape.change }),
  data: operation.output,
  async run({ connect, call, output }, { change }) {
    const answer = await (await connect()).quarantine.release({ change }, call())
    output.answer(
      answer,
      answer.changes.map((hash) => `released ${safeId(hash)}`),
    )
    output.next('moor quarantine list')
  },
})
