/** Search for plugins: only what the caller may read, and nothing about the rest. */
import { allows, allowsScope, type Grant, type Handlers, type hostProtocol } from '../../../protocol/index.ts'
import { type HostContext, requireSession } from '../../net/host-stream.ts'
import type { Session } from '../../net/link.ts'
import type { SearchAnswer, SearchCaller, SearchInput } from '../../search/search.ts'
import type { HostComponents } from './context.ts'
import { Renderings } from './renderings.ts'

type SearchHandlers = Pick<Handlers<typeof hostProtocol, HostContext>, 'search.query' | 'archive.search'>

/** Questions of one key at a time: there is one thread for everyone, and one that was given up is still worked on. */
const maxQuestions = 2

export function searchHandlers({ search }: HostComponents): SearchHandlers {
  const questions = new Renderings(maxQuestions)
  const ask = (session: Session, input: SearchInput): Promise<SearchAnswer> =>
    questions.run(session.peer, 'search.query', () => search.query(callerOf(session), input))
  return {
    'search.query': (input, context) => ask(requireSession(context), input),
    'archive.search': (input, context) => ask(requireSession(context), { ...input, kinds: ['archive'] }),
  }
}

const read = { area: 'blocks', right: 'read' } as const

/** Asked of the session for each text, so that a grant that changes on the way counts. */
const callerOf = (session: Session): SearchCaller => ({
  peer: session.peer,
  areas: areasOf(session.grants),
  mayReadBlock: ({ address }) => allows(session.grants, { ...read, subject: address }),
  mayReadScope: (scope) => allowsScope(session.grants, read, scope),
})

/** The scopes of what may be read, or all of a kind. */
const areasOf = (grants: readonly Grant[]): string[] => [
  ...new Set(
    grants
      .filter(({ area, right, isDeny }) => !isDeny && area === read.area && right === read.right)
      .map(({ pattern = '' }) => pattern.slice(0, pattern.indexOf('/'))),
  ),
]
