/** Every operation of the host protocol; a missing one does not compile. */
import type { Handlers, hostProtocol } from '../../../protocol/index.ts'
import type { HostContext } from '../../net/host-stream.ts'
import { archiveHandlers } from './archive.ts'
import { blockHandlers } from './blocks.ts'
import type { HostComponents } from './context.ts'
import { daemonHandlers } from './daemon.ts'
import { editHandlers } from './edits.ts'
import { historyHandlers } from './history.ts'
import { Renderings } from './renderings.ts'
import { searchHandlers } from './search.ts'
import { sessionHandlers } from './session.ts'

export function hostHandlers(components: HostComponents): Handlers<typeof hostProtocol, HostContext> {
  const shared = { ...components, renderings: new Renderings() }
  return {
    ...sessionHandlers(components),
    ...daemonHandlers(components),
    ...blockHandlers(shared),
    ...editHandlers(shared),
    ...historyHandlers(shared),
    ...archiveHandlers(components),
    ...searchHandlers(components),
  }
}
