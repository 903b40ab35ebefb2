/** Search for the operator, who may read everything. */
import type { controlProtocol, Handlers } from '../../../protocol/index.ts'
import type { ControlComponents } from './context.ts'

type SearchHandlers = Pick<Handlers<typeof controlProtocol, object>, 'search.query' | 'search.reindex'>

export const searchHandlers = ({ archive, search }: ControlComponents): SearchHandlers => ({
  'search.query': (input) =>
    search.query(
      { peer: archive.own.peer, areas: undefined, mayReadBlock: () => true, mayReadScope: () => true },
      input,
    ),
  'search.reindex': (_input, { signal }) => search.rebuild(signal),
})
