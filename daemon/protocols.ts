/**
 * Who serves each protocol that a plugin may dial. Keeps true: the table of protocols is the list; one that nobody serves
 * does not compile.
 */
import type { Clock, Handlers, hostProtocol } from '../protocol/index.ts'
import { limits, type PluginProtocolName, pluginProtocolNames, pluginProtocols } from '../protocol/index.ts'
import type { Approvals } from './approvals/approvals.ts'
import type { ChangeLog } from './log/change-log.ts'
import { serveSync } from './log/conversation.ts'
import { Rates } from './log/rates.ts'
import type { Verification } from './log/verification.ts'
import type { Log } from './log.ts'
import { type HostContext, serveHostStream } from './net/host-stream.ts'
import type { Links } from './net/links.ts'
import type { ProtocolBinding } from './net/node.ts'

export interface ProtocolComponents {
  readonly approvals: Approvals
  readonly changeLog: ChangeLog
  readonly clock: Clock
  readonly handlers: Handlers<typeof hostProtocol, HostContext>
  readonly links: Links
  readonly log: Log
  readonly verification: Verification
}

type Servers = { readonly [Name in PluginProtocolName]: ProtocolBinding['serve'] }

export function protocolBindings(components: ProtocolComponents): ProtocolBinding[] {
  const { approvals, changeLog, clock, handlers, links, log, verification } = components
  const hostLog = log.sub('host')
  const syncLog = log.sub('sync')
  const calls = new Rates(clock, limits.maxCallsPerPeerSecond, 'maxCallsPerPeerSecond')
  const servers: Servers = {
    host: ({ link, channel }) => serveHostStream({ link, channel, handlers, links, calls, clock, log: hostLog }),
    sync: async ({ session, channel }) => {
      if (session === undefined) return
      await serveSync(changeLog, {
        channel,
        peer: session.peer,
        replica: session.replica,
        signal: session.signal,
        log: syncLog,
        grants: () => session,
        onPoison: (block) => verification.soon(block, 0),
        onGranted: (listener) =>
          approvals.onDecision(session.peer, (event) => {
            if (event.kind === 'granted' || event.kind === 'approved') listener()
          }),
      })
    },
  }
  return pluginProtocolNames.map((name) => ({
    id: pluginProtocols[name].id,
    kind: pluginProtocols[name].kind,
    serve: servers[name],
  }))
}
