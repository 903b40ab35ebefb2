import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyOf, person, safeId, safeJson, safeLine, safeText } from '../../../../daemon/cli/sanitize.ts'
import { fingerprintWords } from '../../../../protocol/index.ts'
import { peerA } from './control-world.ts'
import { hostilePayloads, isHarmless } from './hostile-payloads.ts'

const anyText = fc.string({ unit: 'binary', maxLength: 300 })

describe('sanitise', () => {
  it('leaves ordinary text of several scripts as it is', () => {
    for (const text of [
      'plain text, 100%!',
      'Żółć',
      'Ελληνικά',
      'Привет',
      '日本語のメモ',
      '한국어',
      'it’s “quoted” – so…',
    ]) {
      expect(safeLine(text)).toBe(text)
    }
  })

  it('composes an accent that came apart', () => {
    expect(safeLine('cafe\u0301')).toBe('café')
  })

  it.each([
    ['escape sequence', '\u001b[2Jgone', '\\u{1b}[2Jgone'],
    ['C1 control', '\u009b31m', '\\u{9b}31m'],
    ['bidirectional override', 'abc\u202etxt.exe', 'abc\\u{202e}txt.exe'],
    ['carriage return and backspace', 'a\rb\bc', 'a\\u{d}b\\u{8}c'],
    ['line feed', 'a\nb', 'a\\u{a}b'],
    ['zero width', 'a\u200bb', 'a\\u{200b}b'],
    ['lone surrogate', 'a\ud800b', 'a\\u{d800}b'],
    ['full-width look-alike', 'ａ', '\\u{ff41}'],
    ['invisible letter', 'a\u3164b\u1160c', 'a\\u{3164}b\\u{1160}c'],
    ['right-to-left letters', 'אב', '\\u{5d0}\\u{5d1}'],
    ['Cyrillic among Latin letters', 'p\u0430ypal', 'p\\u{430}ypal'],
    ['mark without a letter', '\u0301\u0302', '\\u{301}\\u{302}'],
  ])('escapes a %s', (_what, text, shown) => {
    expect(safeLine(text)).toBe(shown)
  })

  it('allows printable ASCII only in what should be an identifier', () => {
    expect(safeId('wéather')).toBe('w\\u{e9}ather')
  })

  it('cuts long text and says so', () => {
    expect(safeLine('x'.repeat(10_240), 50)).toBe(`${'x'.repeat(50)}…`)
    expect(safeId('x'.repeat(10), 10)).toBe('x'.repeat(10))
    expect(safeLine('\u001b'.repeat(1_000), 50).length).toBeLessThanOrEqual(51)
  })

  it('keeps lines of a block, and nothing else that moves the cursor', () => {
    expect(safeText('one\r\n\ttwo\u2028three\rfour')).toBe('one\n  two\\u{2028}three\\u{d}four')
  })

  it('never lets anything but harmless characters through', () => {
    for (const text of hostilePayloads) for (const safe of [safeLine, safeId]) expect(isHarmless(safe(text))).toBe(true)
    fc.assert(
      fc.property(anyText, (text) => {
        expect(isHarmless(safeLine(text))).toBe(true)
        expect(isHarmless(safeId(text))).toBe(true)
        expect(safeLine(text)).not.toContain('\n')
        expect(isHarmless(safeText(text))).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })

  it('treats every single code point', () => {
    for (let code = 0; code <= 0x10ffff; code++) {
      const shown = safeLine(String.fromCodePoint(code))
      if (shown !== '' && !isHarmless(shown)) throw new Error(`code point ${code.toString(16)} is shown as it is`)
    }
  })

  it('writes JSON in ASCII that reads back exactly', () => {
    fc.assert(
      fc.property(fc.array(anyText), (value) => {
        const written = safeJson(value)
        expect(written).toMatch(/^[\x20-\x7e]*$/)
        expect(JSON.parse(written)).toEqual(value)
      }),
    )
  })

  it('never shows a name without words and end of the key', () => {
    expect(keyOf(peerA)).toBe(`${fingerprintWords(peerA)} …oaMtimQ5`)
    expect(person({ name: 'weather\u001b[8m', peer: peerA })).toBe(`weather\\u{1b}[8m (${keyOf(peerA)})`)
  })
})
