/** How a command fails: a code of the table, one sentence, and the exact next command. */
import { type ErrorCode, errorTable, MooringError, type MooringErrorOptions } from '../../protocol/index.ts'
import { safeLine } from './sanitize.ts'

/** A failure that knows a better next command than the row of its code, because it knows the arguments. */
export class CommandError extends MooringError {
  readonly next: string

  constructor(code: ErrorCode, options: MooringErrorOptions & { readonly next: string }) {
    super(code, options)
    this.next = options.next
  }
}

/** A failure as it is printed and put into the envelope: safe text only. */
export interface Failure {
  readonly code: ErrorCode
  readonly message: string
  readonly next: string
  readonly exit: number
}

/** What any thrown value means to the person at the terminal. */
export function failureOf(error: unknown): Failure {
  const known =
    error instanceof MooringError ? error : new MooringError('internal', { detail: String(error), cause: error })
  return {
    code: known.code,
    message: safeLine(known.message, 900),
    next: safeLine(known instanceof CommandError ? known.next : errorTable[known.code].next, 300),
    exit: errorTable[known.code].exit,
  }
}
