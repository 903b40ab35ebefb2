/** `moor quarantine export`: the bytes of a change that was set aside, in base64, for whoever wants to look at it. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { person, safeId, safeLine } from './sanitize.ts'

const operation = controlProtocol.ops['quarantine.export']

export const quarantineExport = defineCommand({
  name: 'quarantine export',
  summary: 'Print the bytes of a change in quarantine, in base64',
  args: [{ name: 'change', summary: 'its hash, or at least the first 8 digits' }],
  options: [],
  examples: ['moor quarantine export 4f1c2a9b > change.b64', 'moor quarantine export 4f1c2a9b --json'],
  input: z.object({ change: operation.input.shape.change }),
  data: z.strictObject({ change: operation.output.shape.change, base64: z.string() }),
  async run({ connect, call, output }, { change }) {
    const answer = await (await connect()).quarantine.export({ change }, call())
    const { hash, address, reason } = answer.change
    output.note(`${safeId(hash)} of ${safeId(address, 256)}`, `from ${person(answer.change)}: ${safeLine(reason)}`)
    const base64 = Buffer.from(answer.bytes).toString('base64')
    output.answer({ change: answer.change, base64 }, [base64])
  },
})
