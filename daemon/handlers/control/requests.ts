/** Requests for approval, and invites. */
import { type controlProtocol, formatTicket, type Handlers } from '../../../protocol/index.ts'
import type { ControlComponents } from './context.ts'
import { pageOf } from './page.ts'
import { peerCard } from './peers.ts'

type RequestHandlers = Pick<
  Handlers<typeof controlProtocol, object>,
  'request.list' | 'request.get' | 'request.approve' | 'request.deny' | 'invite.create'
>

export function requestHandlers(components: ControlComponents): RequestHandlers {
  const { approvals, daemon } = components
  return {
    'request.list'(paging) {
      const { page, more } = pageOf(approvals.requests(), (card) => card.code, paging)
      return { requests: page, more }
    },
    'request.get': ({ code }) => approvals.request(code),
    async 'request.approve'({ code, digest, grants, name }) {
      const row = await approvals.approve({
        code,
        digest,
        ...(grants === undefined ? {} : { grants }),
        ...(name === undefined ? {} : { name }),
      })
      return peerCard(row, components)
    },
    async 'request.deny'({ code }) {
      const card = approvals.request(code)
      const row = await approvals.deny(code)
      return { ...card, state: row.state }
    },
    async 'invite.create'({ grants, name, ttlMs }) {
      const { secret, row } = await approvals.invite({ grants, ttlMs, ...(name === undefined ? {} : { name }) })
      const ticket = formatTicket({ daemon: daemon.peer, addresses: daemon.addresses(), invite: secret })
      return { ticket, expiresAtMs: row.expiresAtMs, grants: [...row.grants] }
    },
  }
}
