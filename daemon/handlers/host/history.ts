/** The history of blocks for plugins; it is read from the same worker as texts, and counts as such. */
import type { Handlers, hostProtocol } from '../../../protocol/index.ts'
import { type HostContext, requireSession } from '../../net/host-stream.ts'
import type { HostComponents, HostShared } from './context.ts'

type HistoryHandlers = Pick<
  Handlers<typeof hostProtocol, HostContext>,
  'block.history' | 'block.at' | 'block.diff' | 'block.blame'
>

export const historyHandlers = ({ history, renderings }: HostComponents & HostShared): HistoryHandlers => ({
  'block.history': ({ address, before, limit }, context) =>
    renderings.run(requireSession(context).peer, 'block.history', () => history.groups(address, { before, limit })),
  'block.at': ({ address, heads, offset }, context) =>
    renderings.run(requireSession(context).peer, 'block.at', () => history.at(address, { heads, offset })),
  'block.diff': ({ address, from, to }, context) =>
    renderings.run(requireSession(context).peer, 'block.diff', () => history.diff(address, { from, to })),
  'block.blame': ({ address, path, offset }, context) =>
    renderings.run(requireSession(context).peer, 'block.blame', () => history.blame(address, { path, offset })),
})
