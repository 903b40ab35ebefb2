/** Every operation of the control protocol. The caller is the operator: the socket has checked that. */
import type { ControlHandlers } from '../../net/control-socket.ts'
import { archiveHandlers } from './archive.ts'
import { blockHandlers } from './blocks.ts'
import type { ControlComponents } from './context.ts'
import { daemonHandlers } from './daemon.ts'
import { editHandlers } from './edits.ts'
import { historyHandlers } from './history.ts'
import { peerHandlers } from './peers.ts'
import { quarantineHandlers } from './quarantine.ts'
import { requestHandlers } from './requests.ts'
import { searchHandlers } from './search.ts'

export const controlHandlers = (components: ControlComponents): ControlHandlers => ({
  ...daemonHandlers(components),
  ...requestHandlers(components),
  ...peerHandlers(components),
  ...blockHandlers(components),
  ...editHandlers(components),
  ...historyHandlers(components),
  ...quarantineHandlers(components),
  ...archiveHandlers(components),
  ...searchHandlers(components),
})
