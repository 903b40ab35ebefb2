/**
 * One stream of the host protocol. Keeps true: who is not welcomed can say hello and nothing else, and every call is
 * checked against the grant as it is at that moment, never as it was when the stream was opened.
 */
import {
  type AreaRight,
  allows,
  allowsScope,
  type Channel,
  type Clock,
  type Grant,
  grantTable,
  type Handlers,
  hostProtocol,
  MooringError,
  type Op,
  type PeerId,
  serveCalls,
} from '../../protocol/index.ts'
import type { Logger } from '../log.ts'
import type { Link, Session } from './link.ts'
import type { Links } from './links.ts'

/** What every host handler gets besides its signal; both come from the connection. */
export interface HostContext {
  readonly link: Link
  /** Undefined in `session.hello`; {@link requireSession} for every other operation. */
  readonly session: Session | undefined
}

export interface HostStreamInit {
  readonly link: Link
  readonly channel: Channel
  readonly handlers: Handlers<typeof hostProtocol, HostContext>
  readonly links: Pick<Links, 'codeOf'>
  /** Counts what each peer asks. */
  readonly calls: { spend(peer: PeerId, calls: number): void }
  readonly clock: Clock
  readonly log: Logger
}

/** Serves the stream until it ends; never throws. */
export function serveHostStream(init: HostStreamInit): Promise<void> {
  const { link, log } = init
  return serveCalls<typeof hostProtocol, HostContext>({
    protocol: hostProtocol,
    handlers: init.handlers,
    channel: init.channel,
    clock: init.clock,
    context: {
      link,
      // Read anew for each call: the stream of the hello is older than its session.
      get session() {
        return link.session
      },
    },
    admit: (op) => {
      if (link.reason !== undefined) throw link.reason
      if (link.state === 'lobby' && op !== 'session.hello') throw new MooringError(init.links.codeOf(link.peer))
      if (link.session !== undefined) init.calls.spend(link.peer, 1)
    },
    authorise: (_name, op, input) => authorise(link, op, input),
    onBeat: () => link.session?.beat(),
    onInternal: (error, op) => log.error({ err: error, op, peer: link.peer }, 'a host call failed'),
  })
}

/** The session of a call other than hello. @throws `hello-required` */
export function requireSession(context: HostContext): Session {
  if (context.session === undefined) throw new MooringError('hello-required')
  return context.session
}

function authorise(link: Link, op: Op, input: unknown): void {
  if (op.needs === null) return
  const { area, right } = op.needs
  const want = { area, right } as AreaRight
  const grants = link.session?.grants ?? []
  // The input has passed the schema of this very operation, which is all that the types of `scope` and `subject` ask.
  const scope = op.needs.scope?.(input as never)
  const subject = scope === undefined ? op.needs.subject?.(input as never) : `${scope}/*`
  const isAllowed =
    scope !== undefined
      ? allowsScope(grants, want, scope)
      : subject === undefined && takesPattern(want)
        ? // The handler filters its answer by grant itself; without any grant of the kind there is nothing to filter.
          grants.some((grant: Grant) => !grant.isDeny && grant.area === area && grant.right === right)
        : allows(grants, { ...want, ...(subject === undefined ? {} : { subject }) })
  if (isAllowed) return
  throw new MooringError('grant-missing', {
    detail: [area, right, ...(subject === undefined ? [] : [subject])].join(':'),
  })
}

function takesPattern({ area, right }: AreaRight): boolean {
  const rights: Record<string, { readonly form: string }> = Object.hasOwn(grantTable, area) ? grantTable[area] : {}
  return Object.hasOwn(rights, right) && rights[right]?.form !== 'none'
}
