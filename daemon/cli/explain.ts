/** `moor explain`: what an error code means and what to do. Needs no daemon. */
import { z } from 'zod'
import { errorCodes, errorTable, isErrorCode } from '../../protocol/index.ts'
import { closest } from './closest.ts'
import { defineCommand } from './command.ts'
import { CommandError } from './failure.ts'
import { fields } from './table.ts'

export const explain = defineCommand({
  name: 'explain',
  summary: 'Say what an error code means and what to do',
  args: [{ name: 'error', summary: 'the code, such as daemon-unreachable' }],
  options: [],
  examples: ['moor explain daemon-unreachable', 'moor explain timeout --json'],
  input: z.object({ error: z.string().min(1).max(64) }),
  data: z.strictObject({
    code: z.enum(errorCodes as [string, ...string[]]),
    category: z.string(),
    meaning: z.string(),
    /** What the other side is told. */
    told: z.string(),
    next: z.string(),
    retryable: z.boolean(),
    exit: z.int(),
  }),
  async run({ output }, { error }) {
    if (!isErrorCode(error)) {
      const guess = closest(error, errorCodes)
      throw new CommandError('usage', {
        detail: 'there is no such error code',
        next: guess === undefined ? `moor explain ${errorCodes[0]}` : `moor explain ${guess}`,
      })
    }
    const { category, local, remote, next, retryable, exit } = errorTable[error]
    output.answer({ code: error, category, meaning: local, told: remote, next, retryable, exit }, [
      `${error}: ${local}`,
      ...fields([
        ['next', next],
        ['told', remote],
        ['kind', `${category}, ${retryable ? 'may succeed when tried again' : 'fails again unless something changes'}`],
        ['exit', String(exit)],
      ]),
    ])
  },
})
