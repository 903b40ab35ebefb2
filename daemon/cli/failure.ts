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

/** What was typed, as far as a hint can repeat it. */
export interface Attempt {
  /** Name of the command. */
  readonly command?: string | undefined
  /** Code of a request. */
  readonly code?: string | undefined
}

/** What any thrown value means to the person at the terminal. */
export function failureOf(error: unknown, attempt: Attempt = {}): Failure {
  const known =
    error instanceof MooringError ? error : new MooringError('internal', { detail: String(error), cause: error })
  return {
    code: known.code,
    message: safeLine(known.message, 900),
    next: safeLine(known instanceof CommandError ? known.next : nextOf(known.code, attempt), 300),
    exit: errorTable[known.code].exit,
  }
}

/** The hint of the table, with what was typed in place of what only stands for it. */
function nextOf(error: ErrorCode, { command, code }: Attempt): string {
  const { next } = errorTable[error]
  if (error === 'usage' && command !== undefined) return `moor help ${command}`
  return code !== undefined && /^[0-9A-Za-z]{1,16}$/.test(code) ? next.replace(/\bCODE\b/, code) : next
}

/** An answer about a peer; when the peer is in another state, the failure says which peer and where to look. */
export async function orLookAtPeers<Answer>(who: string, answer: Promise<Answer>): Promise<Answer> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof MooringError) || error.code !== 'wrong-state') throw error
    const detail = error.detail === undefined ? {} : { detail: `${who}: ${error.detail}` }
    throw new CommandError('wrong-state', { ...detail, next: 'moor peers', cause: error })
  }
}
