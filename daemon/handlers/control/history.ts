/** The history of blocks as the operator sees it. */
import type { controlProtocol, Handlers } from '../../../protocol/index.ts'
import type { ControlComponents } from './context.ts'

type HistoryHandlers = Pick<
  Handlers<typeof controlProtocol, object>,
  'block.history' | 'block.at' | 'block.diff' | 'block.blame'
>

export const historyHandlers = ({ history }: ControlComponents): HistoryHandlers => ({
  'block.history': ({ address, before, limit }) => history.groups(address, { before, limit }),
  'block.at': ({ address, heads, offset }) => history.at(address, { heads, offset }),
  'block.diff': ({ address, from, to }) => history.diff(address, { from, to }),
  'block.blame': ({ address, path, offset }) => history.blame(address, { path, offset }),
})
