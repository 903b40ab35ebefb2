/** `moor explain`: what an error code means and what to do. Needs no daemon. */
import { z } from 'zod'
import { type ErrorCode, errorCodes, errorTable, isErrorCode } from '../../protocol/index.ts'
import { closest } from './closest.ts'
import { defineCommand } from './command.ts'
import { CommandError } from './failure.ts'
import { fields, table } from './table.ts'

export const explain = defineCommand({
  name: 'explain',
  summary: 'Say what an error code means and what to do; without one, list them all',
  args: [{ name: 'error', isOptional: true, summary: 'the code, such as daemon-unreachable', values: errorCodes }],
  options: [],
  examples: ['moor explain daemon-unreachable', 'moor explain timeout --json', 'moor explain'],
  input: z.object({ error: z.string().min(1).max(64).optional() }),
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
  isStream: true,
  async run({ output }, { error }) {
    if (error === undefined) {
      const lines = table(
        ['CODE', 'MEANING'],
        errorCodes.map((code) => [code, errorTable[code].local]),
      ).slice(1)
      for (const [i, code] of errorCodes.entries()) output.answer(dataOf(code), [lines[i] ?? ''])
      return
    }
    if (!isErrorCode(error)) {
      const guess = closest(error, errorCodes)
      throw new CommandError('usage', {
        detail: 'there is no such error code',
        next: guess === undefined ? 'moor explain' : `moor explain ${guess}`,
      })
    }
    const { category, local, remote, next, retryable, exit } = errorTable[error]
    output.answer(dataOf(error), [
      `${error}: ${local}`,
      ...fields([
        ['next', output.asCalled(next)],
        ['told', remote],
        ['kind', `${category}, ${retryable ? 'may succeed when tried again' : 'fails again unless something changes'}`],
        ['exit', String(exit)],
      ]),
    ])
  },
})

function dataOf(code: ErrorCode) {
  const { category, local, remote, next, retryable, exit } = errorTable[code]
  return { code, category, meaning: local, told: remote, next, retryable, exit }
}
