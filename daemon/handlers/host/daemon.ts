/** Small things: an echo, and the forwarded log lines of plugins. */
import { type Handlers, type hostProtocol, limits, MooringError } from '../../../protocol/index.ts'
import type { Logger } from '../../log.ts'
import { type HostContext, requireSession } from '../../net/host-stream.ts'
import type { Session } from '../../net/link.ts'
import type { HostComponents } from './context.ts'

type DaemonHandlers = Pick<Handlers<typeof hostProtocol, HostContext>, 'daemon.echo' | 'log.write'>

interface Forwarding {
  readonly logger: Logger
  lines: number
  windowMs: number
}

export function daemonHandlers({ clock, log }: HostComponents): DaemonHandlers {
  const forwarding = new WeakMap<Session, Forwarding>()
  return {
    'daemon.echo': ({ text }) => ({ text }),

    'log.write'({ level, text }, context) {
      const session = requireSession(context)
      const nowMs = clock.monotonicMs()
      let state = forwarding.get(session)
      if (state === undefined) {
        state = { logger: log.plugin(session.name, session.peer), lines: 0, windowMs: nowMs }
        forwarding.set(session, state)
      }
      if (nowMs - state.windowMs >= 1_000) {
        state.lines = 0
        state.windowMs = nowMs
      }
      if (++state.lines > limits.maxLogLinesPerSecond) {
        throw new MooringError('rate-limited', { detail: 'maxLogLinesPerSecond', retryAfterMs: 1_000 })
      }
      state.logger[level]({}, text)
      return {}
    },
  }
}
