/**
 * What is made from the log: views, their verification, compaction, joined heads. Built together, because each reads the log
 * through what another one found out: nothing is made of what is in quarantine, and only what was verified is stored.
 */
import type { Clock, PeerId } from '../protocol/index.ts'
import { Archive } from './archive/archive.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { ChangeLog } from './log/change-log.ts'
import { Compaction } from './log/compaction.ts'
import { Edits } from './log/edits.ts'
import { HeadMerges } from './log/head-merges.ts'
import { HistoryReset } from './log/history-reset.ts'
import { Repair } from './log/repair.ts'
import { Scrub } from './log/scrub.ts'
import { soundSnapshot } from './log/sound-snapshot.ts'
import { Verification } from './log/verification.ts'
import type { Log } from './log.ts'
import { Indexer } from './search/indexer.ts'
import { Search } from './search/search.ts'
import type { SearchIndex } from './storage/search-index.ts'
import type { Storage } from './storage/storage.ts'
import { Views } from './views/views.ts'

export interface DerivedInit {
  readonly storage: Storage
  readonly searchIndex: SearchIndex
  readonly changeLog: ChangeLog
  readonly clock: Clock
  readonly log: Log
  readonly random: (bytes: number) => Uint8Array
  readonly self: PeerId
  /** The private key of the daemon. */
  readonly seed: Uint8Array
}

export interface Derived {
  readonly archive: Archive
  readonly search: Search
  readonly views: Views
  readonly verification: Verification
  readonly compaction: Compaction
  readonly repair: Repair
  readonly historyReset: HistoryReset
  readonly edits: Edits
}

/** Starts the parts in order. @throws what reading throws */
export async function startDerived(
  lifecycle: Lifecycle,
  { storage, searchIndex, changeLog, clock, log, random, self, seed }: DerivedInit,
): Promise<Derived> {
  const read = {
    snapshot: (block: number) => soundSnapshot(storage, changeLog.index, block),
    readLog: changeLog.quarantine.reader((query) => storage.readLog(query)),
  }
  const views = new Views({ clock, log: log.sub('views'), read })
  await lifecycle.start({ name: 'views', stop: () => views.stop() })
  const verification = new Verification({ log: changeLog, storage, views, clock, logger: log.sub('verification') })
  await lifecycle.start({
    name: 'verification',
    start: () => verification.start(),
    stop: () => verification.stop(),
  })
  const compaction = new Compaction({ log: changeLog, storage, verification, views, logger: log.sub('compaction') })
  await lifecycle.start({ name: 'compaction', start: () => compaction.start(), stop: () => compaction.stop() })
  const repair = new Repair({
    ...{ log: changeLog, views, clock, logger: log.sub('repair') },
    onSetBack: (block) => verification.next(block),
    renewSnapshot: (block) => compaction.compact(block),
  })
  await lifecycle.start({ name: 'repair', start: () => repair.start(), stop: () => repair.stop() })
  const scrub = new Scrub({ storage, clock, logger: log.sub('scrub') })
  await lifecycle.start({ name: 'scrub', start: () => scrub.start(), stop: () => scrub.stop() })
  verification.onFailure((block) => repair.suspect(block))
  const heads = new HeadMerges({ log: changeLog, self, seed, clock, random, logger: log.sub('head-merges') })
  await lifecycle.start({ name: 'head merges', start: () => heads.start(), stop: () => heads.stop() })
  const archive = new Archive({ storage, log: changeLog, clock, random, self })
  const indexParts = { log: changeLog, storage, archive, index: searchIndex, views, clock, logger: log.sub('search') }
  const indexer = new Indexer(indexParts)
  await lifecycle.start({ name: 'search', start: () => indexer.start(), stop: () => indexer.stop() })
  const search = new Search({ log: changeLog, storage, index: searchIndex, indexer })
  const historyReset = new HistoryReset({ log: changeLog, views, verification, self, seed, clock, random })
  const edits = new Edits({ log: changeLog, self, seed, clock, random })
  return { archive, edits, search, views, verification, compaction, repair, historyReset }
}
