/** Keys that were decided about. */
import {
  type controlProtocol,
  fingerprintWords,
  type Handlers,
  MooringError,
  type PeerCard,
} from '../../../protocol/index.ts'
import type { PeerRow } from '../../storage/storage.ts'
import type { ControlComponents } from './context.ts'
import { pageOf } from './page.ts'

type PeerHandlers = Pick<
  Handlers<typeof controlProtocol, object>,
  'peer.list' | 'peer.revoke' | 'peer.narrow' | 'peer.release' | 'peer.wait'
>

export function peerHandlers(components: ControlComponents): PeerHandlers {
  const { approvals, links, log } = components
  const isLive = (who: string): PeerRow | undefined => {
    const row = approvals
      .peers()
      .find((peer) => peer.name === who || peer.peer === who || fingerprintWords(peer.peer) === who)
    return row !== undefined && links.live(row.peer).length > 0 ? row : undefined
  }
  return {
    'peer.list'(paging) {
      const { page, more } = pageOf(approvals.peers(), (row) => row.peer, paging)
      return { peers: page.map((row) => peerCard(row, components)), more }
    },
    'peer.revoke': async ({ who }) => peerCard(await approvals.revoke(who), components),
    'peer.narrow': async ({ who, grants }) => peerCard(await approvals.narrow(who, grants), components),
    async 'peer.release'({ who }) {
      const row = approvals.find(who)
      if (log.quarantine.suspension(row.peer) === undefined) {
        throw new MooringError('wrong-state', { detail: 'the plugin is not suspended' })
      }
      await log.unsuspend(row.peer)
      return peerCard(row, components)
    },
    async 'peer.wait'({ who }, { signal }) {
      for (;;) {
        const row = isLive(who)
        if (row !== undefined) return peerCard(row, components)
        signal.throwIfAborted()
        await new Promise<void>((resolve) => {
          const finish = (): void => {
            stop()
            signal.removeEventListener('abort', finish)
            resolve()
          }
          const stop = links.onWelcome(finish)
          signal.addEventListener('abort', finish, { once: true })
        })
      }
    },
  }
}

export function peerCard(
  row: PeerRow,
  { links, clock, log }: Pick<ControlComponents, 'links' | 'clock' | 'log'>,
): PeerCard {
  const monotonicToWallMs = clock.nowMs() - clock.monotonicMs()
  const suspension = log.quarantine.suspension(row.peer)
  return {
    peer: row.peer,
    words: fingerprintWords(row.peer),
    name: row.name,
    state: row.state,
    grants: [...row.grants],
    grantVersion: row.grantVersion,
    ...(suspension === undefined ? {} : { suspended: suspension.reason }),
    sessions: links.live(row.peer).map((session) => ({
      from: session.link.from,
      sinceMs: Math.round(monotonicToWallMs + session.sinceMs),
      version: session.version,
    })),
    decidedAtMs: row.decidedAtMs,
  }
}
