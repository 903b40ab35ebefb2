/** What a failure of SQLite means for a replica, and the form in which it crosses from the thread of the store. */
import { type ErrorCode, MooringError } from '../../protocol/errors.ts'

/** An error as it travels between threads. */
export interface ThreadError {
  readonly code: ErrorCode
  readonly detail: string | undefined
  /** Text of the original. */
  readonly cause: string | undefined
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''

export const isBusy = (error: unknown): boolean => codeOf(error).startsWith('SQLITE_BUSY')

/** The file is no database, its pages contradict each other, or its header asks for what no version of SQLite has. */
export const isUnreadable = (error: unknown): boolean =>
  /^SQLITE_(?:NOTADB|CORRUPT|ERROR)/.test(codeOf(error)) && !isFull(error)

/** `IOERR_SHMSIZE` is the same thing: the shared index of the log could not grow. */
export const isFull = (error: unknown): boolean =>
  ['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE', 'ENOSPC', 'EDQUOT'].includes(codeOf(error))

/** Whatever else goes wrong while writing leaves durability in doubt: after a failed fsync the next one may lie. */
export const isBroken = (error: unknown): boolean =>
  codeOf(error).startsWith('SQLITE_') && !isFull(error) && !isBusy(error) && !isUnreadable(error)

export function toThreadError(error: unknown): ThreadError {
  const cause = error instanceof Error ? (error.stack ?? error.message) : String(error)
  if (error instanceof MooringError) return { code: error.code, detail: error.detail, cause }
  const code = codeOf(error)
  if (isFull(error)) return { code: 'storage-full', detail: 'the replica of this plugin', cause }
  if (code.startsWith('SQLITE_CORRUPT')) return { code: 'database-corrupt', detail: code, cause }
  return { code: 'storage-failed', detail: `the replica of this plugin: ${code || 'it broke'}`, cause }
}

export const fromThreadError = ({ code, detail, cause }: ThreadError): MooringError =>
  new MooringError(code, { ...(detail === undefined ? {} : { detail }), cause })
