/**
 * A materialised document as text for people. Keeps the invariant that equal documents give equal text; what the text
 * looks like is the schema's business, here the values of the engine are only made plain.
 */
import { isMap } from '../../protocol/schemas/checks.ts'
import { type PlainValue, type Problem, type SchemaOptions, schemaNamed } from '../../protocol/schemas/index.ts'

/** @throws `unknown-schema` */
export function render(schema: string, root: unknown, options?: SchemaOptions): string {
  const plain = toPlain(root)
  return schemaNamed(schema).describe(isPlainMap(plain) ? plain : {}, options)
}

/** Where a document is not what its schema and the options of its block say. @throws `unknown-schema` */
export const problemsOf = (schema: string, root: unknown, options?: SchemaOptions): readonly Problem[] =>
  schemaNamed(schema).validate(isMap(root) ? root : {}, options)

/** Numbers that JSON has no form for become their name, bytes base64, dates ISO 8601. */
export function toPlain(value: unknown): PlainValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
    case 'object':
      return value === null ? null : objectToPlain(value)
    default:
      return null
  }
}

function objectToPlain(value: object): PlainValue {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64')
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (Array.isArray(value)) return value.map(toPlain)
  // A map of a document is a plain object; anything else is one of the engine's classes: a counter or a fixed string.
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    return toPlain('toJSON' in value && typeof value.toJSON === 'function' ? value.toJSON() : String(value))
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toPlain(item)]))
}

const isPlainMap = (value: PlainValue): value is { readonly [key: string]: PlainValue } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
