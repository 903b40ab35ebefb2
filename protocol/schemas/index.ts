/** The block schemas, one line each. To add one: a file beside this one, and its line in the table. */
import { MooringError } from '../errors.ts'
import type { ChangeHash } from '../ids.ts'
import { compositeSchema } from './composite.ts'
import type { BlockSchema } from './define.ts'
import { listSchema } from './list.ts'
import { logSchema } from './log.ts'
import { mapSchema } from './map.ts'
import type { OptionName, SchemaOptions } from './options.ts'
import { textSchema } from './text.ts'

export type { Problem } from './checks.ts'
export { type CompositeValue, type SectionValue, sectionPlaces } from './composite.ts'
export {
  type BlockSchema,
  type FrozenChange,
  frozenOf,
  type InitialChange,
  type InitialObject,
  migration,
  type PlainValue,
} from './define.ts'
export type { ListValue } from './list.ts'
export type { LogValue } from './log.ts'
export type { CounterValue, MapItem, MapValue } from './map.ts'
export type { Field, ItemSchema, SchemaOptions, Section } from './options.ts'
export type { TextValue } from './text.ts'

export const schemaTable = {
  text: textSchema,
  map: mapSchema,
  list: listSchema,
  log: logSchema,
  composite: compositeSchema,
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

/**
 * Whether a block of this schema may say this of its content. Sections stay where they are, because their place says what
 * is in them: after `before`, further ones go to the end.
 *
 * @throws `invalid-input`
 */
export function checkOptions(name: string, options: SchemaOptions = {}, before: SchemaOptions = {}): void {
  const known: readonly OptionName[] = schemaNamed(name).options
  for (const [option, value] of Object.entries(options)) {
    if (value !== undefined && !known.includes(option as OptionName)) {
      const takes = known.length === 0 ? 'none' : known.join(', ')
      throw new MooringError('invalid-input', { detail: `options.${option}: the options of ${name} are ${takes}` })
    }
  }
  for (const section of options.sections ?? []) checkOptions(section.schema, section.options)
  for (const [place, section] of (before.sections ?? []).entries()) {
    const next = options.sections?.[place]
    if (next?.name === section.name && next.schema === section.schema) continue
    const detail = `options.sections.${place}: the section ${section.name} stays, and further ones go to the end`
    throw new MooringError('invalid-input', { detail })
  }
}
