/**
 * `moor compact`: folds what is verified of the blocks into their snapshots. Keeps true: nothing goes that was not counted
 * here, and a block that cannot be compacted does not keep the others from it.
 */
import { z } from 'zod'
import { type BlockAddress, type ControlClient, controlProtocol, MooringError } from '../../protocol/index.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { readPages } from './pages.ts'
import { safeId } from './sanitize.ts'
import { table } from './table.ts'

const operation = controlProtocol.ops['block.compact']

const data = z.strictObject({
  /** True: nothing was changed. */
  dryRun: z.boolean(),
  blocks: z.array(operation.output),
  /** Blocks that could not be compacted, each with why. */
  failed: z.array(z.strictObject({ address: operation.input.shape.address, code: z.string() })),
})
type Data = z.output<typeof data>

/** A long block takes seconds: it is verified, saved, loaded again, and its rows go a thousand at a time. */
const defaultTimeoutMs = 10 * 60_000

export const compact = defineCommand({
  name: 'compact',
  summary: 'Fold the old changes of a block, or of all blocks, into its snapshot',
  description:
    'The content stays what it is, and replicas that were away for long get the snapshot. It happens by itself too, once a block has many new changes.',
  args: [{ name: 'address', isOptional: true, summary: 'only this block, such as space:home/notes' }],
  options: [{ name: 'dry-run', summary: 'only say what would go' }],
  examples: ['moor compact --dry-run', 'moor compact space:home/notes --json'],
  input: z.object({ address: operation.input.shape.address.optional(), dryRun: z.literal(true).optional() }),
  data,
  async run(context: CommandContext<Data>, { address, dryRun = false }) {
    const client = await context.connect()
    const addresses = address === undefined ? await allBlocks(client, context) : [address]
    const answer: Data = { dryRun, blocks: [], failed: [] }
    for (const each of addresses) {
      try {
        const folded = await client.block.compact({ address: each, dryRun }, context.call(defaultTimeoutMs))
        if (folded.rows > 0 || address !== undefined) answer.blocks.push(folded)
      } catch (error) {
        // One block was asked for, or all are concerned: the command fails. Otherwise the others go on.
        if (address !== undefined || !(error instanceof MooringError) || !isOfBlock(error)) throw error
        answer.failed.push({ address: each, code: error.code })
      }
    }
    const rows = answer.blocks.map((each) => [safeId(each.address, 256), String(each.rows), String(each.bytes)])
    context.output.answer(answer, table(['ADDRESS', dryRun ? 'ROWS THAT WOULD GO' : 'ROWS', 'BYTES'], rows))
    for (const { address: failed, code } of answer.failed) {
      context.output.note(`${safeId(failed, 256)} stays as it is: ${code}`)
    }
    if (rows.length === 0) context.output.note('there is nothing to fold away')
  },
})

/** Deleted meanwhile, or its view cannot be made now. */
const isOfBlock = ({ code }: MooringError): boolean => code === 'block-not-found' || code === 'view-failed'

async function allBlocks(client: ControlClient, context: CommandContext<Data>): Promise<BlockAddress[]> {
  const readPage = async (after: string) => {
    const { blocks, more } = await client.block.list({ after }, context.call())
    return { rows: blocks, more }
  }
  return (await readPages(readPage, (one) => one.address)).map((one) => one.address)
}
