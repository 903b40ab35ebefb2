/** The block schemas, one line each. To add one: a file beside this one, and its line in the table. */
import { MooringError } from '../errors.ts'
import type { ChangeHash } from '../ids.ts'
import type { BlockSchema } from './define.ts'
import { mapSchema } from './map.ts'
import { textSchema } from './text.ts'

export type { BlockSchema, InitialChange, InitialObject, PlainValue } from './define.ts'
export type { CounterValue, MapItem, MapValue } from './map.ts'
export type { TextValue } from './text.ts'

export const schemaTable = {
  text: textSchema,
  map: mapSchema,
} as const satisfies Record<string, BlockSchema>

export type SchemaName = keyof typeof schemaTable

/** The type of a document by the name of its schema. */
export type SchemaValues = {
  [Name in SchemaName]: (typeof schemaTable)[Name] extends BlockSchema<infer Value> ? Value : never
}

export const schemaNames = Object.keys(schemaTable) as readonly SchemaName[]

export const isSchemaName = (name: string): name is SchemaName => Object.hasOwn(schemaTable, name)

/** @throws `unknown-schema` */
export function schemaNamed<Name extends SchemaName>(name: Name): BlockSchema<SchemaValues[Name]>
export function schemaNamed(name: string): BlockSchema
export function schemaNamed(name: string): BlockSchema {
  if (!isSchemaName(name))
    throw new MooringError('unknown-schema', { detail: `the schemas are ${schemaNames.join(', ')}` })
  return schemaTable[name]
}

/** Changes that every replica has from the table: admitted by hash, never transmitted. */
export const initialChangeHashes: ReadonlySet<ChangeHash> = new Set(
  schemaNames.map((name) => schemaTable[name].initial.hash),
)
