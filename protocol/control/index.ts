/** What the command line asks of the daemon, over a local socket that only the operator can open. One file for each area. */
import { type Client, defineProtocol } from '../define.ts'
import { archiveOps } from './archive.ts'
import { blockOps } from './blocks.ts'
import { daemonOps } from './daemon.ts'
import { editOps } from './edits.ts'
import { historyOps } from './history.ts'
import { peerOps } from './peers.ts'
import { quarantineOps } from './quarantine.ts'
import { requestOps } from './requests.ts'
import { searchOps } from './search.ts'

export const controlProtocol = defineProtocol({
  id: '/mooring/control/1.0.0',
  dialledBy: 'operator',
  ops: {
    ...daemonOps,
    ...requestOps,
    ...peerOps,
    ...blockOps,
    ...editOps,
    ...historyOps,
    ...quarantineOps,
    ...archiveOps,
    ...searchOps,
  },
})

export type ControlClient = Client<typeof controlProtocol>
export type RequestCard = Awaited<ReturnType<ControlClient['request']['get']>>
export type PeerCard = Awaited<ReturnType<ControlClient['peer']['revoke']>>
export type QuarantinedCard = Awaited<ReturnType<ControlClient['quarantine']['list']>>['changes'][number]
export type StatusCard = Awaited<ReturnType<ControlClient['daemon']['status']>>
