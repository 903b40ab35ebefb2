/** The archive for the operator, who acts as the daemon. */
import type { controlProtocol, Handlers } from '../../../protocol/index.ts'
import { archiveCardOf } from '../archive-cards.ts'
import type { ControlComponents } from './context.ts'

type ArchiveHandlers = Pick<
  Handlers<typeof controlProtocol, object>,
  'archive.insert' | 'archive.get' | 'archive.list' | 'archive.delete'
>

export function archiveHandlers({ archive }: ControlComponents): ArchiveHandlers {
  return {
    async 'archive.insert'(entry) {
      const { id, createdAtMs } = await archive.insert(archive.own, entry)
      return { id, createdAtMs }
    },
    async 'archive.get'({ id }) {
      const { metadata, ...row } = await archive.get(id, () => true)
      return { ...row, metadata: { ...metadata } }
    },
    async 'archive.list'({ scope, ...page }) {
      const { rows, more } = await archive.list(scope, page)
      return { entries: rows.map(archiveCardOf), more }
    },
    async 'archive.delete'({ id }) {
      await archive.remove(archive.own, id)
      return {}
    },
  }
}
