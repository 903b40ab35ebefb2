/**
 * Answers what a replica says that it holds, block by block. Keeps: each is answered, by what the replica lacks of it or by
 * `gone`, and a block that the log has lost is never called deleted.
 */
import type { BlockAddress } from '../../protocol/ids.ts'
import type { BlockRow } from '../storage/storage.ts'
import type { BlockSender } from './block-sender.ts'
import type { Clock, HeldBlock } from './possession.ts'
import type { WatchList } from './watch-list.ts'
import type { WatcherComponents, WatcherInit } from './watcher-components.ts'

export interface HaveAnswerInit
  extends Pick<WatcherComponents, 'index' | 'quarantine'>,
    Pick<WatcherInit, 'apply' | 'session'> {
  readonly sender: BlockSender
  readonly watches: WatchList
  /** Sends what the replica lacks of a block. */
  follow(row: BlockRow, clock: Clock | undefined): Promise<void>
}

export async function answerHave(init: HaveAnswerInit, have: ReadonlyMap<BlockAddress, HeldBlock>): Promise<void> {
  const { index, quarantine, sender, session, watches } = init
  for (const [address, { generation, clock }] of have) {
    const row = index.at(address)
    const isSame = row !== undefined && row.generation === generation
    if (row !== undefined && isSame && watches.matches(address)) {
      await init.follow(row, clock)
      sender.quarantined(row.id, quarantine.heldBy(row.id, clock))
    } else if (row === undefined || !watches.matches(address)) {
      await sender.turn()
      // A generation that was never here is not deleted: this daemon may be an older copy of the one that had it.
      const absent = generation <= index.generationOf(address) ? 'deleted' : 'unknown'
      const reason = !watches.mayRead(address) ? 'out-of-scope' : isSame ? 'no-match' : absent
      init.apply(session.gone(address, reason))
    }
  }
}
