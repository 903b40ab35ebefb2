/** What happened, in order: entries are added at the end, and none is changed. */
import { checkContainer, checkItems, checkKeys } from './checks.ts'
import { defineSchema } from './define.ts'
import type { MapItem } from './map.ts'
import { formatLine, formatPlain, isList } from './plain.ts'

export interface LogValue<Entry extends MapItem = MapItem> {
  entries: Entry[]
}

/** Entries that are shown of a log that does not say how many. */
const defaultDisplayLimit = 100

export const logSchema = defineSchema<LogValue>({
  name: 'log',
  summary: 'Entries that are only ever added; the last ones are shown.',
  options: ['entrySchema', 'displayLimit'],
  initial: {
    bytes:
      '856f4a83533d392b0132001019633a6c37eccfbf6c12fd92539f5b96010100000005150934014202560270027f07656e7472696573017f02' +
      '7f007f00',
    actor: '19633a6c37eccfbf6c12fd92539f5b96',
    seq: 1,
    hash: '533d392bc66f451bfa0269e37c2d535abe18594f02d1bfc33517a7107edfbcee',
    maxOp: 1,
    ops: 1,
    objects: [{ id: '1@19633a6c37eccfbf6c12fd92539f5b96', type: 'list', depth: 1 }],
  },
  *check(root, { entrySchema }) {
    yield* checkContainer(root, 'entries', 'list', '', (entries: readonly unknown[], path) =>
      checkItems(entries, path, entrySchema),
    )
    yield* checkKeys(root, ['entries'])
  },
  describe({ entries = [] }, { displayLimit = defaultDisplayLimit }) {
    if (!isList(entries)) return formatPlain(entries)
    const earlier = Math.max(0, entries.length - displayLimit)
    const lines = entries.slice(earlier).map(formatLine)
    return [...(earlier > 0 ? [`(${earlier} earlier)`] : []), ...lines].join('\n')
  },
})
