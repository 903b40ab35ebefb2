/** What is typed into a search: understood or refused, and never an expression of the index. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatCursor, parseCursor } from '../../../../daemon/search/cursor.ts'
import { parseQuery } from '../../../../daemon/search/query.ts'
import { snippetOf } from '../../../../daemon/search/snippet.ts'
import { openSearchIndex } from '../../../../daemon/storage/index.ts'
import { markBegin, markEnd, type SearchIndex } from '../../../../daemon/storage/search-index.ts'
import { limits, MooringError } from '../../../../protocol/index.ts'
import { recordingLog } from '../../../fixtures/storage-entries.ts'

const refusal = expect.objectContaining({ code: 'query-invalid' })

describe('a query', () => {
  it.each([
    ['kettle', ['kettle'], []],
    ['  two   words\n', ['two', 'words'], []],
    ['"a phrase" word', ['a phrase', 'word'], []],
    ['blue -red', ['blue'], ['red']],
    ['blue -"dark red"', ['blue'], ['dark red']],
    ['read-your-writes', ['read-your-writes'], []],
    ['again again -not -not', ['again'], ['not']],
    ['word"phrase"word', ['word', 'phrase'], []],
    ['NEAR(a b) OR col:x*', ['NEAR(a', 'b)', 'OR', 'col:x*'], []],
    ['kettle - -- "" "…" !?', ['kettle'], []],
    ['Grüße 日本語', ['Grüße', '日本語'], []],
  ])('%j is understood', (text, all, none) => {
    expect(parseQuery(text)).toEqual({ all, none })
  })

  it.each([
    ['', 'empty'],
    ['  \t ', 'blank'],
    ['-only -not', 'nothing that is to be there'],
    ['"!?" …', 'no word'],
    ['an "open phrase', 'a quote that is not closed'],
    ['nul \0 byte', 'NUL'],
    ['half \ud83d', 'half a character'],
    ['w '.repeat(10_000), '10,000 terms'],
    [Array.from({ length: limits.maxQueryTerms + 1 }, (_, n) => `w${n}`).join(' '), 'one term too many'],
    ['x'.repeat(limits.maxQueryChars + 1), 'one character too many'],
  ])('%j is refused: %s', (text) => {
    expect(() => parseQuery(text)).toThrow(refusal)
  })

  it('may have all the terms and characters that there may be', () => {
    const most = Array.from({ length: limits.maxQueryTerms }, (_, n) => `w${n}`)
    expect(parseQuery(most.join(' ')).all).toEqual(most)
    expect(parseQuery('x'.repeat(limits.maxQueryChars)).all).toHaveLength(1)
  })
})

describe('the index', () => {
  let index: SearchIndex

  beforeAll(async () => {
    index = openSearchIndex({ backend: 'memory', dir: '', log: recordingLog() })
    const put = ['the kettle is blue', 'a "quoted" word* (NEAR) ^x col:y', '日本語 Grüße'].map((text, n) => ({
      ...{ kind: 'block' as const, source: n + 1, key: `space:home/b${n}`, scope: 'space:home' as never, seq: 1, text },
    }))
    await index.write({ epoch: 'e', seq: 1, archive: 0, put, gone: [] })
  })

  afterAll(() => index.close())

  it('never meets an expression in what was typed', async () => {
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.constantFrom(
        '"',
        '-',
        '*',
        '(',
        ')',
        '^',
        ':',
        '+',
        'AND',
        'OR',
        'NOT',
        'NEAR',
        'text',
        'tokens',
        '\0',
        "'",
        '{',
      ),
      fc.constantFrom('kettle', 'blue', 'word', ' ', '日本語'),
    )
    let asked = 0
    const property = fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      const text = pieces.join(pieces.length % 2 === 0 ? ' ' : '')
      let terms: ReturnType<typeof parseQuery>
      try {
        terms = parseQuery(text)
      } catch (error) {
        if (error instanceof MooringError && error.code === 'query-invalid') return
        throw error
      }
      asked += 1
      const matches = await index.query({ terms, areas: ['space:home'], kinds: ['block'], after: undefined })
      const sources = [...matches.sources].map((source) => ({ kind: 'block' as const, source }))
      const excerpts = await index.excerpts(terms, sources)
      expect(excerpts).toHaveLength(matches.sources.length)
    })
    await fc.assert(property, { numRuns: 500 })
    expect(asked).toBeGreaterThan(50)
  })

  it('finds what is there, best first, with accents and case as they come', async () => {
    const find = async (text: string) => {
      const question = { areas: undefined, kinds: ['block', 'archive'] as const, after: undefined }
      return [...(await index.query({ ...question, terms: parseQuery(text) })).sources]
    }
    expect(await find('KETTLE blue')).toEqual([1])
    expect(await find('"kettle is"')).toEqual([1])
    expect(await find('"is kettle"')).toEqual([])
    expect(await find('kettle -blue')).toEqual([])
    expect(await find('GRUSSE -kettle')).toEqual([])
    expect(await find('grüße')).toEqual([3])
    expect(await find('quoted -"kettle is"')).toEqual([2])
    expect(await find('日本語')).toEqual([3])
  })
})

describe('an excerpt', () => {
  const of = (text: string) => snippetOf(text, [markBegin, markEnd])

  it('tells where its terms are', () => {
    const { snippet, marks } = of(`the ${markBegin}kettle${markEnd} is ${markBegin}blue${markEnd}`)
    expect(snippet).toBe('the kettle is blue')
    expect(marks.map(({ from, to }) => snippet.slice(from, to))).toEqual(['kettle', 'blue'])
  })

  it('is bounded, has its first term, and cuts no character in half', () => {
    const text = `${'👍'.repeat(5_000)} ${markBegin}${'ä'.repeat(9)}${markEnd} ${'👍'.repeat(5_000)}`
    for (const padding of ['', 'x']) {
      const { snippet, marks } = of(padding + text)
      expect(snippet.length).toBeLessThanOrEqual(400)
      expect(snippet.isWellFormed()).toBe(true)
      expect(marks.map(({ from, to }) => snippet.slice(from, to))).toEqual(['ä'.repeat(9)])
    }
    const many = of(`${markBegin}a${markEnd} `.repeat(1_000))
    expect(many.marks.length).toBeLessThanOrEqual(32)
  })
})

describe('a cursor', () => {
  it('is exactly where a page ended', () => {
    const score = fc.double({ noNaN: true, noDefaultInfinity: true })
    fc.assert(
      fc.property(score, fc.string({ maxLength: 200 }), (score, key) => {
        expect(parseCursor(formatCursor({ score, key }))).toEqual({ score, key })
      }),
    )
  })

  it.each(['', 'x', '7ff0000000000000a', 'g'.repeat(16), '0'.repeat(15)])('%j is refused', (text) => {
    expect(() => parseCursor(text)).toThrow(expect.objectContaining({ code: 'invalid-input' }))
  })
})
