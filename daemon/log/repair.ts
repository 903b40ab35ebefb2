/**
 * Sets blocks back of which something was found damaged, and takes up what comes back. Keeps: a block is looked at once for
 * each time that something does not fit, one at a time, and nobody waits for it; what is missing stays reported until it is
 * there again.
 */
import { asError, type ErrorCode, MooringError } from '../../protocol/errors.ts'
import type { BlockAddress } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import type { Logger } from '../log.ts'
import type { BlockId, BlockRow, DamagedRow, Seq, Snapshot } from '../storage/storage.ts'
import type { ChangeLog } from './change-log.ts'
import { findRemnant } from './remnant.ts'
import { returnWaiting } from './returns.ts'
import type { LogGroup } from './ring.ts'

export interface RepairInit {
  readonly log: ChangeLog
  readonly views: {
    unfold(row: BlockRow, snapshot: Snapshot): Promise<readonly Uint8Array[]>
    forget(block: BlockId): void
  }
  readonly clock: Clock
  readonly logger: Logger
  /** A block is another one now: it is verified anew. */
  onSetBack(block: BlockId): void
  /** Nothing but the snapshot of a block was damaged. */
  renewSnapshot(block: BlockId): Promise<unknown>
}

/** What of a block is not as it was. */
export interface BlockDamage {
  readonly block: BlockId
  readonly address: BlockAddress | undefined
  readonly lost: number
  readonly waiting: number
  /** It could not be looked at yet. */
  readonly isOpen: boolean
}

/** Rows from which a block is made. */
const ofBlocks: ReadonlySet<string> = new Set(['change', 'snapshot', 'block', 'clock', 'object'])
/** After a repair that failed. */
const retryMs = 60_000
/** From a change to a look at what waits, at least: what comes along with it is taken in first. */
const returnMs = 500
/** A look that took T is followed by a pause of so many times T. */
const restFactor = 20
/** So often a block is looked at anew that has changed meanwhile. */
const maxAttempts = 5

export class Repair {
  readonly #init: RepairInit
  /** Blocks that are to be looked at, and those of which nothing is served any more. */
  readonly #suspects = new Set<BlockId>()
  /** Those among them that could not be set back. */
  readonly #failed = new Set<BlockId>()
  readonly #others = new Map<string, DamagedRow>()
  readonly #timers = new Map<string, () => void>()
  readonly #unsubscribe: (() => void)[] = []
  #last: Promise<void> = Promise.resolve()
  /** Before the next look at what waits, which may be all of a long block. */
  #restMs = returnMs
  #isStopped = false

  constructor(init: RepairInit) {
    this.#init = init
  }

  /** Takes up what an earlier run of the daemon left. */
  start(): void {
    const { log } = this.#init
    this.#unsubscribe.push(
      log.repairComponents.storage.onDamage((row) => this.#met(row)),
      log.onPublish((groups) => this.#published(groups)),
    )
    for (const { block } of log.missing.blocks) this.#soon(block)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    for (const cancel of this.#timers.values()) cancel()
    await this.#last
  }

  /** Something about a block does not fit together. */
  suspect(block: BlockId): void {
    if (this.#isStopped || this.#suspects.has(block)) return
    this.#suspects.add(block)
    this.#then(async () => {
      try {
        if (await this.#repair(block)) this.#suspects.delete(block)
        this.#failed.delete(block)
      } catch (error) {
        if (this.#isStopped) return
        this.#failed.add(block)
        const address = this.#addressOf(block)
        this.#init.logger.error({ block, address, err: asError(error) }, 'a damaged block could not be set back')
        // Nothing will be there that is not there now.
        if (error instanceof MooringError && error.code === 'database-corrupt') return
        this.#after(`repair ${block}`, retryMs, () => {
          this.#suspects.delete(block)
          this.suspect(block)
        })
      }
    })
  }

  /** Blocks of which something is missing, or could not be looked at. */
  get blocks(): BlockDamage[] {
    const { index, missing } = this.#init.log
    const missed = new Map(missing.blocks.map((each) => [each.block, each]))
    const ids = [...new Set([...missed.keys(), ...this.#failed])]
    return ids.flatMap((block) => {
      const row = index.byId(block)
      if (row !== undefined && row.deletedSeq > 0) return []
      const { lost = 0, waiting = 0 } = missed.get(block) ?? {}
      return [{ block, address: row?.address, lost, waiting, isOpen: this.#failed.has(block) }]
    })
  }

  /** Other rows that were found damaged. */
  get others(): DamagedRow[] {
    return [...this.#others.values()]
  }

  #met(row: DamagedRow): void {
    if (row.block !== undefined && ofBlocks.has(row.table)) this.suspect(row.block)
    else this.#others.set(`${row.table} ${row.key}`, row)
  }

  #published(groups: readonly LogGroup[]): void {
    const { missing } = this.#init.log
    for (const { block, items } of groups) {
      if (!missing.of(block)) continue
      for (const { actor, actorSeq } of items) {
        for (const { to } of missing.lostOf(block).filter((each) => each.actor === actor && each.to <= actorSeq)) {
          this.#then(() => this.#found(block, actor, to))
        }
      }
      this.#soon(block)
    }
  }

  async #found(block: BlockId, actor: Parameters<ChangeLog['missing']['endLost']>[1], to: number): Promise<void> {
    const { log } = this.#init
    await log.repairComponents.storage.endLost({ block, actor, to })
    log.missing.endLost(block, actor, to)
    this.#look(block)
  }

  #look(block: BlockId): void {
    const { log, logger } = this.#init
    if (!log.missing.of(block)) logger.info({ block: this.#addressOf(block) }, 'all that a block had lost is back')
  }

  #soon(block: BlockId): void {
    this.#after(`return ${block}`, this.#restMs, () => {
      this.#then(async () => {
        const { clock, log } = this.#init
        const row = log.index.byId(block)
        if (row === undefined || row.deletedSeq > 0) return
        await this.#reconcile(block)
        if (!log.missing.hasWaiting(block)) return
        const beganMs = clock.monotonicMs()
        await returnWaiting(log.repairComponents, block)
        this.#restMs = Math.max(returnMs, (clock.monotonicMs() - beganMs) * restFactor)
        this.#look(block)
      })
    })
  }

  /** What came back just before an earlier run ended. */
  async #reconcile(block: BlockId): Promise<void> {
    const { missing, repairComponents } = this.#init.log
    const actors = [...new Set(missing.lostOf(block).map(({ actor }) => actor))]
    if (actors.length === 0) return
    for (const { actor, seq } of await repairComponents.storage.clock(block, actors)) {
      const back = missing.lostOf(block).filter((each) => each.actor === actor && each.to <= seq)
      for (const { to } of back) await this.#found(block, actor, to)
    }
  }

  /** False when nothing can be done, and nothing is to be said. */
  async #repair(block: BlockId): Promise<boolean> {
    let release = (): void => {}
    try {
      for (let attempt = 1; ; attempt++) {
        const outcome = await this.#setBack(block)
        if (typeof outcome === 'boolean') return outcome
        if (outcome !== 'wrong-state' || attempt === maxAttempts) throw new MooringError(outcome)
        // Something else was written meanwhile: a long block that is written to on and on would never be set back.
        release = this.#init.log.repairComponents.ledgers.hold(block, new MooringError('block-damaged'))
      }
    } finally {
      release()
    }
  }

  /** As {@link #repair}; or why the store refuses it. */
  async #setBack(block: BlockId): Promise<boolean | ErrorCode> {
    const { clock, log, logger, onSetBack, renewSnapshot, views } = this.#init
    const { committer, own, quarantine, storage } = log.repairComponents
    const published = (): Seq => committer.published
    await committer.barrier()
    if (this.#isStopped) return false
    const found = await findRemnant({ storage, quarantine, views, published, nowMs: () => clock.nowMs() }, block)
    if (found === 'deleted') return false
    if (found === 'sound') return true
    if (found === 'renew') {
      logger.warn({ block: this.#addressOf(block) }, 'the snapshot of a block is damaged, and is made anew')
      await renewSnapshot(block)
      return true
    }
    const [outcome] = await committer.submit([{ kind: 'set-back', ...own(), ...found }])
    if (outcome?.kind === 'stored') {
      const { damaged, lost, waiting } = found
      const counts = { damaged: damaged.length, lost: lostIn(lost), waiting: waiting.length }
      views.forget(block)
      onSetBack(block)
      const message = 'a block was set back to what is left of it; whoever holds the rest is asked for it'
      logger.error({ block: found.row.address, ...counts }, message)
      return true
    }
    return outcome?.kind === 'refused' ? outcome.code : 'internal'
  }

  #addressOf(block: BlockId): string {
    return this.#init.log.index.byId(block)?.address ?? String(block)
  }

  /** One after another; never rejects. */
  #then(work: () => Promise<void>): void {
    this.#last = this.#last.then(async () => {
      if (this.#isStopped) return
      try {
        await work()
      } catch (error) {
        if (!this.#isStopped)
          this.#init.logger.warn({ err: asError(error) }, 'what a block had lost could not be taken up')
      }
    })
  }

  #after(name: string, ms: number, run: () => void): void {
    if (this.#isStopped || this.#timers.has(name)) return
    const cancel = this.#init.clock.after(ms, () => {
      this.#timers.delete(name)
      run()
    })
    this.#timers.set(name, cancel)
  }
}

const lostIn = (lost: readonly { readonly from: number; readonly to: number }[]): number =>
  lost.reduce((sum, { from, to }) => sum + to - from + 1, 0)
