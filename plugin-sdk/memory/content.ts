/**
 * Edits and reads for which a schema has a rule beside its type. Keeps: an entry of a log goes to its end, and a section is
 * found under its name wherever its containers are.
 */
import {
  type CompositeValue,
  type LogValue,
  type MapItem,
  MooringError,
  type SchemaOptions,
  type SectionValue,
  sectionPlaces,
} from '../../protocol/index.ts'

/** Adds an entry to a log, or to a section that is one: inside of `change`. */
export function appendEntry(draft: Pick<LogValue, 'entries'>, entry: MapItem): void {
  draft.entries.push(entry)
}

/**
 * A section of a composite, to read or inside of `change`: `sectionOf(draft, 'notes', block.meta.options).text`.
 *
 * @throws `invalid-input` for a name that the options do not have, `wrong-state` when a replica took its containers away
 */
export function sectionOf(value: CompositeValue, name: string, options: SchemaOptions = {}): SectionValue {
  const places = sectionPlaces(options)
  const place = places.get(name)
  if (place === undefined) {
    throw new MooringError('invalid-input', { detail: `the sections are ${[...places.keys()].join(', ') || 'none'}` })
  }
  const section: unknown = value.sections?.[place]
  if (typeof section === 'object' && section !== null) return section as SectionValue
  throw new MooringError('wrong-state', { detail: `the containers of the section ${name} are gone` })
}
