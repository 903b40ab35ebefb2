/**
 * What a failure of SQLite means for the caller, and the form in which an error crosses from a worker to the main
 * thread. Keeps: whatever leaves durability in doubt is fatal; a full disk is not.
 */

import type { ErrorCode } from '../../protocol/errors.ts'
import { MooringError } from '../../protocol/errors.ts'

/** An error as it travels between threads. */
export interface ThreadError {
  readonly code: ErrorCode
  readonly detail: string | undefined
  /** Text of the original, for the log. */
  readonly cause: string | undefined
  /** The store can no longer promise anything. */
  readonly fatal: boolean
}

const sqliteCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('SQLITE_')
    ? error.code
    : undefined

/** No space. `IOERR_SHMSIZE` is the same thing: the shared index of the log could not grow. */
export const isFull = (error: unknown): boolean => {
  const code = sqliteCode(error)
  return code === 'SQLITE_FULL' || code === 'SQLITE_IOERR_SHMSIZE'
}

/** Another connection holds the lock longer than the busy timeout. */
export const isBusy = (error: unknown): boolean => sqliteCode(error)?.startsWith('SQLITE_BUSY') === true

/** The file is no database, or its pages contradict each other. */
export const isCorrupt = (error: unknown): boolean => {
  const code = sqliteCode(error)
  return code === 'SQLITE_NOTADB' || code?.startsWith('SQLITE_CORRUPT') === true
}

/** An index has another value than the row, which is the one that counts. */
export const isIndexAtOdds = (error: unknown): boolean => sqliteCode(error) === 'SQLITE_CORRUPT_INDEX'

/** A file with the right first bytes whose header asks for something that no version of SQLite has. */
export const isUnreadable = (error: unknown): boolean => isCorrupt(error) || sqliteCode(error) === 'SQLITE_ERROR'

/** What SQLite cannot recover from inside this process. After a failed fsync the next one may lie. */
const isBroken = (code: string): boolean =>
  ['SQLITE_IOERR', 'SQLITE_CORRUPT', 'SQLITE_NOTADB', 'SQLITE_CANTOPEN', 'SQLITE_READONLY', 'SQLITE_NOMEM'].some(
    (start) => code.startsWith(start),
  )

/**
 * Any error as one of the table's. `where` says which promise is at stake: damage found by a read leaves the rest of
 * the database as good as it was, damage found by a write does not.
 */
export function toThreadError(error: unknown, where: 'read' | 'write'): ThreadError {
  if (error instanceof MooringError) {
    return { code: error.code, detail: error.detail, cause: causeText(error.cause), fatal: false }
  }
  const code = sqliteCode(error)
  const cause = causeText(error)
  if (code === undefined) return { ...fromSystem(error), cause, fatal: false }
  if (isFull(error)) return { code: 'storage-full', detail: undefined, cause, fatal: false }
  if (where === 'read' && isCorrupt(error)) return { code: 'database-corrupt', detail: code, cause, fatal: false }
  if (isBroken(code)) return { code: 'storage-failed', detail: code, cause, fatal: true }
  if (isBusy(error))
    return { code: 'storage-failed', detail: 'another program locks the database', cause, fatal: false }
  return { code: 'internal', detail: code, cause, fatal: false }
}

/** The file system itself refused, while the database was being opened. */
function fromSystem(error: unknown): Pick<ThreadError, 'code' | 'detail'> {
  const errno = error instanceof Error && 'code' in error && 'errno' in error ? String(error.code) : undefined
  if (errno === undefined) return { code: 'internal', detail: undefined }
  return errno === 'ENOSPC' || errno === 'EDQUOT'
    ? { code: 'storage-full', detail: undefined }
    : { code: 'storage-failed', detail: errno }
}

export function fromThreadError({ code, detail, cause }: ThreadError): MooringError {
  return new MooringError(code, {
    ...(detail === undefined ? {} : { detail }),
    ...(cause === undefined ? {} : { cause }),
  })
}

const causeText = (cause: unknown): string | undefined =>
  cause === undefined ? undefined : cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
