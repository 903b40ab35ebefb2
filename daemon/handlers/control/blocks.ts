/** Blocks as the operator sees them. */
import { type controlProtocol, type Handlers, type Infer, MooringError } from '../../../protocol/index.ts'
import type { LogGroup } from '../../log/ring.ts'
import type { ControlComponents } from './context.ts'

type BlockHandlers = Pick<
  Handlers<typeof controlProtocol, object>,
  'block.list' | 'block.show' | 'block.update-metadata' | 'block.compact' | 'block.reset-history' | 'block.watch'
>
type WatchItem = Infer<(typeof controlProtocol)['ops']['block.watch']['item']>

/** Lines kept for a terminal that reads slowly. */
const maxWaitingLines = 1_000

export function blockHandlers({
  approvals,
  blocks,
  clock,
  compaction,
  historyReset,
  log,
}: ControlComponents): BlockHandlers {
  return {
    'block.list': ({ after, limit }) => blocks.list({ after, limit }),
    'block.show': ({ address, offset }) => blocks.show(address, offset),
    async 'block.compact'({ address, dryRun }) {
      const row = blocks.find(address)
      return { address, ...(dryRun ? await compaction.foldable(row) : await compaction.compact(row.id)) }
    },
    async 'block.update-metadata'({ address, patch }) {
      return { address, meta: await blocks.describe(address, patch) }
    },
    async 'block.reset-history'({ address }) {
      const old = blocks.find(address)
      const made = await historyReset.reset(address)
      return { address, generation: made.generation, changes: made.changes, before: old.changes }
    },
    async *'block.watch'({ address }, { signal }) {
      const { id } = blocks.find(address)
      const waiting: WatchItem[] = []
      let isLagging = false
      let wake: (() => void) | undefined
      const toItem = (group: LogGroup): WatchItem => ({
        seq: group.lastSeq,
        changes: group.items.length,
        bytes: group.bytes,
        peer: group.origin.peer,
        name: approvals.grantOf(group.origin.peer)?.name ?? '',
        atMs: clock.nowMs(),
      })
      const stop = log.onPublish((groups) => {
        for (const group of groups) if (group.block === id) waiting.push(toItem(group))
        isLagging ||= waiting.length > maxWaitingLines
        wake?.()
      })
      const onAbort = (): void => wake?.()
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        while (!signal.aborted) {
          if (isLagging) throw new MooringError('lagging')
          const item = waiting.shift()
          if (item !== undefined) yield item
          else
            await new Promise<void>((resolve) => {
              wake = resolve
            })
        }
      } finally {
        stop()
        signal.removeEventListener('abort', onAbort)
      }
    },
  }
}
