/**
 * Several sections in one block, each as a block of another schema would be. Which sections there are is said in the
 * options; the containers of all that there can be are in the initial change, so that a section that two made apart from
 * each other is one.
 */
import { at, checkContainer, checkKeys, isMap, isNot, type Problem, type Root } from './checks.ts'
import { defineSchema, type InitialObject } from './define.ts'
import { type ListValue, listSchema } from './list.ts'
import { type LogValue, logSchema } from './log.ts'
import { type MapValue, mapSchema } from './map.ts'
import { maxSections, type SchemaOptions, type Section } from './options.ts'
import { formatPlain, isPlainMap, type PlainMap } from './plain.ts'
import { type TextValue, textSchema } from './text.ts'

/** What one section holds: of these, what its schema has. */
export type SectionValue = TextValue & MapValue & ListValue & LogValue

export interface CompositeValue {
  /** By the place of the section in the options: '0' for the first. */
  sections: Record<string, SectionValue>
}

const actor = 'd17fa77e3670c67dc283be1bbf0f20cc'
const containers = { text: 'text', map: 'map', list: 'list', entries: 'list' } as const
const sectionTable = { text: textSchema, map: mapSchema, list: listSchema, log: logSchema } as const
const keyOf = { text: 'text', map: 'map', list: 'list', log: 'entries' } as const
const places = Array.from({ length: maxSections }, (_, place) => String(place))

function objects(): InitialObject[] {
  const below = [
    { type: 'map', depth: 2 },
    ...Object.values(containers).map((type) => ({ type, depth: 3 }) as const),
  ] as const
  const all = [{ type: 'map', depth: 1 } as const, ...places.flatMap(() => below)]
  return all.map((made, index) => ({ id: `${index + 1}@${actor}`, ...made }))
}

export const compositeSchema = defineSchema<CompositeValue>({
  name: 'composite',
  summary: 'Named sections, each a text, a map, a list or a log.',
  options: ['sections'],
  initial: {
    bytes:
      '856f4a83f0c2765601cd020010d17fa77e3670c67dc283be1bbf0f20cc0101000000070104022215ca013401423156027002000128000001' +
      '7f0104027f0104077f01040c7f0104117f0104167f01041b7f0104207f010425570873656374696f6e7301300474657874036d6170046c69' +
      '737407656e747269657301310474657874036d6170046c69737407656e747269657301320474657874036d6170046c69737407656e747269' +
      '657301330474657874036d6170046c69737407656e747269657301340474657874036d6170046c69737407656e7472696573013504746578' +
      '74036d6170046c69737407656e747269657301360474657874036d6170046c69737407656e747269657301370474657874036d6170046c69' +
      '737407656e74726965732902007e040002027d00040002027d00040002027d00040002027d00040002027d00040002027d00040002027d00' +
      '0400020229002900',
    actor,
    seq: 1,
    hash: 'f0c276561c35f270b3522a20d70dae26e2a79178551f97e2a7c0ec18b342e7b0',
    maxOp: 41,
    ops: 41,
    objects: objects(),
  },
  *check(root, { sections = [] }) {
    yield* checkContainer(root, 'sections', 'map', '', function* (all: Root, path) {
      for (const place of places) yield* checkSection(all, place, path, sections[Number(place)])
      yield* checkKeys(all, places, path)
    })
    yield* checkKeys(root, ['sections'])
  },
  describe({ sections: all = {} }, { sections = [] }) {
    if (!isPlainMap(all)) return formatPlain(all)
    const parts = sections.map((section, place) => describeSection(section, all[place]))
    const rest = undeclared(all, sections)
    if (Object.keys(rest).length > 0) parts.push(`(in no section)\n${indented(formatPlain(rest))}`)
    return parts.join('\n\n')
  },
})

/** What is in a section is compared as its schema does; the containers of other schemas are empty. */
function* checkSection(all: Root, place: string, path: string, section: Section | undefined): Generator<Problem> {
  const value = Object.hasOwn(all, place) ? all[place] : undefined
  const where = at(path, place)
  if (value === undefined) yield { path: where, problem: 'is missing' }
  else if (!isMap(value)) yield { path: where, problem: isNot(value, 'map') }
  else {
    const own = section === undefined ? undefined : keyOf[section.schema]
    for (const [key, kind] of Object.entries(containers)) {
      yield* checkContainer(value, key, kind, where, function* (inside: object | string, at) {
        if (key !== own && !isEmpty(inside)) {
          yield { path: at, problem: own === undefined ? 'is in no section' : `is in a section of ${own}` }
        }
      })
    }
    yield* checkKeys(value, Object.keys(containers), where)
    if (section === undefined || own === undefined) return
    // A container that is missing, or something else, was said above.
    const content = Object.hasOwn(value, own) ? value[own] : undefined
    if (content === undefined) return
    for (const { path: inside, problem } of sectionTable[section.schema].validate(
      { [own]: content },
      section.options,
    )) {
      if (inside !== own) yield { path: `${where}.${inside}`, problem }
    }
  }
}

function describeSection({ name, schema, options = {} }: Section, value: PlainMap[string] = {}): string {
  const text = isPlainMap(value) ? sectionTable[schema].describe(value, options) : formatPlain(value)
  return `${name}:\n${indented(text)}`
}

/** Of what no section shows all that is not as the initial change left it. */
function undeclared(all: PlainMap, sections: readonly Section[]): PlainMap {
  const rest: Record<string, PlainMap[string]> = {}
  for (const [place, value] of Object.entries(all)) {
    const section = sections[places.indexOf(place)]
    if (!isPlainMap(value)) {
      if (section === undefined) rest[place] = value
      continue
    }
    const own = section === undefined ? undefined : keyOf[section.schema]
    const hidden = Object.entries(value).filter(([key, inside]) => key !== own && !isEmpty(inside))
    if (hidden.length > 0) rest[place] = Object.fromEntries(hidden)
  }
  return rest
}

const isEmpty = (value: unknown): boolean =>
  value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)

/** What is in a section never stands at the beginning of a line: only names do. */
const indented = (text: string): string => text.replace(/^/gm, '  ')

/** The sections that the options name: which place each has. */
export const sectionPlaces = ({ sections = [] }: SchemaOptions): ReadonlyMap<string, string> =>
  new Map(sections.map(({ name }, place) => [name, String(place)]))
