/**
 * The archive: texts that are put in once and stay as they are, by scope. Keeps: id, time and owner are the daemon's to say;
 * an entry is counted for its owner before it is stored, and who may see or remove it is decided by the caller.
 */
import type { ArchiveId, Clock, PeerId, Scope } from '../../protocol/index.ts'
import { MooringError } from '../../protocol/index.ts'
import type { ChangeLog } from '../log/change-log.ts'
import { archiveDisk } from '../storage/archive-rows.ts'
import type { ArchiveActor, ArchivePage, ArchiveRow, Storage } from '../storage/storage.ts'
import { ArchiveIds } from './archive-ids.ts'

export interface ArchiveInit {
  readonly storage: Pick<Storage, 'archive'>
  readonly log: Pick<ChangeLog, 'usage' | 'spend'>
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
  readonly self: PeerId
}

/** What is put in. */
export type NewEntry = Pick<ArchiveRow, 'scope' | 'text'> & { readonly metadata?: ArchiveRow['metadata'] | undefined }

/** What a write counts for, in operations: a row and a transaction; a text counts for what it holds beside. */
const opsPerWrite = 500
const charsPerOp = 20
/** Texts of one page that are read for their beginnings. */
const maxPageChars = 256 * 1024

export class Archive {
  readonly #init: ArchiveInit
  readonly #ids: ArchiveIds

  constructor(init: ArchiveInit) {
    this.#init = init
    this.#ids = new ArchiveIds(init.clock, init.random)
  }

  /** Whoever acts for the operator is the daemon. */
  get own(): ArchiveActor {
    return { peer: this.#init.self, grantVersion: 0 }
  }

  /** @throws `quota-exceeded`, `suspended`, `rate-limited`, `grant-changed`, and what the store throws */
  async insert({ peer, grantVersion }: ArchiveActor, entry: NewEntry): Promise<ArchiveRow> {
    const { scope, text, metadata = {} } = entry
    const { log, storage } = this.#init
    log.spend(peer, opsPerWrite + Math.ceil(text.length / charsPerOp))
    const disk = archiveDisk({ text, metadata })
    // Before it is stored: what is on its way counts too.
    log.usage.take(peer, disk)
    try {
      const { id, atMs } = this.#ids.next()
      const row: ArchiveRow = { id, scope, owner: peer, createdAtMs: atMs, metadata, text }
      await storage.archive.insert(row, grantVersion)
      return row
    } catch (error) {
      log.usage.changed([{ peer, disk: -disk }])
      throw error
    }
  }

  /** @throws `archive-not-found`, also for one that may not be seen */
  async get(id: ArchiveId, maySee: (row: ArchiveRow) => boolean): Promise<ArchiveRow> {
    const row = await this.#init.storage.archive.get(id)
    if (row === undefined || !maySee(row)) throw new MooringError('archive-not-found')
    return row
  }

  list(scope: Scope | undefined, { after, limit }: { after: string; limit: number }): Promise<ArchivePage> {
    return this.#init.storage.archive.list({ scope, after, limit, maxChars: maxPageChars })
  }

  /** @throws `archive-not-found`, `suspended`, `rate-limited`, `grant-changed`, and what the store throws */
  async remove(by: ArchiveActor, id: ArchiveId): Promise<void> {
    const { log, storage } = this.#init
    log.spend(by.peer, opsPerWrite)
    log.usage.changed([await storage.archive.remove(id, by)])
  }
}
