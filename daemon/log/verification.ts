/**
 * Verifies the log behind itself: each block is made from its log, saved and loaded again, once it has been quiet for a while.
 * What a block cannot be made with is set aside. Keeps: nothing waits for a verification that did not ask for it; the
 * time spent on a block stays a small part of the time that passes; a block that cannot be verified is left as it is.
 */
import { asError, MooringError } from '../../protocol/errors.ts'
import type { Clock } from '../../protocol/index.ts'
import type { Logger } from '../log.ts'
import type { BlockId, BlockRow, QuarantinedChange, Seq, Snapshot, Storage, VerifiedRow } from '../storage/storage.ts'
import type { ChangeLog } from './change-log.ts'

export interface VerificationInit {
  readonly log: ChangeLog
  readonly storage: Pick<Storage, 'verified' | 'putVerified'>
  readonly views: {
    verify(
      block: BlockRow,
      options: { readonly after: Seq; readonly until: Seq; readonly aside: readonly BlockRow['heads'][number][] },
    ): Promise<{ readonly snapshot: Snapshot; readonly findings: readonly QuarantinedChange[] }>
    forget(block: BlockId): void
  }
  readonly clock: Clock
  readonly logger: Logger
  /**
   * Time from the last change to the verification of its block: whoever is writing needs the processor more.
   * @default 2_000 ms
   */
  readonly delayMs?: number
}

/** A block that is never quiet is verified this long after the first change that was not. */
const maxDelayMs = 20_000

/** Verifying a block that took T is not due again before twenty times T: a twentieth of one processor at most. */
const restFactor = 20
/** A block that could not be verified, for a reason that is nobody's: it may be the machine's. */
const failedRetryMs = 60_000

export class Verification {
  readonly #init: VerificationInit
  readonly #delayMs: number
  readonly #verified = new Map<BlockId, Seq>()
  /** When a block is due, on the monotonic clock. */
  readonly #due = new Map<BlockId, number>()
  /** Since when a block waits; since ever, when it waits for nothing any more. */
  readonly #since = new Map<BlockId, number>()
  readonly #notBefore = new Map<BlockId, number>()
  /** Until when a block is not tried again, because nobody could be blamed for its failure. */
  readonly #failedUntil = new Map<BlockId, number>()
  /** Runs that wait for their turn, by block. */
  readonly #waiting = new Map<BlockId, Promise<Snapshot | undefined>>()
  readonly #listeners = new Set<(block: BlockId) => void>()
  #last: Promise<unknown> = Promise.resolve()
  #unsubscribe: (() => void) | undefined
  #cancelTimer: (() => void) | undefined
  #armedMs = Number.POSITIVE_INFINITY
  #isStopped = false
  #onFailure: (block: BlockId) => void = () => {}

  constructor(init: VerificationInit) {
    this.#init = init
    this.#delayMs = init.delayMs ?? 2_000
  }

  /** Takes up what an earlier run of the daemon left: that is verified later, and nothing waits for it. */
  async start(): Promise<void> {
    const { log, storage } = this.#init
    for (const { block, seq } of await storage.verified()) this.#verified.set(block, seq)
    for (const row of log.index.live()) if (row.changes > 0) this.soon(row.id)
    this.#unsubscribe = log.onPublish((groups) => {
      for (const group of groups) this.soon(group.block)
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#unsubscribe?.()
    this.#cancelTimer?.()
    await this.#last
  }

  /** Told of each block that was verified by itself. Listeners must not throw. Returns how to stop listening. */
  onVerified(listener: (block: BlockId) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Up to where a block is verified. */
  verifiedSeq(block: BlockId): Seq {
    return this.#verified.get(block) ?? 0
  }

  /** The block is verified once nothing more came for a while, unless it is by then. */
  soon(block: BlockId, delayMs: number = this.#delayMs): void {
    const row = this.#init.log.index.byId(block)
    if (this.#isStopped || row === undefined || row.deletedSeq > 0) return
    if (row.visibleSeq <= this.verifiedSeq(block)) return
    const nowMs = this.#init.clock.monotonicMs()
    const sinceMs = delayMs === 0 ? Number.NEGATIVE_INFINITY : (this.#since.get(block) ?? nowMs)
    this.#since.set(block, sinceMs)
    const dueMs = Math.max(Math.min(nowMs + delayMs, sinceMs + maxDelayMs), this.#notBefore.get(block) ?? 0)
    this.#due.set(block, dueMs)
    this.#arm(dueMs)
  }

  /** Told of a block that could not be verified, or that lacks changes of which the log knows. */
  onFailure(listener: (block: BlockId) => void): void {
    this.#onFailure = listener
  }

  /** As {@link soon}, but at once, and however much was spent on the block: the operator asked for it. */
  next(block: BlockId): void {
    this.#notBefore.delete(block)
    this.#failedUntil.delete(block)
    this.soon(block, 0)
  }

  /**
   * Verifies a block as far as the log goes now; everyone who asks before it begins shares one run. Undefined for a block
   * that is gone.
   * @throws `view-failed` when it fails and nobody can be blamed, and what the store and the views throw
   */
  verify(block: BlockId): Promise<Snapshot | undefined> {
    const waiting = this.#waiting.get(block)
    if (waiting !== undefined) return waiting
    const run = this.#last.then(() => {
      this.#waiting.delete(block)
      return this.#run(block)
    })
    this.#waiting.set(block, run)
    this.#last = run.catch(() => {})
    return run
  }

  async #run(block: BlockId): Promise<Snapshot | undefined> {
    const { clock, log } = this.#init
    const row = log.index.byId(block)
    if (this.#isStopped) throw new MooringError('daemon-stopping')
    // First: what is gone and stayed due would be found due again, without end.
    this.#due.delete(block)
    this.#since.delete(block)
    if (row === undefined || row.deletedSeq > 0) return undefined
    const startMs = clock.monotonicMs()
    const retryAfterMs = (this.#failedUntil.get(block) ?? 0) - startMs
    if (retryAfterMs > 0) {
      this.soon(block)
      throw new MooringError('view-failed', { detail: 'it could not be verified', retryAfterMs })
    }
    this.#failedUntil.delete(block)
    try {
      return await this.#verifyUpTo(log.published, row)
    } catch (error) {
      if (!this.#isStopped) this.#failedUntil.set(block, clock.monotonicMs() + failedRetryMs)
      this.#onFailure(block)
      throw error
    } finally {
      const endMs = clock.monotonicMs()
      const restedMs = endMs + (endMs - startMs) * restFactor
      this.#notBefore.set(block, Math.max(restedMs, this.#failedUntil.get(block) ?? 0))
      // What was written while it ran, and what a failure left, whoever asked for it.
      this.soon(block)
    }
  }

  /** Part by part when there is much to set aside: who waits for a view meanwhile gets it in between. */
  async #verifyUpTo(until: Seq, begun: BlockRow): Promise<Snapshot | undefined> {
    const { log, views } = this.#init
    const block = begun.id
    for (let row: BlockRow | undefined = begun; row?.deletedSeq === 0; row = log.index.byId(block)) {
      const options = { after: this.verifiedSeq(block), until, aside: log.quarantine.hashes(block) }
      const { snapshot, findings } = await views.verify(row, options)
      // The row of the block was counted by the store: what the document has less is no row any more, without a word.
      const now = log.index.byId(block)
      if (now !== undefined && now.visibleSeq <= snapshot.seq && snapshot.changes + findings.length < now.changes) {
        throw new MooringError('block-damaged', { detail: 'the document lacks changes of the block' })
      }
      const seq = findings.length > 0 ? await this.#setAside(row, findings, snapshot.seq) : snapshot.seq
      await this.#note({ block, seq }, snapshot)
      if (snapshot.seq >= until) return snapshot
    }
    return undefined
  }

  /** Up to where the block is then verified: the event counts too, if nothing came between it and `until`. */
  async #setAside({ id, address }: BlockRow, findings: readonly QuarantinedChange[], until: Seq): Promise<Seq> {
    const { log, logger, views } = this.#init
    const before = log.index.byId(id)
    await log.setAside(id, findings)
    views.forget(id)
    const after = log.index.byId(id)
    for (const { hash, peer, reason } of findings) {
      logger.warn({ block: address, hash, peer, reason }, 'a change was set aside')
    }
    if (before === undefined || after === undefined || before.visibleSeq > until) return until
    return after.changes === before.changes - findings.length ? after.visibleSeq : until
  }

  async #note(verified: VerifiedRow, { heads }: Snapshot): Promise<void> {
    const { log, storage } = this.#init
    if (verified.seq <= this.verifiedSeq(verified.block)) return
    await storage.putVerified({ ...verified, heads })
    this.#verified.set(verified.block, verified.seq)
    log.index.verified(verified.block, verified.seq, heads)
  }

  /** One timer, for the block that is due first. */
  #arm(dueMs: number): void {
    if (this.#isStopped || dueMs >= this.#armedMs) return
    const { clock } = this.#init
    this.#cancelTimer?.()
    this.#armedMs = dueMs
    this.#cancelTimer = clock.after(Math.max(0, dueMs - clock.monotonicMs()), () => {
      this.#armedMs = Number.POSITIVE_INFINITY
      void this.#work()
    })
  }

  /** One at a time: those that become due meanwhile wait here, where they take no place in the queue of the views. */
  async #work(): Promise<void> {
    const { clock, logger } = this.#init
    const nowMs = clock.monotonicMs()
    const [block] = [...this.#due].find(([, dueMs]) => dueMs <= nowMs) ?? []
    if (block !== undefined) {
      try {
        await this.verify(block)
        for (const listener of this.#listeners) listener(block)
      } catch (error) {
        if (this.#isStopped) return
        logger.warn({ block, err: asError(error) }, 'a block could not be verified')
      }
    }
    for (const dueMs of this.#due.values()) this.#arm(dueMs)
  }
}
