/**
 * Tells a replica what happened to blocks beside their changes: made, described, deleted, a change set aside. Keeps: in log
 * order, and each to whoever follows the block or comes to follow it by this. Of one that was set back it is asked what it
 * holds, which may be what the log has lost: the conversation begins anew for that.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { BlockId, BlockRow, Seq } from '../storage/storage.ts'
import type { BlockSender } from './block-sender.ts'
import type { WatchList } from './watch-list.ts'
import type { WatcherComponents } from './watcher-components.ts'

export interface BlockEventsInit {
  readonly components: Pick<WatcherComponents, 'index' | 'quarantine'>
  readonly sender: BlockSender
  readonly watches: WatchList
  readonly following: Set<BlockId>
  /** Everything up to here has been told. */
  moveTo(position: Seq): void
  /** Sends a block of which there is more than the log has rows of. */
  send(row: BlockRow): Promise<void>
}

export class BlockEvents {
  readonly #init: BlockEventsInit

  constructor(init: BlockEventsInit) {
    this.#init = init
  }

  /**
   * Those with `after` < seq ≤ `until`; both when a block was made and deleted, because who heard of one may lack the cursor.
   * @throws `block-damaged` at one that was set back
   */
  async tell(after: Seq, until: Seq): Promise<void> {
    const { components, following, moveTo, send, sender, watches } = this.#init
    const { index, quarantine } = components
    for (const event of index.events(after, until)) {
      await sender.turn()
      const row = index.byId(event.block)
      moveTo(event.seq)
      if (event.kind === 'quarantined') {
        if (row === undefined || !following.has(row.id)) continue
        await sender.introduceOnce(row)
        sender.quarantined(row.id, quarantine.ofEvent(row.id, event.seq))
        continue
      }
      if (row === undefined) continue
      if (event.kind === 'meta') {
        if (following.has(row.id) && row.deletedSeq === 0) await sender.described(row)
        continue
      }
      // Also one that could not be read before, and was not followed.
      if (event.kind === 'set-back' && !following.has(row.id) && !watches.matches(row.address)) continue
      if (event.kind === 'set-back') throw new MooringError('block-damaged', { detail: row.address })
      if (event.kind === 'deleted') {
        const isFollowed = following.delete(row.id)
        sender.deleted(row, event.seq, { isFollowed, isWritten: watches.isWrittenOnly(row.address) })
      } else if (!following.has(row.id) && watches.matches(row.address)) {
        if (row.deletedSeq === 0 && sender.withholds(row)) continue
        following.add(row.id)
        if (row.horizonSeq > 0) await send(row)
        else await sender.introduceOnce(row)
      }
    }
  }
}
