/**
 * Refusals that every backend gives in the same words.
 */
import { MooringError } from '../../protocol/errors.ts'

/** A code or hash that is stored already: the caller mints another. */
export const duplicateRow = (what: string): MooringError =>
  new MooringError('wrong-state', { detail: `${what} exists already` })

/** A call on a store that was closed. */
export const closedError = (): MooringError => new MooringError('daemon-stopping', { detail: 'the storage is closed' })

/** The backend broke: what was under way may or may not have been stored. */
export const storageFailed = (cause?: unknown): MooringError => new MooringError('storage-failed', { cause })
