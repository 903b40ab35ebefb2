/** `moor block show`: one block as text. Keeps true: the text is of one state of the block, never torn between two. */
import { z } from 'zod'
import { type BlockAddress, type ControlClient, controlProtocol, MooringError } from '../../protocol/index.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { safeId, safeLine, safeText } from './sanitize.ts'

const page = controlProtocol.ops['block.show'].output
type Page = z.output<typeof page>

/** A block that changes while it is read is read again, so often. */
const attempts = 5

export const blockShow = defineCommand({
  name: 'block show',
  summary: 'Show the content of a block',
  args: [{ name: 'address', summary: 'scope and label, such as space:home/notes' }],
  options: [],
  examples: ['moor block show space:home/notes', 'moor block show agent:scout/diary --json'],
  input: z.object({ address: controlProtocol.ops['block.show'].input.shape.address }),
  // The pages are joined here, so the bound of one page does not hold.
  data: page.extend({ text: z.string() }),
  async run(context, { address }) {
    const block = await readWhole(await context.connect(), address, context)
    context.output.note(
      `${safeId(block.address, 256)}  ${safeId(block.schema, 64)}  generation ${block.generation}  ${block.totalChars} characters`,
    )
    for (const { path, problem } of block.problems) {
      context.output.note(`not as its schema says: ${safeLine(path, 256)} ${safeLine(problem, 100)}`)
    }
    context.output.answer(block, [safeText(block.text)])
  },
})

async function readWhole(client: ControlClient, address: BlockAddress, context: CommandContext<Page>): Promise<Page> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const first = await client.block.show({ address, offset: 0 }, context.call())
    const texts = [first.text]
    let length = first.text.length
    let isSame = true
    while (isSame && length < first.totalChars) {
      const next = await client.block.show({ address, offset: length }, context.call())
      isSame = next.heads.join() === first.heads.join() && next.generation === first.generation
      if (isSame && next.text === '') throw new MooringError('malformed', { detail: 'a page of the block is missing' })
      texts.push(next.text)
      length += next.text.length
    }
    if (isSame) return { ...first, text: texts.join('') }
  }
  throw new MooringError('wrong-state', { detail: 'the block changes faster than it can be read; try again' })
}
