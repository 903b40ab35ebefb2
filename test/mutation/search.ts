/** What keeps a search from finding what the caller may not read, and from missing what the caller was told is durable. */
import type { Mutation } from './gate.ts'

const search = 'test/network/search.test.ts'

export const searchMutations: readonly Mutation[] = [
  {
    name: 'search-rights',
    promise: 'a search finds nothing that the caller may not read',
    edits: [{ file: 'daemon/search/search.ts', find: ' || !caller.mayReadBlock(row)', replace: '' }],
    tests: [{ file: search, title: 'neither finds nor counts what the caller may not read, whatever the query says' }],
  },
  {
    name: 'search-quoting',
    promise: 'what is typed into a search is never an expression',
    edits: [
      {
        file: 'daemon/storage/sqlite-search-thread.ts',
        find: `\`"\${term.replaceAll('"', '""')}"\``,
        replace: 'term',
      },
    ],
    tests: [{ file: 'test/unit/daemon/search/query.test.ts', title: 'never meets an expression in what was typed' }],
  },
  {
    name: 'search-own-writes',
    promise: 'a search has what its caller was told is durable',
    edits: [
      { file: 'daemon/search/search.ts', find: "kinds.includes('block') && isAsked", replace: 'false && isAsked' },
    ],
    tests: [
      {
        file: search,
        title: 'says index-behind when the index does not get there in two seconds, and answers once it has',
      },
    ],
  },
  {
    name: 'search-other-store',
    promise: 'an index of another store is none',
    edits: [
      {
        file: 'daemon/search/sources.ts',
        find: 'return known !== undefined && seq <= (known.endSeq ?? published) && archive <= last',
        replace: 'return known !== null && seq <= Number.MAX_SAFE_INTEGER && archive <= Number.MAX_SAFE_INTEGER',
      },
    ],
    tests: [{ file: search, title: 'begins anew when the file is damaged, and when it is of another store' }],
  },
  {
    name: 'archive-rights',
    promise: 'an entry of the archive is shown to nobody who may not read its scope',
    edits: [
      {
        file: 'daemon/handlers/host/archive.ts',
        find: "archive.get(id, ({ scope }) => may(session, 'read', scope))",
        replace: 'archive.get(id, () => session !== undefined)',
      },
    ],
    tests: [
      {
        file: 'test/unit/daemon/archive/archive.test.ts',
        title: 'shows nothing, and no difference to nothing, without the right to read all of the scope',
      },
    ],
  },
]
