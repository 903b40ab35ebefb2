/** Where a page of an answer ended. Keeps: it says nothing that was not in the page. */
import { MooringError } from '../../protocol/errors.ts'

export interface Place {
  readonly score: number
  readonly key: string
}

/** The exact score, so that nothing is passed over or comes twice. */
export function formatCursor({ score, key }: Place): string {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(score)
  return `${bytes.toString('hex')}${key}`
}

/** @throws `invalid-input` */
export function parseCursor(text: string): Place {
  const score = /^[0-9a-f]{16}/.test(text) ? Buffer.from(text.slice(0, 16), 'hex').readDoubleBE() : Number.NaN
  if (!Number.isFinite(score)) throw new MooringError('invalid-input', { detail: 'cursor: it is not of an answer' })
  return { score, key: text.slice(16) }
}
