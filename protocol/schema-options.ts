/** The shape of what a block asks of its content beyond its schema; what it means is in `schemas/options.ts`. */
import { z } from 'zod'
import { limits } from './limits.ts'
import { type FieldType, fieldTypes, maxSections, type SchemaOptions, sectionSchemas } from './schemas/options.ts'

const description = z.string().max(200)
const areNamed = (items: readonly { readonly name: string }[]): boolean =>
  new Set(items.map(({ name }) => name)).size === items.length

const defaults: Readonly<Record<FieldType, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  list: () => false,
  timestamp: (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
  counter: (value) => Number.isSafeInteger(value),
}

export const field = z
  .strictObject({
    name: z.string().min(1).max(64),
    type: z.enum(fieldTypes),
    description: description.optional(),
    required: z.boolean().optional(),
    default: z.union([z.string().max(1_000), z.number(), z.boolean()]).optional(),
    readOnly: z.boolean().optional(),
  })
  .refine(({ type, default: value }) => value === undefined || defaults[type](value), 'the default is of another type')

const fields = z.array(field).max(64).refine(areNamed, 'two fields have one name')

export const item = z
  .strictObject({ type: z.enum([...fieldTypes, 'map']), fields: fields.optional() })
  .refine((value) => value.fields === undefined || value.type === 'map', 'only a map has fields')

export const simpleOptions = z.strictObject({
  fields: fields.optional(),
  itemSchema: item.optional(),
  maxItems: z.int().min(1).max(100_000).optional(),
  entrySchema: item.optional(),
  displayLimit: z.int().min(1).max(1_000).optional(),
})

export const section = z.strictObject({
  name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, 'is no name of a section'),
  schema: z.enum(sectionSchemas),
  description: description.optional(),
  readOnly: z.boolean().optional(),
  options: simpleOptions.optional(),
})

const sections = z.array(section).max(maxSections).refine(areNamed, 'two sections have one name')

/** The type is declared with what it means: threads that read options must not load the library that checks shapes. */
export const schemaOptions: z.ZodType<SchemaOptions, SchemaOptions> = z
  .strictObject({ ...simpleOptions.shape, sections: sections.optional() })
  .refine((value) => JSON.stringify(value).length <= limits.maxOptionsChars, 'the options of a block are too long')
