/**
 * What differs between two plain values, as a list that a person reads. Keeps: it is bounded, and so is the work for it,
 * whatever the values are; when something was left out it says so.
 */
import type { PlainValue } from '../../../protocol/schemas/index.ts'
import { diffText } from './text-diff.ts'

export interface ValuePatch {
  /** Where: keys and positions, each after a slash. */
  readonly path: string
  readonly kind: 'added' | 'removed' | 'changed' | 'text'
  /** The values, cut. */
  readonly before?: string
  readonly after?: string
  /** Of a text: the lines that differ, with some around them. */
  readonly diff?: string
}

export interface ValueDiff {
  readonly patches: readonly ValuePatch[]
  /** There is more than that, or some of it was cut. */
  readonly more: boolean
}

const maxPatches = 500
/** Of the whole list: with four bytes each they still fit a frame. */
const maxChars = 50_000
const maxPathChars = 256
const maxPreviewChars = 200

export function diffValues(before: PlainValue, after: PlainValue): ValueDiff {
  const diff = new Diff()
  diff.compare('', before, after)
  return { patches: diff.patches, more: diff.isCut }
}

class Diff {
  readonly patches: ValuePatch[] = []
  isCut = false
  #chars = 0

  compare(path: string, before: PlainValue | undefined, after: PlainValue | undefined): void {
    if (this.isCut || before === after) return
    if (before === undefined) this.#add({ path, kind: 'added', after: preview(after) })
    else if (after === undefined) this.#add({ path, kind: 'removed', before: preview(before) })
    else if (typeof before === 'string' && typeof after === 'string') this.#text(path, before, after)
    else if (isList(before) && isList(after)) this.#lists(path, before, after)
    else if (isMap(before) && isMap(after)) this.#maps(path, before, after)
    else this.#add({ path, kind: 'changed', before: preview(before), after: preview(after) })
  }

  #text(path: string, before: string, after: string): void {
    const { text, isCut } = diffText(before, after, maxChars - this.#chars)
    this.#add({ path, kind: 'text', diff: text })
    this.isCut ||= isCut
  }

  #maps(path: string, before: PlainMap, after: PlainMap): void {
    for (const key of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
      this.compare(`${path}/${key}`.slice(0, maxPathChars).toWellFormed(), own(before, key), own(after, key))
    }
  }

  /** What both begin and end with stays; what is between was taken out and put in, or changed in its place. */
  #lists(path: string, before: readonly PlainValue[], after: readonly PlainValue[]): void {
    const [old, now] = [before, after].map((list) => list.map((item) => JSON.stringify(item))) as [string[], string[]]
    const shorter = Math.min(old.length, now.length)
    let start = 0
    while (start < shorter && old[start] === now[start]) start += 1
    let end = 0
    while (end < shorter - start && old.at(-1 - end) === now.at(-1 - end)) end += 1
    const isInPlace = old.length === now.length
    for (let at = start; at < Math.max(old.length, now.length) - end; at++) {
      const [one, other] = [
        at < old.length - end ? before[at] : undefined,
        at < now.length - end ? after[at] : undefined,
      ]
      if (isInPlace) this.compare(`${path}/${at}`, one, other)
      else if (one !== undefined) this.#add({ path: `${path}/${at}`, kind: 'removed', before: preview(one) })
    }
    if (isInPlace) return
    for (let at = start; at < now.length - end; at++) {
      this.#add({ path: `${path}/${at}`, kind: 'added', after: preview(after[at]) })
    }
  }

  #add(patch: ValuePatch): void {
    const { path, before = '', after = '', diff = '' } = patch
    this.#chars += path.length + before.length + after.length + diff.length
    if (this.isCut || this.patches.length === maxPatches || this.#chars > maxChars) this.isCut = true
    else this.patches.push(patch)
  }
}

type PlainMap = { readonly [key: string]: PlainValue }

const own = (map: PlainMap, key: string): PlainValue | undefined => (Object.hasOwn(map, key) ? map[key] : undefined)
const isList = (value: PlainValue): value is readonly PlainValue[] => Array.isArray(value)
const isMap = (value: PlainValue): value is PlainMap => typeof value === 'object' && value !== null && !isList(value)

/** The beginning of a value as JSON: what lies deeper or behind is not looked at. */
function preview(value: PlainValue | undefined): string {
  const parts: string[] = []
  let chars = 0
  const put = (part: string): boolean => {
    parts.push(part)
    chars += part.length
    return chars < maxPreviewChars
  }
  const walk = (item: PlainValue | undefined): boolean => {
    if (item === undefined) return true
    if (typeof item === 'string') return put(JSON.stringify(item.slice(0, maxPreviewChars)))
    if (item === null || typeof item !== 'object') return put(JSON.stringify(item))
    const isArray = isList(item)
    if (!put(isArray ? '[' : '{')) return false
    for (const [key, inner] of Object.entries(item)) {
      if (!isArray && !put(`${JSON.stringify(key.slice(0, maxPreviewChars))}:`)) return false
      if (!walk(inner) || !put(',')) return false
    }
    return put(isArray ? ']' : '}')
  }
  const isWhole = walk(value)
  const text = parts
    .join('')
    .replaceAll(/,([\]}])/g, '$1')
    .slice(0, maxPreviewChars)
    .toWellFormed()
  return isWhole ? text : `${text}…`
}
