/**
 * Plain values as text. Keeps the invariant that equal values give equal text, in whatever order their keys were set;
 * control characters come out escaped, so a value cannot fake a line of its own.
 */
import type { PlainValue } from './define.ts'
import type { Field } from './options.ts'

export type PlainMap = { readonly [key: string]: PlainValue }

/** JSON of two spaces a level, keys in code unit order. */
export function formatPlain(value: PlainValue, indent = ''): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  const inner = `${indent}  `
  if (isList(value)) {
    if (value.length === 0) return '[]'
    return `[\n${value.map((item) => inner + formatPlain(item, inner)).join(',\n')}\n${indent}]`
  }
  const keys = Object.keys(value).sort()
  if (keys.length === 0) return '{}'
  const lines = keys.map((key) => `${inner}${JSON.stringify(key)}: ${formatPlain(value[key] ?? null, inner)}`)
  return `{\n${lines.join(',\n')}\n${indent}}`
}

/** JSON in one line, keys in code unit order. */
export function formatLine(value: PlainValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (isList(value)) return `[${value.map(formatLine).join(', ')}]`
  const keys = Object.keys(value).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}: ${formatLine(value[key] ?? null)}`).join(', ')}}`
}

/** With what fields say that are missing. */
export function withDefaults(map: PlainMap, fields: readonly Field[] = []): PlainMap {
  const missing = fields.filter(({ name, default: value }) => value !== undefined && !Object.hasOwn(map, name))
  return Object.fromEntries([
    ...missing.map(({ name, default: value = null }) => [name, value]),
    ...Object.entries(map),
  ])
}

export const isList = (value: PlainValue): value is readonly PlainValue[] => Array.isArray(value)

export const isPlainMap = (value: PlainValue): value is PlainMap =>
  typeof value === 'object' && value !== null && !isList(value)
