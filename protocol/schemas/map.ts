/** Named values: settings, facts, small records. */
import { checkContainer, checkFields, checkKeys, type Root } from './checks.ts'
import { defineSchema } from './define.ts'
import { formatPlain, isPlainMap, withDefaults } from './plain.ts'

/** A number that concurrent increments add to, instead of one of them winning. */
export interface CounterValue {
  readonly value: number
  increment(by?: number): void
  decrement(by?: number): void
}

/** What a map may hold. Strings are texts that merge; lists and maps may be nested 62 levels deep. */
export type MapItem =
  | string
  | number
  | bigint
  | boolean
  | null
  | Date
  | Uint8Array
  | CounterValue
  | MapItem[]
  | { [key: string]: MapItem }

export interface MapValue {
  map: Record<string, MapItem>
}

export const mapSchema = defineSchema<MapValue>({
  name: 'map',
  summary: 'Named values, nested as needed; keys are merged one by one.',
  options: ['fields'],
  initial: {
    bytes:
      '856f4a83ed7bf657012e0010f4e9af416d90c51deae85b2fa7675535010100000005150534014202560270027f036d6170017f007f007f00',
    actor: 'f4e9af416d90c51deae85b2fa7675535',
    seq: 1,
    hash: 'ed7bf6577c75c358f392a38abb9252cf4b93f20e18ca192e12f4c610f5c0c9ae',
    maxOp: 1,
    ops: 1,
    objects: [{ id: '1@f4e9af416d90c51deae85b2fa7675535', type: 'map', depth: 1 }],
  },
  *check(root, { fields }) {
    yield* checkContainer(root, 'map', 'map', '', (map: Root, path) => checkFields(map, path, fields))
    yield* checkKeys(root, ['map'])
  },
  describe: ({ map = {} }, { fields }) => formatPlain(isPlainMap(map) ? withDefaults(map, fields) : map),
})
