/** Who enters: a hello is answered with what holds now, and again each time that changes, until the connection ends. */
import type { Handlers, hostProtocol } from '../../../protocol/index.ts'
import { fingerprintWords, hostVersion, MooringError } from '../../../protocol/index.ts'
import type { DecisionEvent } from '../../approvals/approvals.ts'
import { type HostContext, requireSession } from '../../net/host-stream.ts'
import type { Link } from '../../net/link.ts'
import type { RequestRow } from '../../storage/storage.ts'
import type { HostComponents } from './context.ts'

type SessionHandlers = Pick<Handlers<typeof hostProtocol, HostContext>, 'session.hello' | 'session.self'>

export function sessionHandlers(components: HostComponents): SessionHandlers {
  const { approvals, links, self } = components
  return {
    async *'session.hello'(input, { link, signal }) {
      if (!input.versions.includes(hostVersion)) {
        throw new MooringError('version-mismatch', { detail: `this daemon speaks ${hostVersion}` })
      }
      if (link.state !== 'lobby') throw new MooringError('wrong-state', { detail: 'hello comes once' })
      links.hear(link)
      const { manifest, replica, instance, invite } = input
      const { peer, from } = link
      // Listening begins before the question: a decision made in between must not be missed.
      const decisions = new DecisionQueue(signal, link)
      const stop = approvals.onDecision(peer, (event) => decisions.push(event))
      try {
        const answer = await approvals.hello({ peer, manifest, from, ...(invite === undefined ? {} : { invite }) })
        if (answer.state === 'pending') {
          links.park(link)
          yield { state: 'pending' as const, ...pendingOf(answer.request) }
          const decided = await approvalOf(decisions, answer.request.code)
          if (!decided) return
        }
        // Asked for now: what was answered may have been cut since.
        const grant = approvals.grantOf(peer)
        if (grant === undefined) throw new MooringError(links.codeOf(peer))
        const version = manifest.version
        const session = links.welcome(link, { replica, instance, name: grant.name, version })
        yield {
          state: 'welcome' as const,
          session: session.id,
          daemon: self,
          name: grant.name,
          grants: [...grant.texts],
          grantVersion: grant.grantVersion,
          version: hostVersion,
          ...(answer.state === 'approved' && answer.request !== undefined
            ? { request: pendingOf(answer.request) }
            : {}),
        }
        let toldVersion = grant.grantVersion
        for (;;) {
          const event = await decisions.next()
          if (event === undefined) return
          // An invite is claimed while the queue already listens: the welcome has told of that decision.
          if ((event.kind === 'granted' || event.kind === 'approved') && event.grant.grantVersion > toldVersion) {
            toldVersion = event.grant.grantVersion
            yield { state: 'granted' as const, grants: [...event.grant.texts], grantVersion: event.grant.grantVersion }
          }
          // A revocation or a narrowing ends the connection itself; the rest concerns requests for more.
        }
      } finally {
        stop()
      }
    },

    'session.self'(_input, context) {
      const { peer, name } = requireSession(context)
      const grant = approvals.grantOf(peer)
      if (grant === undefined) throw new MooringError('revoked')
      return { peer, name, grants: [...grant.texts], grantVersion: grant.grantVersion, daemon: self }
    },
  }
}

/** Waits until a request is approved: false when the caller is gone. @throws the code of any other end of the request */
async function approvalOf(decisions: DecisionQueue, code: string): Promise<boolean> {
  for (;;) {
    const event = await decisions.next()
    if (event === undefined) return false
    if (!('code' in event)) return true
    if ('request' in event && event.request !== code) continue
    const retryAfterMs = 'retryAfterMs' in event ? event.retryAfterMs : undefined
    throw new MooringError(event.code, retryAfterMs === undefined ? {} : { retryAfterMs })
  }
}

const pendingOf = (request: RequestRow) => ({
  code: request.code,
  words: fingerprintWords(request.peer),
  expiresAtMs: request.expiresAtMs,
})

/** Decisions in order, until the caller is gone. A link that was ended from this side says why. */
class DecisionQueue {
  readonly #signal: AbortSignal
  readonly #link: Link
  readonly #events: DecisionEvent[] = []
  #wake: (() => void) | undefined

  constructor(signal: AbortSignal, link: Link) {
    this.#signal = signal
    this.#link = link
    for (const end of [signal, link.signal]) end.addEventListener('abort', () => this.#wake?.(), { once: true })
  }

  push(event: DecisionEvent): void {
    this.#events.push(event)
    this.#wake?.()
  }

  /** @throws why the link was ended */
  async next(): Promise<DecisionEvent | undefined> {
    for (;;) {
      const event = this.#events.shift()
      if (event !== undefined) return event
      if (this.#signal.aborted) return undefined
      if (this.#link.reason !== undefined) throw this.#link.reason
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}
