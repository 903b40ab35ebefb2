/**
 * What is typed into a search: words, "phrases", and either with a minus in front for what must not be there. Keeps: any text
 * is either understood or refused with a reason, and what is understood is bounded.
 */
import { MooringError } from '../../protocol/errors.ts'
import { limits } from '../../protocol/limits.ts'
import type { SearchTerms } from '../storage/search-index.ts'

/** What has none of these is no word to the index either. */
const hasWord = /[\p{L}\p{N}]/u

/** @throws `query-invalid` */
export function parseQuery(text: string): SearchTerms {
  if (text.length > limits.maxQueryChars) refuse(`a query has at most ${limits.maxQueryChars} characters`)
  if (text.includes('\0') || !text.isWellFormed()) refuse('a query is text')
  const all = new Set<string>()
  const none = new Set<string>()
  for (const { isNot, term } of termsOf(text)) if (hasWord.test(term)) (isNot ? none : all).add(term)
  if (all.size + none.size > limits.maxQueryTerms) refuse(`a query has at most ${limits.maxQueryTerms} terms`)
  if (all.size === 0) refuse('a query has a word or a phrase that is to be there')
  return { all: [...all], none: [...none] }
}

function* termsOf(text: string): Generator<{ isNot: boolean; term: string }, void, undefined> {
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text.charAt(at))) {
      at += 1
      continue
    }
    const isNot = text.charAt(at) === '-'
    if (isNot) at += 1
    if (text.charAt(at) === '"') {
      const end = text.indexOf('"', at + 1)
      if (end < 0) refuse('a quote is not closed')
      yield { isNot, term: text.slice(at + 1, end) }
      at = end + 1
      continue
    }
    const begin = at
    while (at < text.length && !/[\s"]/.test(text.charAt(at))) at += 1
    if (at > begin) yield { isNot, term: text.slice(begin, at) }
  }
}

function refuse(detail: string): never {
  throw new MooringError('query-invalid', { detail })
}
