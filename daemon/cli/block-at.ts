/** `moor block at`: a block as it was. */
import { z } from 'zod'
import { controlProtocol, MooringError } from '../../protocol/index.ts'
import { headsOf, stateArg, stateName } from './block-state.ts'
import { defineCommand } from './command.ts'
import { safeId, safeText } from './sanitize.ts'

const { input, output: page } = controlProtocol.ops['block.at']

export const blockAt = defineCommand({
  name: 'block at',
  summary: 'Show a block as it was right behind a change',
  args: [
    { name: 'address', summary: 'scope and label, such as space:home/notes' },
    { name: 'change', summary: stateArg },
  ],
  options: [],
  examples: ['moor block at space:home/notes 4f1c2a9b03de'],
  input: z.object({ address: input.shape.address, change: stateName }),
  // The pages are joined here, so the bound of one page does not hold.
  data: page.extend({ text: z.string() }),
  async run({ connect, call, output }, { address, change }) {
    const client = await connect()
    const heads = await headsOf(client, address, change, call)
    // The state does not change any more, so its pages fit each other.
    const first = await client.block.at({ address, heads, offset: 0 }, call())
    const texts = [first.text]
    for (let length = first.text.length; length < first.totalChars; ) {
      const next = await client.block.at({ address, heads, offset: length }, call())
      if (next.text === '') throw new MooringError('malformed', { detail: 'a page of the block is missing' })
      texts.push(next.text)
      length += next.text.length
    }
    const text = texts.join('')
    output.note(`${safeId(address, 256)}  generation ${first.generation}  ${first.totalChars} characters`)
    output.answer({ ...first, text }, [safeText(text)])
  },
})
