/** Blocks for plugins without a replica: only what the caller may read, and nothing about the rest. */
import type { Handlers, hostProtocol } from '../../../protocol/index.ts'
import { type HostContext, requireSession } from '../../net/host-stream.ts'
import { listReader } from '../list-reader.ts'
import type { HostComponents, HostShared } from './context.ts'

type BlockHandlers = Pick<
  Handlers<typeof hostProtocol, HostContext>,
  'block.list' | 'block.get' | 'block.updateMetadata'
>

export function blockHandlers({ blocks, renderings }: HostComponents & HostShared): BlockHandlers {
  return {
    'block.list'({ after, limit }, context) {
      const { grants } = requireSession(context)
      return blocks.list({ after, limit }, listReader(grants))
    },
    'block.get': ({ address, offset }, context) =>
      renderings.run(requireSession(context).peer, 'block.get', () => blocks.show(address, offset)),
    async 'block.updateMetadata'({ address, patch }, context) {
      const { grantVersion, peer, replica } = requireSession(context)
      await blocks.describe(address, patch, { origin: { peer, replica }, grantVersion })
      return {}
    },
  }
}
