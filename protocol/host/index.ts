/** Everything a plugin may ask of the daemon. To add an area: its file beside this one, and its line here. */
import { type Client, defineProtocol } from '../define.ts'
import { archiveOps } from './archive.ts'
import { blockOps } from './blocks.ts'
import { daemonOps } from './daemon.ts'
import { editOps } from './edits.ts'
import { historyOps } from './history.ts'
import { searchOps } from './search.ts'
import { sessionOps } from './session.ts'

/** The version both sides name in `session.hello`. */
export const hostVersion = '1.0.0'

export const hostProtocol = defineProtocol({
  id: `/mooring/host/${hostVersion}`,
  dialledBy: 'plugin',
  ops: { ...sessionOps, ...daemonOps, ...blockOps, ...editOps, ...historyOps, ...archiveOps, ...searchOps },
})

export type HostClient = Client<typeof hostProtocol>
