/** `moor block edit`: one change of a block, made of the steps that are named; all of them or none. */
import { z } from 'zod'
import { controlProtocol, type EditStep, editStep } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { safeId } from './sanitize.ts'

const operation = controlProtocol.ops['block.edit']
const { address, heads, steps } = operation.input.shape

const asJson = (text: string, context: z.RefinementCtx): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    context.addIssue({ code: 'custom', message: 'is no JSON' })
    return z.NEVER
  }
}

/** Whether a part of it is a key or a position, what lies there says. */
const pathOf = (text: string): string[] => text.split('.')

const step = (parts: object, context: z.RefinementCtx): EditStep => {
  const parsed = editStep.safeParse(parts)
  if (parsed.success) return parsed.data
  context.addIssue({ code: 'custom', message: parsed.error.issues[0]?.message ?? 'is no step' })
  return z.NEVER
}

const valued = (kind: 'set' | 'insert') =>
  z
    .string()
    .regex(/^[^=]+=/, 'is path=json')
    .transform((text, context) => {
      const at = text.indexOf('=')
      return step({ do: kind, path: pathOf(text.slice(0, at)), value: asJson(text.slice(at + 1), context) }, context)
    })

const spliced = z
  .string()
  .regex(/^[^:]+:\d*:\d*:/, 'is path:position:remove:text')
  .transform((text, context) => {
    const [path = '', at = '', remove = '', ...rest] = text.split(':')
    const place = at === '' ? {} : { at: Number(at) }
    return step({ do: 'splice', path: pathOf(path), ...place, remove: Number(remove), text: rest.join(':') }, context)
  })

const increased = z
  .string()
  .regex(/^[^=]+(?:=-?\d+)?$/, 'is path or path=number')
  .transform((text, context) => {
    const [path = '', by = '1'] = text.split('=')
    return step({ do: 'increment', path: pathOf(path), by: Number(by) }, context)
  })

const removed = z.string().transform((text, context) => step({ do: 'delete', path: pathOf(text) }, context))

export const blockEdit = defineCommand({
  name: 'block edit',
  summary: 'Change the content of a block',
  description:
    'All steps are one change, or nothing is changed. A path is keys and positions with dots between them. Steps of one kind are taken in their order, kinds in the order of this list; --steps takes any order, and keys with dots in them.',
  args: [{ name: 'address', summary: 'scope and label, such as space:home/notes' }],
  options: [
    { name: 'set', value: 'path=json', isRepeatable: true, summary: 'put a value at a place' },
    { name: 'insert', value: 'path=json', isRepeatable: true, summary: 'put an item into a list; list.- is its end' },
    { name: 'splice', value: 'path:at:remove:text', isRepeatable: true, summary: 'change a text; without at, its end' },
    { name: 'increment', value: 'path=number', isRepeatable: true, summary: 'add to a counter' },
    { name: 'delete', value: 'path', isRepeatable: true, summary: 'take away what is at a place' },
    { name: 'steps', value: 'json', summary: 'steps as the protocol has them, after the others' },
    { name: 'heads', value: 'hashes', summary: 'only if the block is in this state; with commas between them' },
  ],
  examples: [
    "moor block edit space:home/notes --splice 'text:0:0:Milk, '",
    `moor block edit space:home/facts --set 'map.kettle="blue"' --increment map.visits`,
    'moor block edit space:home/list --steps \'[{"do":"insert","path":["list","-"],"value":"eggs"}]\'',
  ],
  input: z
    .object({
      address,
      set: z.array(valued('set')).default([]),
      insert: z.array(valued('insert')).default([]),
      splice: z.array(spliced).default([]),
      increment: z.array(increased).default([]),
      delete: z.array(removed).default([]),
      steps: z.string().transform(asJson).pipe(steps).optional(),
      heads: z
        .string()
        .transform((text) => text.split(','))
        .pipe(heads.unwrap())
        .optional(),
    })
    .refine(
      (all) =>
        all.steps !== undefined ||
        [all.set, all.insert, all.splice, all.increment, all.delete].some((of) => of.length > 0),
      { message: 'say what is to be changed: --set, --insert, --splice, --increment, --delete or --steps' },
    ),
  data: operation.output,
  async run({ connect, call, output }, { address: at, heads: expected, steps: more = [], ...kinds }) {
    const all = [...kinds.set, ...kinds.insert, ...kinds.splice, ...kinds.increment, ...kinds.delete, ...more]
    const client = await connect()
    const answer = await client.block.edit(
      { address: at, steps: all, ...(expected === undefined ? {} : { heads: expected }) },
      call(),
    )
    const did =
      answer.change === undefined ? 'it was like that already' : `change ${safeId(answer.change.slice(0, 12), 12)}`
    output.answer(answer, [`${safeId(at, 256)}: ${did}`])
  },
})
