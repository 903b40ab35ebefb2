/** The history of blocks as the operator sees it. */
import type { historyOps } from '../../../protocol/control/history.ts'
import type { controlProtocol, Handlers } from '../../../protocol/index.ts'
import type { ControlComponents } from './context.ts'

type HistoryHandlers = Pick<Handlers<typeof controlProtocol, object>, keyof typeof historyOps>

export const historyHandlers = ({ approvals, history, undo }: ControlComponents): HistoryHandlers => ({
  'block.history': ({ address, before, limit }) => history.groups(address, { before, limit }),
  'block.at': ({ address, heads, offset }) => history.at(address, { heads, offset }),
  'block.diff': ({ address, from, to }) => history.diff(address, { from, to }),
  'block.blame': ({ address, path, offset }) => history.blame(address, { path, offset }),
  'block.history-depth': ({ address, who }) => undo.depth(address, approvals.find(who).peer),
  'block.undo': ({ address, who }) => undo.take('undo', address, approvals.find(who).peer),
  'block.redo': ({ address, who }) => undo.take('redo', address, approvals.find(who).peer),
})
