/** How a state of a block is named on the command line, and how an author is shown. */
import { z } from 'zod'
import {
  type BlockAddress,
  type ChangeHash,
  type ControlClient,
  isChangeHash,
  limits,
  MooringError,
  type PeerId,
} from '../../protocol/index.ts'
import { keyOf, safeId } from './sanitize.ts'

/** Pages of the history that are searched for the beginning of a hash. */
const maxPages = 40

/** Some digits of a change as `moor block history` shows it, or all heads of a state, with commas between them. */
export const stateName = z
  .string()
  .regex(/^(?:[0-9a-f]{8,64}|[0-9a-f]{64}(?:,[0-9a-f]{64})+)$/, 'must be a change as moor block history shows it')
  .refine((text) => text.split(',').length <= limits.maxHeadsNamed, `names at most ${limits.maxHeadsNamed} heads`)

export const stateArg = 'a change, as moor block history shows it: the block right behind it'

type Call = Parameters<ControlClient['block']['history']>[1]

/** @throws `no-such-change` when none of the changes searched begins so */
export async function headsOf(
  client: ControlClient,
  address: BlockAddress,
  name: string,
  call: () => Call,
): Promise<ChangeHash[]> {
  const parts = name.split(',')
  if (parts.every(isChangeHash)) return parts
  let before: ChangeHash | undefined
  for (let page = 0; page < maxPages; page++) {
    const asked = { address, limit: 50, ...(before === undefined ? {} : { before }) }
    const { groups, more } = await client.block.history(asked, call())
    const group = groups.find(({ last }) => last.startsWith(name))
    // Where too many stood side by side to be named, the change stands for what it builds on.
    if (group !== undefined) return group.heads.length > 0 ? group.heads : [group.last]
    before = groups.at(-1)?.first
    if (!more || before === undefined) break
  }
  throw new MooringError('no-such-change', { detail: `none that was searched ends a group and begins with ${name}` })
}

/** Who wrote something, for people. */
export function authorOf({
  isVouched,
  name,
  peer,
}: {
  readonly isVouched: boolean
  readonly name: string
  readonly peer?: PeerId | undefined
}): string {
  if (peer === undefined) return 'a key that is not known here'
  const author = name === '' ? keyOf(peer) : `${safeId(name, 64)} (${keyOf(peer)})`
  return isVouched ? `${author}, by the daemon's word` : author
}
