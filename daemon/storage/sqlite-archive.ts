/** The archive in SQLite, as the main thread holds it. */
import type { ArchiveStorage } from './archive-rows.ts'
import type { ReaderOps } from './sqlite-reader-thread.ts'
import type { StoreOps } from './sqlite-store-thread.ts'
import type { ThreadCalls } from './sqlite-thread.ts'

interface ArchiveThreads {
  readonly store: ThreadCalls<StoreOps>
  readonly reader: ThreadCalls<ReaderOps>
  /** @throws `daemon-stopping`, `storage-failed` */
  check(): void
}

export function sqliteArchive({ store, reader, check }: ArchiveThreads): ArchiveStorage {
  /** Refusals of a closed store are rejections like any other. */
  const checked =
    <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      check()
      return await call(...args)
    }
  return {
    insert: checked((row, grantVersion) => store.call('insertArchive', [row, grantVersion])),
    remove: checked((id, by) => store.call('removeArchive', [id, by])),
    get: checked((id) => reader.call('archiveEntry', [id])),
    list: checked((query) => reader.call('archivePage', [query])),
    numbered: checked((after, limit) => reader.call('archiveNumbered', [after, limit])),
    last: checked(() => reader.call('archiveLast', [])),
    existing: checked((numbers) => reader.call('archiveExisting', [numbers])),
  }
}
