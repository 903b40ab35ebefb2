/**
 * The one way for text of a peer to reach a terminal. Keeps true: whatever a peer puts into a name, a description, an
 * address, a log line or a block, only the characters allowed here are written; everything else is shown as `\u{..}`, so
 * it can neither move the cursor nor hide, reorder or imitate what stands next to it.
 */
import { asError, fingerprintWords, type PeerId, shortPeerId } from '../../protocol/index.ts'

/** Quotes, dashes and the like: one column wide, no effect on their neighbours, common in written text. */
const punctuation = new Set('–—‘’“”…·°§€£、。「」々ー')

/**
 * Letters of scripts that are written left to right without combining marks. Arabic and Hebrew are missing on purpose: the
 * terminal would reorder what stands around them.
 */
const letter =
  /^(?:(?=[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}])[\p{Lu}\p{Ll}\p{Lo}]|[\uAC00-\uD7A3])$/u

/** Scripts whose letters look like Latin ones; mixed with Latin in one word they are a disguise. */
const twins = /[\p{Script=Greek}\p{Script=Cyrillic}]/u
const latin = /\p{Script=Latin}/u

/** Prose of a peer on one line: a description, a log text. */
export const safeLine = (text: string, maxChars = 200): string => sanitise(text, { maxChars, isAllowed: isProse })

/** What should be an identifier: a name, a version, an address, a code. Printable ASCII only, so no look-alikes. */
export const safeId = (text: string, maxChars = 128): string => sanitise(text, { maxChars, isAllowed: isAscii })

/** Text of a block or a help page: line ends stay, each line is treated as {@link safeLine} with no cap of its own. */
export const safeText = (text: string): string =>
  text
    .split('\n')
    .map((line) =>
      safeLine((line.endsWith('\r') ? line.slice(0, -1) : line).replaceAll('\t', '  '), Number.POSITIVE_INFINITY),
    )
    .join('\n')

/**
 * JSON in ASCII: everything else is escaped as JSON itself provides, so a machine reads the exact text back and a terminal
 * sees nothing but printable characters. `JSON.stringify` alone leaves C1 controls and bidirectional overrides as they are.
 */
export const safeJson = (value: unknown): string =>
  JSON.stringify(value).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** The key for people: five words and the end of the id, since five words alone can be ground. */
export const keyOf = (peer: PeerId): string => `${fingerprintWords(peer)} ${shortPeerId(peer)}`

/** A peer for people: the name is the peer's choice, so the key always stands next to it. */
export const person = (card: { readonly name: string; readonly peer: PeerId }): string =>
  `${safeId(card.name, 64)} (${keyOf(card.peer)})`

/** The message of any failure, as safe text. */
export const safeMessage = (error: unknown): string => safeLine(asError(error).message, 600)

interface Rule {
  /** Longest result; a longer one ends in `…`. */
  readonly maxChars: number
  /** Whether the character may be printed as it is, in a word that has Latin letters or has none. */
  isAllowed(character: string, isLatinWord: boolean): boolean
}

const isAscii = (character: string): boolean => character >= ' ' && character <= '~'

function isProse(character: string, isLatinWord: boolean): boolean {
  if (isAscii(character) || punctuation.has(character)) return true
  // Letters that stand for another one (full-width, ligatures, Roman numerals) change under NFKC.
  if (!letter.test(character) || character.normalize('NFKC') !== character || isInvisible(character)) return false
  return !(isLatinWord && twins.test(character))
}

const isInvisible = (character: string): boolean => /\p{Default_Ignorable_Code_Point}/u.test(character)

function sanitise(text: string, rule: Rule): string {
  // Cut first: the work is bounded whatever was sent. Composed first: an accent that came apart is one letter again.
  const bounded = rule.maxChars === Number.POSITIVE_INFINITY ? text : text.slice(0, rule.maxChars * 2)
  const parts: string[] = []
  let length = 0
  for (const word of bounded.normalize('NFC').split(/(?<= )/)) {
    const isLatinWord = latin.test(word)
    for (const character of word) {
      const shown = rule.isAllowed(character, isLatinWord) ? character : escapeOf(character)
      if (length + shown.length > rule.maxChars) return `${parts.join('')}…`
      parts.push(shown)
      length += shown.length
    }
  }
  return parts.join('') + (bounded.length < text.length ? '…' : '')
}

const escapeOf = (character: string): string => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
