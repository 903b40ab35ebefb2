/**
 * Compares a document with what its schema says. Keeps: whatever is in a document, looking at it ends and never throws; the
 * document is read as it is, and nothing of it is hidden because it is wrong.
 */
import type { Field, FieldType, ItemSchema } from './options.ts'

/** Something in a document that its schema does not say. */
export interface Problem {
  /** Keys and positions from the root on: `map.title`, `list[3].done`. */
  readonly path: string
  readonly problem: string
}

export type Root = { readonly [key: string]: unknown }

/** What a value of a document is, without the engine's classes being known here. */
export type ValueKind = FieldType | 'map' | 'bytes' | 'null' | 'other'

export function kindOf(value: unknown): ValueKind {
  if (value === null) return 'null'
  if (typeof value === 'string') return 'text'
  if (typeof value === 'number' || typeof value === 'bigint') return 'number'
  if (typeof value === 'boolean') return 'boolean'
  if (typeof value !== 'object') return 'other'
  if (Array.isArray(value)) return 'list'
  if (value instanceof Date) return 'timestamp'
  if (value instanceof Uint8Array) return 'bytes'
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return 'map'
  // What is left are classes of the engine: a counter has a number, a fixed text has a text.
  if ('value' in value && typeof value.value === 'number') return 'counter'
  return 'val' in value && typeof value.val === 'string' ? 'text' : 'other'
}

export const isMap = (value: unknown): value is Root => kindOf(value) === 'map'

/** As much of a path as a person needs to find the place. */
const maxPathChars = 200

export function at(path: string, key: string | number): string {
  const part = typeof key === 'number' ? `[${key}]` : /^\w+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`
  const whole = path === '' && part.startsWith('.') ? part.slice(1) : path + part
  return whole.length > maxPathChars ? `${whole.slice(0, maxPathChars - 1).toWellFormed()}…` : whole
}

const withArticle = (kind: ValueKind): string =>
  kind === 'null' || kind === 'bytes' ? kind : kind === 'other' ? 'something else' : `a ${kind}`

export const isNot = (value: unknown, wanted: ValueKind): string =>
  `is ${withArticle(kindOf(value))} and not ${withArticle(wanted)}`

/** A container that the frozen changes made, and what is in it. */
export function* checkContainer(
  root: Root,
  key: string,
  kind: 'text' | 'map' | 'list',
  path = '',
  inside: (value: never, path: string) => Iterable<Problem> = () => [],
): Generator<Problem> {
  const value = Object.hasOwn(root, key) ? root[key] : undefined
  if (value === undefined) yield { path: at(path, key), problem: 'is missing' }
  else if (kindOf(value) !== kind) yield { path: at(path, key), problem: isNot(value, kind) }
  else yield* inside(value as never, at(path, key))
}

/** Keys beside those of the schema. */
export function* checkKeys(root: Root, known: readonly string[], path = ''): Generator<Problem> {
  for (const key of Object.keys(root)) {
    if (!known.includes(key)) yield { path: at(path, key), problem: 'is not in the schema' }
  }
}

/** Without declared fields, anything goes. */
export function* checkFields(map: Root, path: string, fields: readonly Field[] | undefined): Generator<Problem> {
  if (fields === undefined) return
  for (const { name, type, required = false, default: byDefault } of fields) {
    const value = Object.hasOwn(map, name) ? map[name] : undefined
    if (value !== undefined) {
      if (kindOf(value) !== type) yield { path: at(path, name), problem: isNot(value, type) }
    } else if (required && byDefault === undefined) yield { path: at(path, name), problem: 'is missing' }
  }
  const known = new Set(fields.map(({ name }) => name))
  for (const key of Object.keys(map)) {
    if (!known.has(key)) yield { path: at(path, key), problem: 'is not among the fields' }
  }
}

export function* checkItems(list: readonly unknown[], path: string, item: ItemSchema | undefined): Generator<Problem> {
  if (item === undefined) return
  for (const [index, value] of list.entries()) {
    if (kindOf(value) !== item.type) yield { path: at(path, index), problem: isNot(value, item.type) }
    else if (isMap(value)) yield* checkFields(value, at(path, index), item.fields)
  }
}
