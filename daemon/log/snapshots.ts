/**
 * Decides when a block gets a new snapshot: when its tail is as long as what the snapshot holds, and at least a thousand
 * changes, so that the cost of making them stays proportional to the log. Failing only makes first syncs longer.
 */
import { asError } from '../../protocol/errors.ts'
import type { Logger } from '../log.ts'
import type { BlockId, Snapshot, Storage } from '../storage/storage.ts'
import type { ChangeLog } from './change-log.ts'

export interface SnapshotsComponents {
  readonly log: ChangeLog
  readonly storage: Pick<Storage, 'snapshot' | 'putSnapshot'>
  /** Only what was verified is stored: it stands for the changes themselves. */
  readonly verification: { verify(block: BlockId): Promise<Snapshot | undefined> }
  readonly logger: Logger
}

const minTailChanges = 1_000

export class Snapshots {
  readonly #components: SnapshotsComponents
  /** Changes in the newest snapshot of a block. */
  readonly #covered = new Map<BlockId, number>()
  readonly #due = new Set<BlockId>()
  #unsubscribe: (() => void) | undefined
  #working: Promise<void> | undefined
  #isStopped = false

  constructor(components: SnapshotsComponents) {
    this.#components = components
  }

  start(): void {
    this.#unsubscribe = this.#components.log.onPublish((groups) => {
      for (const group of groups) this.#look(group.block)
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#unsubscribe?.()
    await this.#working
  }

  #look(block: BlockId): void {
    const row = this.#components.log.index.byId(block)
    if (row === undefined || this.#isStopped) return
    const covered = this.#covered.get(block) ?? 0
    if (row.changes - covered < Math.max(minTailChanges, covered)) return
    this.#due.add(block)
    this.#working ??= this.#work()
  }

  async #work(): Promise<void> {
    for (const block of this.#due) {
      this.#due.delete(block)
      if (this.#isStopped) break
      await this.#make(block).catch((error) => {
        this.#components.logger.warn({ block, err: asError(error) }, 'a snapshot could not be made')
        // Not tried again for each change that follows: only when the tail has doubled.
        const row = this.#components.log.index.byId(block)
        if (row !== undefined) this.#covered.set(block, row.changes)
      })
    }
    this.#working = undefined
  }

  async #make(block: BlockId): Promise<void> {
    const { log, storage, verification } = this.#components
    const row = log.index.byId(block)
    if (row === undefined) return
    if (!this.#covered.has(block)) {
      const stored = await storage.snapshot(block)
      this.#covered.set(block, stored?.changes ?? 0)
      const covered = stored?.changes ?? 0
      if (row.changes - covered < Math.max(minTailChanges, covered)) return
    }
    const snapshot = await verification.verify(block)
    if (snapshot === undefined) return
    await storage.putSnapshot(snapshot)
    this.#covered.set(block, snapshot.changes)
  }
}
