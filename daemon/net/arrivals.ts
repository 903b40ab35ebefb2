/**
 * Log lines about plugins that come and go. Keeps true: a plugin that reconnects all the time fills no log; what it does
 * beyond its share is logged where only somebody who looks for it sees it.
 */
import type { Clock } from '../../protocol/index.ts'
import { LineShares } from '../line-shares.ts'
import type { Logger } from '../log.ts'
import type { Session } from './link.ts'
import type { Links } from './links.ts'

/** Of one plugin: more than any that works makes, also while its network comes and goes. */
const linesPerMinute = 20

export interface ArrivalsInit {
  readonly links: Pick<Links, 'onWelcome' | 'onEnd'>
  readonly clock: Clock
  readonly log: Logger
}

/** Logs from now on, for as long as the links live. */
export function logArrivals({ links, clock, log }: ArrivalsInit): void {
  const shares = new LineShares(clock, linesPerMinute)
  const write = (session: Session, fields: object, message: string): void => {
    const { peer, name, link } = session
    log[shares.take(peer) ? 'info' : 'debug']({ peer, name, from: link.from, ...fields }, message)
  }
  links.onWelcome((session) => write(session, { version: session.version }, 'a plugin connected'))
  links.onEnd(({ session, reason }) => {
    if (session !== undefined) write(session, { code: reason?.code }, 'a plugin disconnected')
  })
}
