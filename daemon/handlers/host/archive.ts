/** The archive for plugins: rights over a scope as a whole, and nothing about what the caller may not read. */
import { allowsScope, type Handlers, type hostProtocol, MooringError, type Scope } from '../../../protocol/index.ts'
import { type HostContext, requireSession } from '../../net/host-stream.ts'
import type { Session } from '../../net/link.ts'
import { archiveCardOf } from '../archive-cards.ts'
import type { HostComponents } from './context.ts'

type ArchiveHandlers = Pick<
  Handlers<typeof hostProtocol, HostContext>,
  'archive.insert' | 'archive.get' | 'archive.list' | 'archive.delete'
>

export function archiveHandlers({ archive }: HostComponents): ArchiveHandlers {
  return {
    async 'archive.insert'(entry, context) {
      const { id, createdAtMs } = await archive.insert(requireSession(context), entry)
      return { id, createdAtMs }
    },
    async 'archive.get'({ id }, context) {
      const session = requireSession(context)
      const { metadata, ...row } = await archive.get(id, ({ scope }) => may(session, 'read', scope))
      return { ...row, metadata: { ...metadata } }
    },
    async 'archive.list'({ scope, ...page }) {
      const { rows, more } = await archive.list(scope, page)
      return { entries: rows.map(archiveCardOf), more }
    },
    async 'archive.delete'({ id }, context) {
      const session = requireSession(context)
      const row = await archive.get(
        id,
        ({ scope, owner }) => owner === session.peer || may(session, 'read', scope) || may(session, 'admin', scope),
      )
      const right = row.owner === session.peer && !may(session, 'admin', row.scope) ? 'create' : 'admin'
      if (!may(session, right, row.scope)) {
        throw new MooringError('grant-missing', { detail: `blocks:${right}:${row.scope}/*` })
      }
      await archive.remove(session, id)
      return {}
    },
  }
}

type Right = 'read' | 'create' | 'admin'

const may = ({ grants }: Session, right: Right, scope: Scope): boolean =>
  allowsScope(grants, { area: 'blocks', right }, scope)
