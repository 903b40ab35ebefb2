/** `moor block history-depth`: how much of what a plugin wrote can be undone, and redone. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'

const { input, output: depth } = controlProtocol.ops['block.history-depth']

export const blockHistoryDepth = defineCommand({
  name: 'block history-depth',
  summary: 'Count the changes of a plugin that can be undone, and redone',
  args: [
    { name: 'address', summary: 'scope and label, such as space:home/notes' },
    { name: 'plugin', summary: 'whose changes: name, peer id or words of the key' },
  ],
  options: [],
  examples: ['moor block history-depth space:home/notes weather'],
  input: z.object({ address: input.shape.address, plugin: input.shape.who }),
  data: depth,
  async run({ connect, call, output }, { address, plugin }) {
    const client = await connect()
    const answer = await client.block['history-depth']({ address, who: plugin }, call())
    output.answer(answer, [`${answer.undo} to undo, ${answer.redo} to redo`])
  },
})
