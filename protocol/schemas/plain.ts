/**
 * Plain values as text. Keeps the invariant that equal values give equal text, in whatever order their keys were set;
 * control characters come out escaped, so a value cannot fake a line of its own.
 */
import type { PlainValue } from './define.ts'

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

const isList = (value: object): value is readonly PlainValue[] => Array.isArray(value)
