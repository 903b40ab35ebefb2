import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { diffValues } from '../../../../../daemon/views/history/diff.ts'
import { diffText } from '../../../../../daemon/views/history/text-diff.ts'

/** What a reader of the lines makes of the first text. */
function patched(before: string, diff: string): string {
  const old = before.split('\n')
  const now: string[] = []
  let at = 0
  for (const line of diff === '' ? [] : diff.split('\n')) {
    const heading = /^@@ line (\d+)$/.exec(line)
    if (heading !== null) {
      while (at < Number(heading[1]) - 1) now.push(old[at++] ?? '')
      continue
    }
    const content = line.slice(1)
    if (line[0] !== '+') expect(old[at++]).toBe(content)
    if (line[0] !== '-') now.push(content)
  }
  return [...now, ...old.slice(at)].join('\n')
}

describe('the difference of two texts', () => {
  it('makes the second of the first, whatever they are', () => {
    const line = fc.constantFrom('', 'a', 'b', 'c', 'the kettle', '-', '+ x', '@@ line 1')
    const text = fc.array(line, { maxLength: 30 }).map((lines) => lines.join('\n'))
    fc.assert(
      fc.property(text, text, (before, after) => {
        fc.pre(before !== after)
        const { text: diff, isCut } = diffText(before, after, 50_000)
        expect(isCut).toBe(false)
        expect(patched(before, diff)).toBe(after)
      }),
      { numRuns: 1_000 },
    )
  })

  it('shows the lines that differ and two around them', () => {
    const lines = Array.from({ length: 20 }, (_, n) => `line ${n + 1}`)
    const after = lines.with(9, 'ten')
    expect(diffText(lines.join('\n'), after.join('\n'), 1_000).text).toBe(
      '@@ line 8\n line 8\n line 9\n-line 10\n+ten\n line 11\n line 12',
    )
  })

  it('shows of a long line where it differs', () => {
    const [one, other] = ['x'.repeat(5_000), 'x'.repeat(5_000)]
    const { text } = diffText(`${one}red${other}`, `${one}blue${other}`, 10_000)
    expect(text.length).toBeLessThan(600)
    expect(text).toContain('red')
    expect(text).toContain('blue')
  })

  it('is cut, and says so, where it is longer than may be shown or is not worth a way', () => {
    const many = (word: string): string => Array.from({ length: 30_000 }, (_, n) => `${word} ${n}`).join('\n')
    const { text, isCut } = diffText(many('a'), many('b'), 5_000)
    expect(isCut).toBe(true)
    expect(text.length).toBeLessThanOrEqual(5_000)
  })
})

describe('the difference of two values', () => {
  it('names what was added, removed and changed', () => {
    const before = { map: { a: 1, b: 'same', c: [1, 2, 3], gone: { x: 1 }, text: 'one\ntwo' } }
    const after = { map: { a: 2, b: 'same', c: [1, 3], fresh: null, text: 'one\nthree' } }
    expect(diffValues(before, after)).toEqual({
      patches: [
        { path: '/map/a', kind: 'changed', before: '1', after: '2' },
        { path: '/map/c/1', kind: 'removed', before: '2' },
        { path: '/map/fresh', kind: 'added', after: 'null' },
        { path: '/map/gone', kind: 'removed', before: '{"x":1}' },
        { path: '/map/text', kind: 'text', diff: '@@ line 1\n one\n-two\n+three' },
      ],
      more: false,
    })
  })

  it('is empty for equal values, and never longer than a frame holds', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (json) => {
        const value = json as Parameters<typeof diffValues>[0]
        expect(diffValues(value, structuredClone(value))).toEqual({ patches: [], more: false })
        expect(diffValues([value], [[value]]).patches).not.toEqual([])
      }),
    )
    const wide = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`key ${n} ${'\u{1f600}'.repeat(100)}`, n]))
    const { patches, more } = diffValues({}, wide)
    expect(more).toBe(true)
    expect(Buffer.byteLength(JSON.stringify(patches))).toBeLessThan(250 * 1024)
  })
})
