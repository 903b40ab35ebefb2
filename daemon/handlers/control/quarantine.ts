/** What was set aside, for the operator to look at, keep elsewhere, or take back in. */
import { type controlProtocol, type Handlers, MooringError, type QuarantinedCard } from '../../../protocol/index.ts'
import type { QuarantineRow } from '../../storage/storage.ts'
import type { ControlComponents } from './context.ts'

type QuarantineHandlers = Pick<
  Handlers<typeof controlProtocol, object>,
  'quarantine.list' | 'quarantine.export' | 'quarantine.release'
>

export function quarantineHandlers({ approvals, log, verification }: ControlComponents): QuarantineHandlers {
  const cardOf = (row: QuarantineRow): QuarantinedCard[] => {
    const block = log.index.byId(row.block)
    if (block === undefined) return []
    const { hash, seq, peer, reason, cause, atMs } = row
    const name = approvals.peers().find((known) => known.peer === peer)?.name ?? ''
    return [{ hash, address: block.address, seq, peer, name, reason, ...(cause === undefined ? {} : { cause }), atMs }]
  }
  const find = (prefix: string): QuarantineRow => {
    const [row, another] = log.quarantine.rows().filter(({ hash }) => hash.startsWith(prefix))
    if (row === undefined) throw new MooringError('change-not-found')
    if (another !== undefined) throw new MooringError('change-not-found', { detail: 'more than one begins like this' })
    return row
  }
  return {
    'quarantine.list'({ after, limit }) {
      const rows = log.quarantine.rows().filter(({ seq }) => seq > after)
      return { changes: rows.slice(0, limit).flatMap(cardOf), more: rows.length > limit }
    },
    async 'quarantine.export'({ change }) {
      const row = find(change)
      const [card] = cardOf(row)
      if (card === undefined) throw new MooringError('change-not-found')
      return { change: card, bytes: await log.quarantinedBytes(row) }
    },
    async 'quarantine.release'({ change }) {
      const { block, hash } = find(change)
      const released = await log.release(block, hash)
      verification.next(block)
      return { changes: released.map((row) => row.hash) }
    },
  }
}
