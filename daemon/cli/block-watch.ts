/** `moor block watch`: a line for each group of changes, as they become durable. */
import { z } from 'zod'
import { controlProtocol } from '../../protocol/index.ts'
import { defineCommand } from './command.ts'
import { person, safeId } from './sanitize.ts'

export const blockWatch = defineCommand({
  name: 'block watch',
  summary: 'Print a line for each change of a block until Ctrl-C',
  args: [{ name: 'address', summary: 'scope and label, such as space:home/notes' }],
  options: [],
  examples: ['moor block watch space:home/notes', 'moor block watch space:home/notes --json'],
  input: z.object({ address: controlProtocol.ops['block.watch'].input.shape.address }),
  data: controlProtocol.ops['block.watch'].item,
  isStream: true,
  async run({ connect, output, signal, timeoutMs }, { address }) {
    const client = await connect()
    output.note(`watching ${safeId(address, 256)}; Ctrl-C ends it`)
    for await (const item of client.block.watch(
      { address },
      { signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) },
    )) {
      const changes = `${item.changes} ${item.changes === 1 ? 'change' : 'changes'}`
      output.answer(item, [
        `${new Date(item.atMs).toISOString()}  ${item.seq}  ${changes}  ${item.bytes} B  ${person(item)}`,
      ])
    }
  },
})
