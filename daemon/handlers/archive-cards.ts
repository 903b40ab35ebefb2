/** Entries of the archive as lists show them, the same for plugins and the operator. */
import type { archiveCard, Infer } from '../../protocol/index.ts'
import type { ArchiveRow } from '../storage/storage.ts'

const excerptChars = 200

export const archiveCardOf = ({ text, ...facts }: ArchiveRow): Infer<typeof archiveCard> => ({
  ...facts,
  metadata: { ...facts.metadata },
  // Half a character at its end could not be encoded.
  excerpt: text
    .slice(0, excerptChars)
    .toWellFormed()
    .replace(/\ufffd$/, ''),
  totalChars: text.length,
})
