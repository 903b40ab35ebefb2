/**
 * The port of the search index: texts with where they are from, found by their words. It is derived: whoever fills it can fill
 * it again, and a file that cannot be used is begun anew. Keeps: what is written in one call is there as a whole, with the
 * positions that it reaches, or not at all.
 */
import type { Scope } from '../../protocol/ids.ts'
import type { ArchiveNumber } from './archive-rows.ts'
import type { BlockId, Seq } from './storage.ts'

export type SearchKind = 'block' | 'archive'

/** Something that has a text: a block by its id, or an entry of the archive by its number. */
export interface SearchSource {
  readonly kind: SearchKind
  readonly source: BlockId | ArchiveNumber
}

export interface SearchDocument extends SearchSource {
  /** Its address, or its id. */
  readonly key: string
  readonly scope: Scope
  /** Of a block: its text holds everything up to here. */
  readonly seq: Seq
  readonly text: string
}

export interface SearchBatch {
  /** The epoch of the log that was read, and how far the log went then: an index of another store is none. */
  readonly epoch: string
  readonly seq: Seq
  /** Entries of the archive up to here are in the index, as far as they were not deleted. */
  readonly archive: ArchiveNumber
  /** Each replaces what there was of the same source. */
  readonly put: readonly SearchDocument[]
  readonly gone: readonly SearchSource[]
}

export interface SearchPositions extends Pick<SearchBatch, 'archive' | 'seq'> {
  /** Undefined for an index that was never written. */
  readonly epoch: string | undefined
  readonly blocks: readonly { readonly block: BlockId; readonly seq: Seq }[]
  /** How many of the archive there are. */
  readonly entries: number
}

/** Words and phrases: what a text must have, and what it must not have. None is ever read as anything else. */
export interface SearchTerms {
  /** At least one, each with a letter or a digit. */
  readonly all: readonly string[]
  readonly none: readonly string[]
}

export interface SearchQuestion {
  readonly terms: SearchTerms
  /** Scopes, or `space:*` and `agent:*`; everything when absent. */
  readonly areas: readonly string[] | undefined
  readonly kinds: readonly SearchKind[]
  /** Only what comes behind this one in the order of the answer. */
  readonly after: { readonly score: number; readonly key: string } | undefined
}

/** What fits, best first, in columns: it may be tens of thousands, most of which nobody looks at. */
export interface SearchMatches {
  readonly isBlock: Uint8Array<ArrayBuffer>
  readonly sources: Float64Array<ArrayBuffer>
  /** Greater is better. */
  readonly scores: Float64Array<ArrayBuffer>
  /** Of each match, the place of its scope in `scopeNames`. */
  readonly scopes: Uint32Array<ArrayBuffer>
  readonly scopeNames: readonly Scope[]
}

export interface SearchExcerpt {
  readonly key: string
  /** A piece of the text, each term between {@link markBegin} and {@link markEnd}; undefined when it does not fit any more. */
  readonly text: string | undefined
}

/** No text in the index has these characters, which Unicode gives to programs. */
export const markBegin = '\ufdd0'
export const markEnd = '\ufdd1'

export interface SearchIndex {
  positions(): Promise<SearchPositions>
  /** Numbers of the entries of the archive that are in the index, behind one. */
  entries(after: ArchiveNumber, limit: number): Promise<readonly ArchiveNumber[]>
  write(batch: SearchBatch): Promise<void>
  /** @throws `query-too-broad` */
  query(question: SearchQuestion): Promise<SearchMatches>
  /** Undefined for what is not in the index any more. */
  excerpts(terms: SearchTerms, sources: readonly SearchSource[]): Promise<readonly (SearchExcerpt | undefined)[]>
  clear(): Promise<void>
  /** Told when what was written may be gone; it is to be asked for its positions again. */
  onLost(listener: () => void): void
  /** Idempotent. */
  close(): Promise<void>
}
