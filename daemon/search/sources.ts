/** What the index is filled from, and whether what it has is from there. */
import type { SearchDocument, SearchIndex, SearchPositions, SearchSource } from '../storage/search-index.ts'
import type { ArchiveNumber, ArchiveStorage, Epoch, Seq } from '../storage/storage.ts'

/** Of a longer text, the beginning is found. */
const maxChars = 1_000_000
/** A page of these is two and a half million characters at most. */
const entriesPerPage = 50
const entriesPerLook = 1_000

/** The text as the index takes it: without the characters that mark terms, and without what ends a text elsewhere. */
export const searchable = (text: string): string =>
  text
    .slice(0, maxChars)
    .toWellFormed()
    .replace(/[\0\ufdd0\ufdd1]/g, '\ufffd')

/** As with the cursor of a replica: the index was written in an epoch that is known, and not beyond the end of it. */
export function isOfThisStore(
  { epoch, seq, archive }: SearchPositions,
  { epochs, published, last }: { epochs: readonly Epoch[]; published: Seq; last: ArchiveNumber },
): boolean {
  if (epoch === undefined) return true
  const known = epochs.find(({ id }) => id === epoch)
  return known !== undefined && seq <= (known.endSeq ?? published) && archive <= last
}

export interface ArchivePageToIndex {
  readonly documents: readonly SearchDocument[]
  readonly until: ArchiveNumber
  /** Nothing was behind it. */
  readonly isLast: boolean
}

export async function pageOfArchive(archive: ArchiveStorage, after: ArchiveNumber): Promise<ArchivePageToIndex> {
  // Asked first: what is stored meanwhile is in the page or comes with the next.
  const last = await archive.last()
  const rows = await archive.numbered(after, entriesPerPage)
  const documents = rows.map(({ n, id, scope, text }): SearchDocument => {
    return { kind: 'archive', source: n, key: id, scope, seq: 0, text: searchable(text) }
  })
  const isLast = rows.length < entriesPerPage
  // The newest may be deleted or damaged: the position goes past them, or nobody would ever have reached it.
  return { documents, until: Math.max(after, rows.at(-1)?.n ?? 0, isLast ? last : 0), isLast }
}

/** Those of some entries that are not in the archive any more. */
export async function removedOf(
  archive: Pick<ArchiveStorage, 'existing'>,
  entries: readonly Pick<SearchSource, 'source'>[],
): Promise<SearchSource[]> {
  const numbers = entries.map(({ source }) => source)
  const there = new Set(numbers.length === 0 ? [] : await archive.existing(numbers))
  return numbers.filter((n) => !there.has(n)).map((source) => ({ kind: 'archive', source }))
}

/** All entries that the index has and the archive has not. */
export async function removedEntries(
  index: Pick<SearchIndex, 'entries'>,
  archive: Pick<ArchiveStorage, 'existing'>,
): Promise<SearchSource[]> {
  const removed: SearchSource[] = []
  for (let page = await index.entries(0, entriesPerLook); page.length > 0; ) {
    removed.push(
      ...(await removedOf(
        archive,
        page.map((source) => ({ source })),
      )),
    )
    page = await index.entries(page.at(-1) ?? 0, entriesPerLook)
  }
  return removed
}
