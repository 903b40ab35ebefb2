/**
 * Patterns of grants and watches. Keeps true: two patterns of one form are nested or disjoint, never crossing, so that
 * "lies within" is one comparison, and matching never builds an expression from what a peer sent.
 *
 * Rules, all of them:
 * - A pattern has the form of what it stands for: a block `<kind>:<id>/<label>` with kind `space` or `agent`, an address
 *   `<kind>:<name>` with kind `agent`, `plugin`, `thread` or `user`, or a bare name.
 * - Each segment is exact, case-sensitive, in the alphabet of names (lower-case ASCII letters, digits, `.`, `_`, `-`).
 * - `*` stands for one whole segment, and after a `*` every further segment is `*`. The kind is never `*`.
 * - Everything else is refused: no part of a segment can be a wildcard, no escape means anything, nothing is normalised.
 */
import { isLabel, isName, isScope } from './ids.ts'
import { limits } from './limits.ts'

/** What a right is about: a block (or the tasks in it), someone with a mailbox, or an agent by its bare name. */
export type SubjectForm = 'block' | 'address' | 'name'

/** Everyone who can be written to. */
export const addressKinds = ['agent', 'plugin', 'thread', 'user'] as const

/** Which form a text can have at all; its parts are not checked. */
export function formOf(text: string): SubjectForm {
  if (text.includes('/')) return 'block'
  return text.includes(':') ? 'address' : 'name'
}

/** Whether the text names exactly one thing of the form. Never true for a pattern with `*`. */
export function isSubject(text: string, form: SubjectForm): boolean {
  switch (form) {
    case 'block': {
      const slash = text.indexOf('/')
      return slash > 0 && isScope(text.slice(0, slash)) && isLabel(text.slice(slash + 1))
    }
    case 'address': {
      const colon = text.indexOf(':')
      const kind = text.slice(0, Math.max(colon, 0))
      return addressKinds.some((known) => known === kind) && isName(text.slice(colon + 1), limits.maxNameChars)
    }
    case 'name':
      return isName(text, limits.maxNameChars)
  }
}

/** Whether the text is a pattern of the form; what names exactly one thing is a pattern too. */
export function isPattern(text: string, form: SubjectForm): boolean {
  const star = text.indexOf('*')
  if (star < 0) return isSubject(text, form)
  switch (form) {
    case 'block': {
      if (text === 'space:*/*' || text === 'agent:*/*') return true
      const slash = text.indexOf('/')
      return slash > 0 && isScope(text.slice(0, slash)) && text.slice(slash) === '/*'
    }
    case 'address':
      return addressKinds.some((kind) => text === `${kind}:*`)
    case 'name':
      return text === '*'
  }
}

/**
 * Whether everything that `narrow` stands for, `wide` stands for too. Patterns of different forms have nothing in
 * common: `agent:*` (mailboxes) does not cover `agent:home/notes` (a block). False for what is no pattern.
 */
export function patternCovers(wide: string, narrow: string): boolean {
  const form = formOf(wide)
  if (!isPattern(wide, form) || !isPattern(narrow, form)) return false
  const star = wide.indexOf('*')
  // The stars are at the end and both have the same number of segments, so a common beginning decides.
  return star < 0 ? wide === narrow : narrow.startsWith(wide.slice(0, star))
}
