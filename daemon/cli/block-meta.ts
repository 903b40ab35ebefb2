/** `moor block meta`: changes what is said of a block beside its content. */
import { z } from 'zod'
import { type BlockMeta, blockKinds, controlProtocol, limits, wholeMeta } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { safeId, safeLine } from './sanitize.ts'

const operation = controlProtocol.ops['block.update-metadata']
const { address, patch } = operation.input.shape

const optionsText = z
  .string()
  .max(limits.maxOptionsChars)
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      context.addIssue({ code: 'custom', message: 'is no JSON' })
      return z.NEVER
    }
  })
  .pipe(patch.shape.options.unwrap())

export const blockMeta = defineCommand({
  name: 'block meta',
  summary: 'Say what a block is for',
  description: 'Plugins that may read the block are told, also those that are offline now.',
  args: [{ name: 'address', summary: 'scope and label, such as space:home/notes' }],
  options: [
    { name: 'description', value: 'text', summary: 'what the block is for; empty for nothing' },
    { name: 'options', value: 'json', summary: 'its fields, items or sections; {} for none' },
    { name: 'kind', value: 'kind', values: blockKinds, summary: 'core: an agent always has it before it; or working' },
    { name: 'pinned', value: 'yes|no', values: ['yes', 'no'], summary: 'whether it stays at hand' },
  ],
  examples: [
    'moor block meta space:home/notes --description Shopping',
    'moor block meta agent:scout/persona --kind core --pinned yes',
    'moor block meta space:home/diary --options \'{"displayLimit": 20}\'',
  ],
  input: z
    .object({
      address,
      description: patch.shape.description,
      options: optionsText.optional(),
      kind: patch.shape.kind,
      pinned: z
        .enum(['yes', 'no'])
        .transform((text) => text === 'yes')
        .optional(),
    })
    .refine(({ address: _, ...said }) => Object.values(said).some((value) => value !== undefined), {
      message: 'say at least one of --description, --options, --kind and --pinned',
    }),
  data: operation.output,
  async run({ connect, call, output }, { address: at, ...patch }) {
    const client = await connect()
    const answer = await client.block['update-metadata']({ address: at, patch }, call())
    output.answer(answer, [
      `${safeId(at, 256)}: ${safeLine(answer.meta.description ?? 'no description', 500)}`,
      ...linesOf(answer.meta),
    ])
  },
})

/** What is said beside the description, if it is not what is said of every block. */
function linesOf(meta: BlockMeta): string[] {
  const { kind, pinned } = wholeMeta(meta)
  const words = [...(kind === blockKinds[0] ? [] : [kind]), ...(pinned ? ['pinned'] : [])]
  return [
    ...(words.length === 0 ? [] : [words.join(', ')]),
    ...(meta.options === undefined ? [] : [safeLine(JSON.stringify(meta.options), limits.maxOptionsChars)]),
  ]
}
