/**
 * Folds the verified old changes of a block into a snapshot. By itself after a verification, so while nobody writes, when the
 * tail is as long as what the snapshot holds and at least a thousand changes: its cost stays proportional to the log. Keeps: rows go only after the snapshot
 * that stands for them is durable, was read back and became a document again; stopped anywhere, nothing is missing.
 */
import { asError, MooringError } from '../../protocol/errors.ts'
import type { Logger } from '../log.ts'
import type { BlockId, BlockRow, FoldableRows, Snapshot, Storage } from '../storage/storage.ts'
import type { ChangeLog } from './change-log.ts'
import type { Verification } from './verification.ts'

export interface CompactionComponents {
  readonly log: Pick<ChangeLog, 'index' | 'fold' | 'published' | 'usage'>
  readonly storage: Pick<Storage, 'snapshots' | 'snapshot' | 'putSnapshot' | 'foldable' | 'fold'>
  readonly verification: Pick<Verification, 'verify' | 'verifiedSeq' | 'onVerified'>
  readonly views: {
    /** Resolves when what is read back of the snapshot became a document again. */
    store(block: BlockRow, snapshot: Snapshot, disk: Pick<Storage, 'snapshot' | 'putSnapshot'>): Promise<void>
  }
  readonly logger: Logger
  /** Rows of one transaction, about ten milliseconds: no write waits for longer. @default 1,000 */
  readonly maxFoldRows?: number
}

/** Rows that go, or went. */
export type Folded = Omit<FoldableRows, 'lastSeq'>

const minTailChanges = 1_000

export class Compaction {
  readonly #components: CompactionComponents
  /** Changes in the newest snapshot of a block. */
  readonly #covered = new Map<BlockId, number>()
  readonly #due = new Set<BlockId>()
  #unsubscribe: (() => void) | undefined
  #last: Promise<unknown> = Promise.resolve()
  #working: Promise<void> | undefined
  #isStopped = false

  constructor(components: CompactionComponents) {
    this.#components = components
  }

  /** Takes up what an earlier run of the daemon left unfinished. */
  async start(): Promise<void> {
    const { log, storage, verification } = this.#components
    for (const { block, changes, isFoldable } of await storage.snapshots()) {
      this.#covered.set(block, changes)
      if (isFoldable) this.#due.add(block)
    }
    this.#unsubscribe = verification.onVerified((block) => this.#look(block))
    for (const row of log.index.live()) this.#look(row.id)
    if (this.#due.size > 0) this.#working ??= this.#work()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#unsubscribe?.()
    await this.#working
    await this.#last
  }

  /** What {@link compact} would remove now, if all of it turns out to be sound. */
  foldable({ id }: BlockRow): Promise<Folded> {
    const { log, storage } = this.#components
    return storage.foldable(id, log.published).then(({ rows, bytes }) => ({ rows, bytes }))
  }

  /**
   * Folds all there is of a block, however short its tail; one block at a time.
   * @throws `view-failed`, `block-not-found`, `daemon-stopping`, and what the store throws
   */
  compact(block: BlockId): Promise<Folded> {
    const run = this.#last.then(() => this.#compact(block))
    this.#last = run.catch(() => {})
    return run
  }

  #isLong({ id, changes }: BlockRow): boolean {
    const covered = this.#covered.get(id) ?? 0
    return changes - covered >= Math.max(minTailChanges, covered)
  }

  #look(block: BlockId): void {
    const row = this.#components.log.index.byId(block)
    if (row === undefined || row.deletedSeq > 0 || this.#isStopped || !this.#isLong(row)) return
    this.#due.add(block)
    this.#working ??= this.#work()
  }

  async #work(): Promise<void> {
    for (const block of this.#due) {
      this.#due.delete(block)
      if (this.#isStopped) break
      await this.compact(block).catch((error) => {
        if (this.#isStopped) return
        this.#components.logger.warn({ block, err: asError(error) }, 'a block could not be compacted')
        // Not tried again for each change that follows: only when the tail has doubled.
        const row = this.#components.log.index.byId(block)
        if (row !== undefined) this.#covered.set(block, row.changes)
      })
    }
    this.#working = undefined
  }

  async #compact(block: BlockId): Promise<Folded> {
    const { log, logger, maxFoldRows: maxRows = 1_000, storage, verification, views } = this.#components
    if (this.#isStopped) throw new MooringError('daemon-stopping')
    const snapshot = await verification.verify(block)
    const row = log.index.byId(block)
    if (snapshot === undefined || row === undefined) throw new MooringError('block-not-found')
    // Nothing goes on the word of the document alone: the row of the block was counted by the store.
    if (row.visibleSeq <= snapshot.seq && snapshot.changes < row.changes) {
      throw new MooringError('view-failed', { detail: 'the document lacks changes of the block' })
    }
    await views.store(row, snapshot, {
      snapshot: (id) => storage.snapshot(id),
      putSnapshot: async (made) => {
        const grown = await storage.putSnapshot(made)
        log.usage.changed(grown)
        return grown
      },
    })
    this.#covered.set(block, snapshot.changes)
    const { lastSeq: until } = await storage.foldable(block, Math.min(snapshot.seq, verification.verifiedSeq(block)))
    let folded: Folded = { rows: 0, bytes: 0 }
    if (until === 0) return folded
    // Known in memory before the first row goes: who reads rows looks there afterwards for what was not in them.
    await log.fold(block, until)
    while (!this.#isStopped) {
      const gone = await storage.fold({ block, until, maxRows })
      if (gone.rows === 0) break
      log.usage.changed(gone.usage)
      folded = { rows: folded.rows + gone.rows, bytes: folded.bytes + gone.bytes }
    }
    logger.debug({ block: row.address, ...folded, snapshotBytes: snapshot.bytes.byteLength }, 'a block was compacted')
    return folded
  }
}
