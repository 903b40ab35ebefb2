/** `moor block undo` and `moor block redo`: takes back what a plugin wrote, as a further change of the block. */
import { z } from 'zod'
import { type ControlClient, controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { safeId } from './sanitize.ts'

const operation = controlProtocol.ops['block.undo']
type Answer = z.output<typeof operation.output>

const shared = {
  args: [
    { name: 'address', summary: 'scope and label, such as space:home/notes' },
    { name: 'plugin', summary: 'whose change: name, peer id or words of the key' },
  ],
  options: [],
  input: z.object({ address: operation.input.shape.address, plugin: operation.input.shape.who }),
  data: operation.output,
}

export const blockUndo = defineCommand({
  ...shared,
  name: 'block undo',
  summary: 'Take back the newest change of a plugin in a block',
  description:
    'Nothing is removed from the history: what others wrote since stays, and moor block redo brings it back.',
  examples: ['moor block undo space:home/notes weather'],
  async run({ connect, call, output }, { address, plugin }) {
    const client = await connect()
    const answer = await client.block.undo({ address, who: plugin }, call())
    output.answer(answer, linesOf(answer, 'took back', 'nothing to take back'))
    if (answer.isDone) output.next(`moor block redo ${safeId(address, 256)} ${safeId(plugin, 128)}`)
  },
})

export const blockRedo = defineCommand({
  ...shared,
  name: 'block redo',
  summary: 'Bring back what was undone last of a plugin in a block',
  examples: ['moor block redo space:home/notes weather'],
  async run({ connect, call, output }, { address, plugin }) {
    const client: ControlClient = await connect()
    const answer = await client.block.redo({ address, who: plugin }, call())
    output.answer(answer, linesOf(answer, 'brought back what', 'nothing to bring back'))
  },
})

function linesOf({ isDone, of, undo, redo }: Answer, did: string, nothing: string): string[] {
  const first = isDone
    ? `${did} ${safeId(of?.slice(0, 12) ?? '', 12)}${did === 'took back' ? '' : ' took back'}`
    : nothing
  return [`${first}; ${undo} to undo, ${redo} to redo`]
}
