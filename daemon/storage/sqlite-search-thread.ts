/**
 * The thread of the search index: the only one that has its file open. Keeps: what is looked for is never read as an
 * expression, and one question looks at no more than {@link maxMatches} texts.
 */
import type Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import type { Scope } from '../../protocol/ids.ts'
import type { ArchiveNumber } from './archive-rows.ts'
import {
  markBegin,
  markEnd,
  type SearchBatch,
  type SearchDocument,
  type SearchExcerpt,
  type SearchMatches,
  type SearchPositions,
  type SearchQuestion,
  type SearchSource,
  type SearchTerms,
} from './search-index.ts'
import { isCorrupt } from './sqlite-errors.ts'
import { openSearchFile, removeSearchFile } from './sqlite-search-file.ts'
import type { SearchRole } from './sqlite-thread.ts'

export type SearchOps = ReturnType<typeof openSearchThread>

/** A quarter of a second. */
const maxMatches = 50_000
/** Words of an excerpt. */
const excerptTokens = 24

export function openSearchThread({ file }: SearchRole) {
  let index = new Index(openSearchFile(file))
  /** A damaged file is begun anew; whoever asked is told, so that it is filled again. */
  const guarded =
    <Args extends unknown[], Result>(work: (index: Index, ...args: Args) => Result) =>
    (...args: Args): Result => {
      try {
        return work(index, ...args)
      } catch (error) {
        if (isCorrupt(error)) {
          index.close()
          if (file !== undefined) removeSearchFile(file)
          index = new Index(openSearchFile(file))
        }
        throw error
      }
    }
  return {
    positions: guarded((at) => at.positions()),
    entries: guarded((at, after: ArchiveNumber, limit: number) => at.entries(after, limit)),
    write: guarded((at, batch: SearchBatch) => at.write(batch)),
    query: guarded((at, question: SearchQuestion) => at.query(question)),
    excerpts: guarded((at, terms: SearchTerms, sources: readonly SearchSource[]) => at.excerpts(terms, sources)),
    clear: guarded((at) => at.clear()),
    close: () => index.close(),
  }
}

interface Match {
  readonly is_block: number
  readonly source: number
  readonly key: string
  readonly scope: string
  readonly score: number
}

class Index {
  readonly #db: Database.Database
  readonly #sql: ReturnType<typeof prepare>

  constructor(db: Database.Database) {
    this.#db = db
    this.#sql = prepare(db)
  }

  positions(): SearchPositions {
    const { epoch, seq, archive } = this.#sql.progress.get() as { epoch: string | null; seq: number; archive: number }
    const blocks = this.#sql.blocks.all() as SearchPositions['blocks']
    return { epoch: epoch ?? undefined, seq, archive, blocks, entries: Number(this.#sql.count.get()) }
  }

  entries(after: ArchiveNumber, limit: number): ArchiveNumber[] {
    return this.#sql.entries.all(after, limit) as ArchiveNumber[]
  }

  write({ epoch, seq, archive, put, gone }: SearchBatch): void {
    this.#db.transaction(() => {
      for (const source of gone) this.#remove(source)
      for (const document of put) this.#put(document)
      this.#sql.setProgress.run(epoch, seq, archive)
    })()
  }

  query({ terms, areas, kinds, after }: SearchQuestion): SearchMatches {
    const found: Match[] = []
    const expression = expressionOf(terms, areas, kinds)
    for (const match of this.#sql.matches.iterate(expression) as IterableIterator<Match>) {
      if (found.length === maxMatches) throw new MooringError('query-too-broad')
      found.push(match)
    }
    const order = (a: Pick<Match, 'key' | 'score'>, b: Pick<Match, 'key' | 'score'>): number =>
      b.score - a.score || (a.key < b.key ? -1 : Number(a.key > b.key))
    const rest = after === undefined ? found : found.filter((match) => order(match, after) > 0)
    rest.sort(order)
    const names = new Map<string, number>()
    const placeOf = (scope: string): number => {
      const place = names.get(scope) ?? names.size
      names.set(scope, place)
      return place
    }
    return {
      isBlock: Uint8Array.from(rest, ({ is_block }) => is_block),
      sources: Float64Array.from(rest, ({ source }) => source),
      scores: Float64Array.from(rest, ({ score }) => score),
      scopes: Uint32Array.from(rest, ({ scope }) => placeOf(scope)),
      scopeNames: [...names.keys()] as Scope[],
    }
  }

  excerpts(terms: SearchTerms, sources: readonly SearchSource[]): (SearchExcerpt | undefined)[] {
    const expression = expressionOf(terms, undefined, ['block', 'archive'])
    return sources.map(({ kind, source }) => {
      const doc = this.#sql.doc.get(isBlock(kind), source) as { id: number; key: string } | undefined
      if (doc === undefined) return undefined
      const text = this.#sql.excerpt.get(markBegin, markEnd, excerptTokens, expression, doc.id) as string | undefined
      return { key: doc.key, text }
    })
  }

  clear(): void {
    this.#db.transaction(() => {
      this.#db.exec('DELETE FROM words; DELETE FROM doc')
      this.#sql.setProgress.run(null, 0, 0)
    })()
  }

  close(): void {
    this.#db.close()
  }

  #put(document: SearchDocument): void {
    const { kind, source, key, scope, seq, text } = document
    this.#remove(document)
    const { lastInsertRowid: id } = this.#sql.insertDoc.run(isBlock(kind), source, key, scope, seq)
    const tokens = [kindToken(kind), ...areaTokens(scope)].join(' ')
    this.#sql.insertWords.run(id, tokens, text)
  }

  #remove({ kind, source }: SearchSource): void {
    const doc = this.#sql.doc.get(isBlock(kind), source) as { id: number } | undefined
    if (doc === undefined) return
    this.#sql.removeWords.run(doc.id)
    this.#sql.removeDoc.run(doc.id)
  }
}

const isBlock = (kind: SearchSource['kind']): number => (kind === 'block' ? 1 : 0)
/** One word each, whatever the tokenizer makes of what is not a letter. */
const kindToken = (kind: SearchSource['kind']): string => `kind${kind}`
const areaToken = (area: string): string =>
  area.endsWith(':*') ? `every${area.slice(0, -2)}` : `scope${Buffer.from(area).toString('hex')}`
const areaTokens = (scope: string): string[] => [areaToken(`${scope.slice(0, scope.indexOf(':'))}:*`), areaToken(scope)]

/** A string of the language of FTS5: nothing in it means anything. */
const quoted = (term: string): string => `"${term.replaceAll('"', '""')}"`
const anyOf = (terms: readonly string[]): string => `(${terms.map(quoted).join(' OR ')})`

function expressionOf(terms: SearchTerms, areas: SearchQuestion['areas'], kinds: SearchQuestion['kinds']): string {
  const parts = [
    ...(areas === undefined ? [] : [`tokens : ${anyOf(areas.map(areaToken))}`]),
    ...(kinds.length > 1 ? [] : [`tokens : ${anyOf(kinds.map(kindToken))}`]),
    ...terms.all.map((term) => `text : ${quoted(term)}`),
  ]
  const all = `(${parts.join(' AND ')})`
  return terms.none.length === 0 ? all : `${all} NOT (text : ${anyOf(terms.none)})`
}

function prepare(db: Database.Database) {
  return {
    progress: db.prepare('SELECT epoch, seq, archive FROM progress'),
    setProgress: db.prepare('UPDATE progress SET epoch = ?, seq = ?, archive = ?'),
    blocks: db.prepare('SELECT source AS block, seq FROM doc WHERE is_block = 1'),
    count: db.prepare('SELECT count(*) FROM doc WHERE is_block = 0').pluck(),
    entries: db.prepare('SELECT source FROM doc WHERE is_block = 0 AND source > ? ORDER BY source LIMIT ?').pluck(),
    doc: db.prepare('SELECT id, key FROM doc WHERE is_block = ? AND source = ?'),
    insertDoc: db.prepare('INSERT INTO doc (is_block, source, key, scope, seq) VALUES (?, ?, ?, ?, ?)'),
    removeDoc: db.prepare('DELETE FROM doc WHERE id = ?'),
    insertWords: db.prepare('INSERT INTO words (rowid, tokens, text) VALUES (?, ?, ?)'),
    removeWords: db.prepare('DELETE FROM words WHERE rowid = ?'),
    // The tokens weigh nothing: a text is no better for being where it was looked for.
    matches: db.prepare(
      `SELECT doc.is_block, doc.source, doc.key, doc.scope, -bm25(words, 0.0, 1.0) AS score
       FROM words JOIN doc ON doc.id = words.rowid WHERE words MATCH ?`,
    ),
    excerpt: db.prepare(`SELECT snippet(words, 1, ?, ?, '…', ?) FROM words WHERE words MATCH ? AND rowid = ?`).pluck(),
  }
}
