/**
 * The archive: texts that are put in once and stay as they are, by scope. Keeps: id, time and owner are the daemon's to say;
 * an entry is counted for its owner before it is stored, and who may see or remove it is decided by the caller.
 */
import type { ArchiveId, Clock, PeerId, Scope } from '../../protocol/index.ts'
import { MooringError } from '../../protocol/index.ts'
import type { ChangeLog } from '../log/change-log.ts'
import { archiveDisk } from '../storage/archive-rows.ts'
import type { ArchiveActor, ArchiveNumber, ArchivePage, ArchiveRow, Storage } from '../storage/storage.ts'
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

export interface ArchiveChange {
  readonly kind: 'inserted' | 'removed'
  readonly n: ArchiveNumber
  readonly by: PeerId
}

/** What a write counts for, in operations: a row and a transaction; a text counts for what it holds beside. */
const opsPerWrite = 500
const charsPerOp = 20
/** Texts of one page that are read for their beginnings. */
const maxPageChars = 256 * 1024

export class Archive {
  readonly #init: ArchiveInit
  readonly #ids: ArchiveIds
  readonly #listeners = new Set<(change: ArchiveChange) => void>()

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
      const n = await storage.archive.insert(row, grantVersion)
      this.#tell({ kind: 'inserted', n, by: peer })
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
  async remove({ peer, grantVersion }: ArchiveActor, id: ArchiveId): Promise<void> {
    const { log, storage } = this.#init
    log.spend(peer, opsPerWrite)
    const { n, usage } = await storage.archive.remove(id, { peer, grantVersion })
    log.usage.changed([usage])
    this.#tell({ kind: 'removed', n, by: peer })
  }

  /** Told of what is durable, before whoever asked for it is. Listeners must not throw. Returns how to stop listening. */
  onChange(listener: (change: ArchiveChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(change: ArchiveChange): void {
    for (const listener of this.#listeners) listener(change)
  }
}
