/** Shapes as rows of a table: field, type in words, whether it must be there. Read from JSON Schema, never from a library. */
import { type Schema, toJsonSchema } from '../protocol/index.ts'

/** What is used here of JSON Schema. */
interface Node {
  readonly type?: string
  readonly description?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Node>>
  readonly required?: readonly string[]
  readonly items?: Node
  readonly oneOf?: readonly Node[]
  readonly anyOf?: readonly Node[]
  readonly contentEncoding?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly minItems?: number
  readonly maxItems?: number
}

export interface FieldRow {
  /** `a.b` for a field inside a map, `a[].b` for a field of the entries of a list. */
  readonly field: string
  readonly type: string
  /** `yes`, `no`, or `no: ` and the value that stands for an absent field. */
  readonly must: string
}

/** Names of shapes that have a row of their own elsewhere, by the text of their JSON Schema. */
export type KnownShapes = ReadonlyMap<string, string>

export const shapeKey = (schema: Schema): string => keyOf(toJsonSchema(schema) as Node)

/** The fields of a shape; a shape in `known` is named instead of taken apart. */
export function fieldsOf(schema: Schema, known: KnownShapes = new Map()): FieldRow[] {
  const node = toJsonSchema(schema) as Node
  const name = known.get(keyOf(node))
  if (name !== undefined) return [{ field: '(all)', type: name, must: 'yes' }]
  return [...rowsOf(node, '', known)]
}

function keyOf(node: Node): string {
  const { $schema: _, ...rest } = node as Node & { $schema?: unknown }
  return JSON.stringify(rest)
}

function* rowsOf(node: Node, prefix: string, known: KnownShapes): Generator<FieldRow> {
  if (node.oneOf !== undefined) {
    for (const variant of node.oneOf) {
      const [tag = '', value] = Object.entries(variant.properties ?? {}).find(([, field]) => 'const' in field) ?? []
      const head = `${tag} ${JSON.stringify(value?.const)}`
      yield { field: `${prefix}(${head})`, type: 'map', must: 'one of these' }
      for (const row of rowsOf(variant, prefix, known)) if (row.field !== prefix + tag) yield row
    }
    return
  }
  for (const [name, field] of Object.entries(node.properties ?? {})) {
    // The type of a frame is in the column before.
    if (prefix === '' && name === 't' && 'const' in field) continue
    const isNamed = known.has(keyOf(field)) || (field.items !== undefined && known.has(keyOf(field.items)))
    yield { field: prefix + name, type: typeOf(field, known), must: mustOf(node, name, field) }
    if (isNamed) continue
    if (field.properties !== undefined || field.oneOf !== undefined) yield* rowsOf(field, `${prefix}${name}.`, known)
    else if (field.items?.properties !== undefined) yield* rowsOf(field.items, `${prefix}${name}[].`, known)
  }
}

function mustOf(parent: Node, name: string, field: Node): string {
  if ('default' in field) return `no: ${JSON.stringify(field.default)}`
  return parent.required?.includes(name) === true ? 'yes' : 'no'
}

function typeOf(node: Node, known: KnownShapes): string {
  const name = known.get(keyOf(node))
  if (name !== undefined) return name
  if (node.contentEncoding !== undefined) return bytesOf(node.description ?? '')
  if (node.description !== undefined) return node.description
  if ('const' in node) return JSON.stringify(node.const)
  if (node.enum !== undefined) return node.enum.map((value) => JSON.stringify(value)).join(', ')
  const choices = node.oneOf ?? node.anyOf
  if (choices !== undefined)
    return choices.every((choice) => choice.type === 'object')
      ? 'map'
      : choices.map((c) => typeOf(c, known)).join(' or ')
  switch (node.type) {
    case 'string':
      return `text${bounds(node.minLength, node.maxLength, ' characters')}`
    case 'integer':
      return `integer${range(node)}`
    case 'array':
      return listOf(node, known)
    case 'object':
      return 'map'
    case 'boolean':
      return 'true or false'
    case undefined:
      return 'any value'
    default:
      return node.type
  }
}

function listOf({ items, minItems = 0, maxItems }: Node, known: KnownShapes): string {
  const entries = items === undefined ? 'anything' : typeOf(items, known)
  if (maxItems === undefined) return `list of ${entries}`
  return `list of ${minItems === 0 ? 'up to' : `${number(minItems)} to`} ${number(maxItems)}: ${entries}`
}

function bytesOf(description: string): string {
  const [, min, max] = /^(\d+) to (\d+) bytes$/.exec(description) ?? []
  if (min === undefined || max === undefined) return 'bytes'
  return min === max ? `bytes, exactly ${number(min)}` : `bytes, ${number(min)} to ${number(max)}`
}

function bounds(min: number | undefined, max: number | undefined, unit: string): string {
  if (min !== undefined && min === max) return `, exactly ${number(min)}${unit}`
  const low = min === undefined || min === 0 ? '' : `${number(min)} to `
  if (max === undefined) return low === '' ? '' : `, at least ${number(min ?? 0)}${unit}`
  return low === '' ? `, at most ${number(max)}${unit}` : `, ${low}${number(max)}${unit}`
}

function range({ minimum = 0, maximum = Number.MAX_SAFE_INTEGER }: Node): string {
  return maximum >= Number.MAX_SAFE_INTEGER
    ? `, ${number(minimum)} or more`
    : `, ${number(minimum)} to ${number(maximum)}`
}

/** Digits in groups, the same in every locale. */
export const number = (value: number | string): string => String(value).replace(/\B(?=(?:\d{3})+$)/g, ',')
