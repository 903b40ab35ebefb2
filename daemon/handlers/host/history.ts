/** The history of blocks for plugins; it is read from the same worker as texts, and counts as such. */

import type { historyOps } from '../../../protocol/host/history.ts'
import type { BlockAddress, Handlers, hostProtocol } from '../../../protocol/index.ts'
import { type HostContext, requireSession } from '../../net/host-stream.ts'
import type { HostComponents, HostShared } from './context.ts'

type HistoryHandlers = Pick<Handlers<typeof hostProtocol, HostContext>, keyof typeof historyOps>

export function historyHandlers({ history, renderings, undo }: HostComponents & HostShared): HistoryHandlers {
  const run = <Made>(operation: string, context: HostContext, make: () => Promise<Made>): Promise<Made> =>
    renderings.run(requireSession(context).peer, operation, make)
  const take = (kind: 'undo' | 'redo', address: BlockAddress, context: HostContext) => {
    const { grantVersion, peer, replica } = requireSession(context)
    return undo.take(kind, address, peer, { origin: { peer, replica }, grantVersion })
  }
  return {
    'block.history': ({ address, before, limit }, context) =>
      run('block.history', context, () => history.groups(address, { before, limit })),
    'block.at': ({ address, heads, offset }, context) =>
      run('block.at', context, () => history.at(address, { heads, offset })),
    'block.diff': ({ address, from, to }, context) =>
      run('block.diff', context, () => history.diff(address, { from, to })),
    'block.blame': ({ address, path, offset }, context) =>
      run('block.blame', context, () => history.blame(address, { path, offset })),
    'block.historyDepth': ({ address }, context) =>
      run('block.historyDepth', context, () => undo.depth(address, requireSession(context).peer)),
    'block.undo': ({ address }, context) => run('block.undo', context, () => take('undo', address, context)),
    'block.redo': ({ address }, context) => run('block.redo', context, () => take('redo', address, context)),
  }
}
