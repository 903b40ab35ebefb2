/** `moor block history`: who changed a block, when, and what they did; a page at a time, newest first. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { authorOf } from './block-state.ts'
import { defineCommand } from './command.ts'
import { safeId, safeLine } from './sanitize.ts'
import { table } from './table.ts'

const { input, output: page } = controlProtocol.ops['block.history']
type Group = z.output<typeof page>['groups'][number]

export const blockHistory = defineCommand({
  name: 'block history',
  summary: 'List who changed a block, when, and what they did',
  description:
    'Newest first, in the order in which changes build on each other. Who wrote a change is proven by its key; when, is what the clock of its author said.',
  args: [{ name: 'address', summary: 'scope and label, such as space:home/notes' }],
  options: [
    { name: 'limit', short: 'n', value: 'count', summary: 'so many groups of changes, at most 50 (default: 20)' },
    { name: 'before', value: 'change', summary: 'older ones than this change' },
  ],
  examples: ['moor block history space:home/notes', 'moor block history space:home/notes -n 5 --json'],
  input: z.object({
    address: input.shape.address,
    limit: z
      .string()
      .regex(/^(?:[1-9]|[1-4]\d|50)$/, 'must be a whole number from 1 to 50')
      .default('20')
      .transform(Number),
    before: input.shape.before,
  }),
  data: page,
  async run({ connect, call, output }, { address, limit, before }) {
    const client = await connect()
    const answer = await client.block.history({ address, limit, ...(before === undefined ? {} : { before }) }, call())
    output.answer(answer, table(['CHANGE', 'WHEN', 'WHO', 'CHANGES', 'DID'], answer.groups.map(rowOf)))
    const last = answer.groups.at(-1)
    if (last === undefined) output.note('the block has no changes')
    if (answer.groups.some(({ isFolded }) => isFolded)) output.note('* is part of the snapshot, and no row of the log')
    if (last !== undefined && answer.more) {
      output.next(`moor block history ${safeId(address, 256)} --before ${safeId(last.first, 64)}`)
    }
  },
})

const rowOf = (group: Group): string[] => [
  `${safeId(group.last.slice(0, 12), 12)}${group.isFolded ? '*' : ''}`,
  group.untilMs === undefined ? '-' : new Date(group.untilMs).toISOString().slice(0, 19),
  authorOf(group),
  `${group.changes} (${group.bytes} B)`,
  safeLine(group.summary),
]
