/** Blocks for plugins without a replica: only what the caller may read, and nothing about the rest. */
import { allows, type Handlers, type hostProtocol } from '../../../protocol/index.ts'
import { type HostContext, requireSession } from '../../net/host-stream.ts'
import type { HostComponents } from './context.ts'

type BlockHandlers = Pick<Handlers<typeof hostProtocol, HostContext>, 'block.list' | 'block.get'>

export function blockHandlers({ blocks }: HostComponents): BlockHandlers {
  return {
    'block.list'({ after, limit }, context) {
      const { grants } = requireSession(context)
      return blocks.list({ after, limit }, ({ address }) =>
        allows(grants, { area: 'blocks', right: 'read', subject: address }),
      )
    },
    'block.get': ({ address, offset }) => blocks.show(address, offset),
  }
}
