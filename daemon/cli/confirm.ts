/** The one question commands ask. The prompt library is loaded only when there is something to ask. */
import type { Readable, Writable } from 'node:stream'
import { MooringError } from '../../protocol/index.ts'

export type TerminalInput = Readable
export type TerminalOutput = Writable

/** The default is no. @throws `cancelled` at Ctrl-C */
export async function confirmOnTerminal(
  question: string,
  input: TerminalInput,
  output: TerminalOutput,
  signal: AbortSignal,
): Promise<boolean> {
  const { confirm } = await import('@clack/prompts')
  const answer = await confirm({ message: question, initialValue: false, input, output, signal })
  if (typeof answer !== 'boolean') throw new MooringError('cancelled')
  return answer
}
