/**
 * Five words for a key, for people who compare two keys by eye or by ear. Keeps true: the words depend on the whole key
 * and on nothing else. They hold 55 bits, which someone can grind: show the end of the peer id next to them.
 */
import { createHash } from 'node:crypto'
import type { PeerId } from './ids.ts'
import { wordlist } from './wordlist.ts'

const wordCount = 5
/** 2,048 words. */
const bitsPerWord = 11

/** Such as `amber-otter-violin-nine-lamp`: the first 55 bits of SHA-256("mooring words" ‖ peer id), 11 bits a word. */
export function fingerprintWords(peer: PeerId): string {
  const digest = createHash('sha256').update('mooring words').update(peer).digest()
  let bits = digest.readBigUInt64BE() >> BigInt(64 - wordCount * bitsPerWord)
  const words: string[] = []
  for (let i = 0; i < wordCount; i++) {
    words.unshift(wordlist[Number(bits % BigInt(wordlist.length))] ?? '')
    bits /= BigInt(wordlist.length)
  }
  return words.join('-')
}
