/** The history of blocks as the operator sees it. */
import type { controlProtocol, Handlers } from '../../../protocol/index.ts'
import type { ControlComponents } from './context.ts'

type HistoryHandlers = Pick<Handlers<typeof controlProtocol, object>, 'block.history'>

export const historyHandlers = ({ history }: ControlComponents): HistoryHandlers => ({
  'block.history': ({ address, before, limit }) => history.groups(address, { before, limit }),
})
