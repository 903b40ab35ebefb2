/** The card, and the end. */
import { type controlProtocol, fingerprintWords, type Handlers } from '../../../protocol/index.ts'
import type { ControlComponents } from './context.ts'
import { damages } from './damage.ts'

type DaemonHandlers = Pick<Handlers<typeof controlProtocol, object>, 'daemon.status' | 'daemon.stop'>

/** A card is read at a glance. */
const maxSuspensionsShown = 8
const maxDamagesShown = 8

export function daemonHandlers({ approvals, links, log, daemon, repair }: ControlComponents): DaemonHandlers {
  return {
    'daemon.status'() {
      const blocks = log.index.live()
      const suspensions = log.quarantine.suspensions()
      const damaged = damages({ approvals, repair })
      return {
        version: daemon.version,
        pid: daemon.pid,
        peer: daemon.peer,
        words: fingerprintWords(daemon.peer),
        addresses: daemon.addresses(),
        stateDir: daemon.stateDir,
        startedAtMs: daemon.startedAtMs,
        firstStart: daemon.firstStart,
        state: daemon.state,
        plugins: {
          approved: approvals.peers().filter((peer) => peer.state === 'approved').length,
          live: new Set(links.live().map((session) => session.peer)).size,
        },
        requests: approvals.requests().length,
        blocks: blocks.length,
        changes: blocks.reduce((sum, row) => sum + row.changes, 0),
        quarantined: log.quarantine.rows().length,
        suspended: suspensions.length,
        suspensions: suspensions.slice(0, maxSuspensionsShown).map(({ peer, reason }) => ({
          peer,
          name: approvals.peers().find((known) => known.peer === peer)?.name ?? '',
          reason,
        })),
        damaged: damaged.length,
        damages: damaged.slice(0, maxDamagesShown),
      }
    },
    'daemon.stop'() {
      daemon.stop()
      return {}
    },
  }
}
