/** Things one after another: what to do, what to buy, links. */
import { at, checkContainer, checkItems, checkKeys } from './checks.ts'
import { defineSchema } from './define.ts'
import type { MapItem } from './map.ts'
import { formatLine, formatPlain, isList } from './plain.ts'

export interface ListValue<Item extends MapItem = MapItem> {
  list: Item[]
}

export const listSchema = defineSchema<ListValue>({
  name: 'list',
  summary: 'Items in an order; what several insert at one place is kept side by side.',
  options: ['itemSchema', 'maxItems'],
  initial: {
    bytes:
      '856f4a83b42ed3f8012f0010b2345546d02e57e15b7c21f1beacad4f010100000005150634014202560270027f046c697374017f027f007f00',
    actor: 'b2345546d02e57e15b7c21f1beacad4f',
    seq: 1,
    hash: 'b42ed3f8219431cff49fa7fe8ccdb47ed248bef618914bc414a8efadaed11133',
    maxOp: 1,
    ops: 1,
    objects: [{ id: '1@b2345546d02e57e15b7c21f1beacad4f', type: 'list', depth: 1 }],
  },
  *check(root, { itemSchema, maxItems = Number.POSITIVE_INFINITY }) {
    yield* checkContainer(root, 'list', 'list', '', function* (list: readonly unknown[], path) {
      if (list.length > maxItems) yield { path: at(path, maxItems), problem: `is beyond maxItems, ${maxItems}` }
      yield* checkItems(list, path, itemSchema)
    })
    yield* checkKeys(root, ['list'])
  },
  describe: ({ list = [] }) =>
    isList(list) ? list.map((item) => `- ${formatLine(item)}`).join('\n') : formatPlain(list),
})
