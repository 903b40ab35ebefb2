/** Blocks for plugins without a replica: only what the caller may read, and nothing about the rest. */
import { allows, type Handlers, type hostProtocol, MooringError, type PeerId } from '../../../protocol/index.ts'
import { type HostContext, requireSession } from '../../net/host-stream.ts'
import type { HostComponents } from './context.ts'

type BlockHandlers = Pick<
  Handlers<typeof hostProtocol, HostContext>,
  'block.list' | 'block.get' | 'block.updateMetadata'
>

/**
 * Texts that are made for one key at a time. There is one worker for everyone, first come first served, and a call that
 * was given up is still worked on: counted here is the work, not the calls.
 */
const maxRenderings = 4

export function blockHandlers({ blocks }: HostComponents): BlockHandlers {
  const renderings = new Map<PeerId, number>()
  return {
    'block.list'({ after, limit }, context) {
      const { grants } = requireSession(context)
      return blocks.list({ after, limit }, ({ address }) =>
        allows(grants, { area: 'blocks', right: 'read', subject: address }),
      )
    },
    async 'block.get'({ address, offset }, context) {
      const { peer } = requireSession(context)
      const running = renderings.get(peer) ?? 0
      if (running >= maxRenderings) throw new MooringError('too-many-calls', { detail: 'block.get' })
      renderings.set(peer, running + 1)
      try {
        return await blocks.show(address, offset)
      } finally {
        const left = (renderings.get(peer) ?? 1) - 1
        if (left > 0) renderings.set(peer, left)
        else renderings.delete(peer)
      }
    },
    async 'block.updateMetadata'({ address, patch }, context) {
      const { grantVersion, peer, replica } = requireSession(context)
      await blocks.describe(address, patch, { origin: { peer, replica }, grantVersion })
      return {}
    },
  }
}
