/** `moor block diff`: what differs between two states of a block. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { headsOf, stateArg, stateName } from './block-state.ts'
import { defineCommand } from './command.ts'
import { safeLine, safeText } from './sanitize.ts'

const { input, output: answerShape } = controlProtocol.ops['block.diff']
type Patch = z.output<typeof answerShape>['patches'][number]

export const blockDiff = defineCommand({
  name: 'block diff',
  summary: 'Show what differs between two states of a block',
  args: [
    { name: 'address', summary: 'scope and label, such as space:home/notes' },
    { name: 'from', summary: stateArg },
    { name: 'to', isOptional: true, summary: 'the later one; the present without it' },
  ],
  options: [],
  examples: [
    'moor block diff space:home/notes 4f1c2a9b03de',
    'moor block diff space:home/notes 4f1c2a9b03de 77d0e1c4aa52',
  ],
  input: z.object({ address: input.shape.address, from: stateName, to: stateName.optional() }),
  data: answerShape,
  async run({ connect, call, output }, { address, from, to }) {
    const client = await connect()
    const heads = {
      from: await headsOf(client, address, from, call),
      ...(to === undefined ? {} : { to: await headsOf(client, address, to, call) }),
    }
    const answer = await client.block.diff({ address, ...heads }, call())
    output.answer(answer, answer.patches.flatMap(linesOf))
    if (answer.patches.length === 0) output.note('nothing differs')
    if (answer.more) output.note('more differs than is shown')
  },
})

function linesOf({ path, kind, before, after, diff }: Patch): string[] {
  const where = path === '' ? 'the block' : safeLine(path, 256)
  if (kind === 'text') return [where, ...safeText(diff ?? '').split('\n')]
  return [
    `${where} ${kind}`,
    ...(before === undefined ? [] : [`- ${safeLine(before, 256)}`]),
    ...(after === undefined ? [] : [`+ ${safeLine(after, 256)}`]),
  ]
}
