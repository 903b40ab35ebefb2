/**
 * What one block asks of its content beyond its schema: the fields of a map, the sections of a composite. It is said once,
 * when the block is made, travels in its metadata, and is small enough to do so. Order counts in every list of it.
 */

export const fieldTypes = ['text', 'number', 'boolean', 'list', 'timestamp', 'counter'] as const
export type FieldType = (typeof fieldTypes)[number]

/** One named value of a map. */
export interface Field {
  readonly name: string
  readonly type: FieldType
  readonly description?: string | undefined
  /** A block without it is reported, unless there is a default. */
  readonly required?: boolean | undefined
  /** What is shown where the field is missing; a timestamp is written as ISO 8601. A list has none. */
  readonly default?: string | number | boolean | undefined
  /** For who administers the block: no operation changes it for anybody else. */
  readonly readOnly?: boolean | undefined
}

/** What lies in a list: values of one type, or maps with these fields. */
export interface ItemSchema {
  readonly type: FieldType | 'map'
  readonly fields?: readonly Field[] | undefined
}

interface SimpleOptions {
  /** Of `map`. */
  readonly fields?: readonly Field[] | undefined
  /** Of `list`. */
  readonly itemSchema?: ItemSchema | undefined
  /** Of `list`; more is reported. */
  readonly maxItems?: number | undefined
  /** Of `log`. */
  readonly entrySchema?: ItemSchema | undefined
  /** Of `log`: how many of the last entries are shown. */
  readonly displayLimit?: number | undefined
}

/** What a section may be; as many as there are containers for in the initial change of `composite`. */
export const sectionSchemas = ['text', 'map', 'list', 'log'] as const
export const maxSections = 8

export interface Section {
  readonly name: string
  readonly schema: (typeof sectionSchemas)[number]
  readonly description?: string | undefined
  /** As of a field. */
  readonly readOnly?: boolean | undefined
  readonly options?: SimpleOptions | undefined
}

export interface SchemaOptions extends SimpleOptions {
  /** Of `composite`. The place of a section says which containers are its own: new ones go to the end. */
  readonly sections?: readonly Section[] | undefined
}

export type OptionName = keyof SchemaOptions
