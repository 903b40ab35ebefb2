/** Edits for plugins without a replica. */
import { allows, type Handlers, type hostProtocol, MooringError } from '../../../protocol/index.ts'
import { type HostContext, requireSession } from '../../net/host-stream.ts'
import type { HostComponents, HostShared } from './context.ts'

type EditHandlers = Pick<Handlers<typeof hostProtocol, HostContext>, 'block.create' | 'block.edit'>

export const editHandlers = ({ blockEdits, renderings }: HostComponents & HostShared): EditHandlers => ({
  'block.create'(input, context) {
    const { grants, grantVersion, peer, replica } = requireSession(context)
    const subject = input.address
    const mayKnow = (['read', 'write', 'append'] as const).some((right) =>
      allows(grants, { area: 'blocks', right, subject }),
    )
    return blockEdits.create(input, { origin: { peer, replica }, grantVersion }, mayKnow)
  },
  async 'block.edit'(input, context) {
    const { grants, grantVersion, peer, replica } = requireSession(context)
    const subject = input.address
    if (!allows(grants, { area: 'blocks', right: 'read', subject })) {
      throw new MooringError('grant-missing', { detail: `blocks:read:${subject}` })
    }
    const isAdmin = allows(grants, { area: 'blocks', right: 'admin', subject })
    const by = { origin: { peer, replica }, grantVersion }
    return renderings.run(peer, 'block.edit', () => blockEdits.edit(input, by, isAdmin))
  },
})
