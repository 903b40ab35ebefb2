import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PeerId } from '../../../protocol/ids.ts'
import { wordlist } from '../../../protocol/wordlist.ts'
import { fingerprintWords } from '../../../protocol/words.ts'

const peer = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5' as PeerId
const otherPeer = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ6' as PeerId

describe('wordlist', () => {
  it('has 2,048 plain words, sorted, no two with the same beginning', () => {
    expect(wordlist).toHaveLength(2_048)
    expect(wordlist.filter((word) => !/^[a-z]{3,8}$/.test(word))).toEqual([])
    expect([...wordlist].sort()).toEqual(wordlist)
    expect(new Set(wordlist).size).toBe(2_048)
    expect(new Set(wordlist.map((word) => word.slice(0, 4))).size).toBe(2_048)
  })

  it('stays as it is, since its order decides every fingerprint', () => {
    const digest = createHash('sha256').update(wordlist.join(' ')).digest('hex')
    expect(digest).toMatchInlineSnapshot(`"1677f4323194b5bd578962adb026ecba231671215cd40f4eccf8396b3f117c10"`)
  })
})

describe('fingerprintWords', () => {
  it('names a known key by known words', () => {
    expect(fingerprintWords(peer)).toMatchInlineSnapshot(`"clay-volley-rye-private-tiger"`)
    expect(fingerprintWords(otherPeer)).not.toBe(fingerprintWords(peer))
  })

  it('reads the first 55 bits of the hash, eleven a word', () => {
    const ends = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd'), minLength: 44, maxLength: 44 })
    fc.assert(
      fc.property(ends, (end) => {
        const id = `12D3KooW${end}` as PeerId
        const digest = createHash('sha256').update(`mooring words${id}`).digest()
        const bits = Array.from(digest, (byte) => byte.toString(2).padStart(8, '0')).join('')
        const expected = [0, 11, 22, 33, 44].map((at) => wordlist[Number.parseInt(bits.slice(at, at + 11), 2)])
        expect(fingerprintWords(id)).toBe(expected.join('-'))
      }),
    )
  })
})
