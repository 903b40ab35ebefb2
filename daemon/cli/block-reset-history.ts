/** `moor block reset-history`: begins a block anew. Keeps true: only after a person or `--yes` said so. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { CommandError } from './failure.ts'
import { safeId } from './sanitize.ts'

const operation = controlProtocol.ops['block.reset-history']

/** The value of a long block takes seconds to be made and checked. */
const defaultTimeoutMs = 10 * 60_000

export const blockResetHistory = defineCommand({
  name: 'block reset-history',
  summary: 'Begin a block anew with its present content, without its history',
  description:
    'The address gets a new generation. Edits that plugins made to the old one and have not sent yet are set aside there. Asks you first; without a terminal it needs --yes.',
  args: [{ name: 'address', summary: 'scope and label, such as space:home/notes' }],
  options: [],
  examples: ['moor block reset-history space:home/notes', 'moor block reset-history space:home/notes --yes --json'],
  input: z.object({ address: operation.input.shape.address }),
  data: operation.output,
  async run(context, { address }) {
    const { call, connect, output } = context
    const client = await connect()
    const shown = safeId(address, 256)
    if (!context.isYes) {
      const { generation } = await client.block.show({ address, offset: 0 }, call(defaultTimeoutMs))
      output.show(
        `${shown} is generation ${generation}; its content stays, who wrote what does not.`,
        'Plugins that are offline keep edits they have not sent, outside the block.',
      )
      const next = `moor block reset-history ${shown} --yes`
      if (!context.canAsk) {
        throw new CommandError('approval-needed', { detail: 'there is no terminal to ask on', next })
      }
      if (!(await context.confirm(`Begin ${shown} anew?`))) {
        throw new CommandError('approval-needed', { detail: 'nothing was changed', next })
      }
    }
    const answer = await client.block['reset-history']({ address }, call(defaultTimeoutMs))
    output.answer(answer, [
      `${shown} is generation ${answer.generation}: ${answer.changes} changes instead of ${answer.before}`,
    ])
  },
})
