/**
 * Answers questions. Keeps: what the caller may not read is neither found nor counted; each answer is made of what the caller
 * was told is durable, or there is none.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Infer, PeerId, Scope, searchHit } from '../../protocol/index.ts'
import type { ChangeLog } from '../log/change-log.ts'
import {
  markBegin,
  markEnd,
  type SearchIndex,
  type SearchKind,
  type SearchMatches,
  type SearchSource,
} from '../storage/search-index.ts'
import type { BlockRow, Storage } from '../storage/storage.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import type { Indexer } from './indexer.ts'
import { parseQuery } from './query.ts'
import { snippetOf } from './snippet.ts'

export interface SearchInit {
  readonly log: Pick<ChangeLog, 'index'>
  readonly storage: Pick<Storage, 'archive'>
  readonly index: Pick<SearchIndex, 'query' | 'excerpts'>
  readonly indexer: Pick<Indexer, 'reach' | 'rebuild'>
}

export interface SearchCaller {
  readonly peer: PeerId
  /** Where there may be something that it may read: scopes, or `space:*` and `agent:*`. Everywhere when absent. */
  readonly areas: readonly string[] | undefined
  mayReadBlock(row: BlockRow): boolean
  /** All of it: that is what the archive takes. */
  mayReadScope(scope: Scope): boolean
}

export interface SearchInput {
  readonly text: string
  readonly scopes?: readonly Scope[] | undefined
  readonly kinds: readonly SearchKind[]
  readonly limit: number
  readonly cursor?: string | undefined
}

export interface SearchAnswer {
  hits: Infer<typeof searchHit>[]
  cursor?: string
}

/** Matches that are looked at in one turn: each takes a few microseconds. */
const matchesPerTurn = 500

interface Found extends SearchSource {
  readonly score: number
  readonly scope: Scope
}

export class Search {
  readonly #init: SearchInit

  constructor(init: SearchInit) {
    this.#init = init
  }

  /** @throws `query-invalid`, `query-too-broad`, `index-behind`, `invalid-input`, and what the index throws */
  async query(caller: SearchCaller, { text, scopes, kinds, limit, cursor }: SearchInput): Promise<SearchAnswer> {
    const { index, indexer } = this.#init
    const terms = parseQuery(text)
    const after = cursor === undefined ? undefined : parseCursor(cursor)
    const areas = narrowed(caller.areas, scopes)
    if (areas?.length === 0) return { hits: [] }
    const isAsked = areas === undefined ? () => true : (scope: Scope) => areas.some((area) => isIn(area, scope))
    await indexer.reach(caller.peer, {
      block: (row) => kinds.includes('block') && isAsked(row.scope) && caller.mayReadBlock(row),
      archive: kinds.includes('archive'),
    })
    const matches = await index.query({ terms, areas, kinds, after })
    const found = await this.#readable(caller, matches, limit + 1)
    const page = found.slice(0, limit)
    const excerpts = await index.excerpts(terms, page)
    const entries = page.filter(({ kind }) => kind === 'archive').map(({ source }) => source)
    const there = new Set(entries.length === 0 ? [] : await this.#init.storage.archive.existing(entries))
    const answer: SearchAnswer = { hits: [] }
    let last = { score: page.at(-1)?.score ?? 0, key: '' }
    for (const [at, { kind, source, score, scope }] of page.entries()) {
      const excerpt = excerpts[at]
      if (excerpt === undefined) continue
      last = { score, key: excerpt.key }
      // Something else by now, or deleted while this was on its way.
      if (excerpt.text === undefined || (kind === 'archive' && !there.has(source))) continue
      const { snippet, marks } = snippetOf(excerpt.text, [markBegin, markEnd])
      answer.hits.push({ ...named(kind, excerpt.key), scope, score, snippet, marks: [...marks] })
    }
    return found.length > limit ? { ...answer, cursor: formatCursor(last) } : answer
  }

  rebuild(signal: AbortSignal): Promise<{ blocks: number; entries: number }> {
    return this.#init.indexer.rebuild(signal)
  }

  /** The best that the caller may read, a little at a time: there may be tens of thousands that it may not. */
  async #readable(caller: SearchCaller, matches: SearchMatches, limit: number): Promise<Found[]> {
    const { log } = this.#init
    const found: Found[] = []
    for (let at = 0; at < matches.sources.length && found.length < limit; at++) {
      if (at > 0 && at % matchesPerTurn === 0) await nextTurn()
      const source = matches.sources[at] ?? 0
      const score = matches.scores[at] ?? 0
      const scope = matches.scopeNames[matches.scopes[at] ?? 0]
      if (scope === undefined) continue
      if (matches.isBlock[at] === 1) {
        const row = log.index.byId(source)
        if (row === undefined || row.deletedSeq > 0 || !caller.mayReadBlock(row)) continue
        found.push({ kind: 'block', source, score, scope })
      } else if (caller.mayReadScope(scope)) found.push({ kind: 'archive', source, score, scope })
    }
    return found
  }
}

const named = (kind: SearchKind, key: string) =>
  kind === 'block' ? { kind: 'block' as const, address: key as never } : { kind: 'archive' as const, id: key as never }

/** Of two areas, or of a scope and an area. */
const isIn = (area: string, scope: string): boolean =>
  area === scope || (area.endsWith(':*') && scope.startsWith(area.slice(0, -1)))

/** What was asked for of where the caller may look. */
function narrowed(
  areas: readonly string[] | undefined,
  scopes: readonly Scope[] | undefined,
): readonly string[] | undefined {
  if (scopes === undefined || areas === undefined) return scopes ?? areas
  return scopes.filter((scope) => areas.some((area) => isIn(area, scope)))
}
