/**
 * Views of blocks: their text for people and their snapshots, made from the log. Keeps: the main thread never runs
 * Automerge; a block whose view cannot be made costs its own requests and nobody else's; a view may fail, and then
 * says so, but is never made of a part of the log.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId, ChangeHash } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/rpc/clock.ts'
import { frozenOf, schemaNamed } from '../../protocol/schemas/index.ts'
import type { Logger } from '../log.ts'
import type { BlockId, BlockRow, Seq, Snapshot } from '../storage/storage.ts'
import { FailingBlocks } from './failing-blocks.ts'
import { isolate, type Verdict } from './isolate.ts'
import type { Job, Rendering, Rewritten, SnapshotDisk, VerifyOptions } from './jobs.ts'
import { materialise } from './materialise.ts'
import { unfold } from './unfold.ts'
import type { About, Question, Reply, SliceLimit, ViewSteps } from './view-steps.ts'
import { ViewFault, type ViewRunner, ViewThread } from './view-thread.ts'
import { defaultSliceLimit, type ViewsInit } from './views-init.ts'

export type { Verdict } from './isolate.ts'
export type { Rendering, Rewritten } from './jobs.ts'
export type { ViewsInit } from './views-init.ts'

/** More are waiting than anyone will wait for. */
const maxWaiting = 256
const bytesPerMb = 1024 * 1024
/** The worker is compiled along with this file: both are `.ts`, or both are `.js`. */
const defaultEntry = new URL(`./view-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

export class Views {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #read: ViewsInit['read']
  readonly #idleMs: number
  readonly #memoryMb: number
  readonly #sliceLimit: SliceLimit
  readonly #startThread: () => ViewRunner
  readonly #waiting: Job[] = []
  /** Renderings under way, by block and position. */
  readonly #renderings = new Map<string, Promise<Rendering>>()
  readonly #failing: FailingBlocks
  /** Blocks whose document in the worker holds what is set aside by now. */
  readonly #outdated = new Set<BlockId>()
  #thread: ViewRunner | undefined
  #ending: Promise<void> = Promise.resolve()
  #working: Promise<void> | undefined
  #cancelIdle: (() => void) | undefined
  #isStopped = false

  constructor(init: ViewsInit) {
    const { clock, log, read, idleMs = 30_000, jobTimeoutMs = 30_000, memoryMb = 1_024, entry = defaultEntry } = init
    this.#clock = clock
    this.#failing = new FailingBlocks(clock)
    this.#log = log
    this.#read = read
    this.#idleMs = idleMs
    this.#memoryMb = memoryMb
    this.#sliceLimit = init.sliceLimit ?? defaultSliceLimit
    this.#startThread =
      init.startRunner ?? (() => new ViewThread({ clock, entry, stepTimeoutMs: jobTimeoutMs, memoryMb }))
  }

  /**
   * The block as text. It holds every change up to `untilSeq`, and possibly later ones that an earlier request had
   * already asked for.
   *
   * @throws `view-failed`, `unknown-schema`, `daemon-stopping`, and what reading throws
   */
  async render(block: BlockRow, untilSeq: Seq): Promise<Rendering> {
    const key = `${block.id}@${untilSeq}`
    const shared = this.#renderings.get(key)
    if (shared !== undefined) return shared
    const about = { schema: block.schema, options: block.meta.options }
    const rendering = this.ask(block, untilSeq, 'render', about).finally(() => this.#renderings.delete(key))
    this.#renderings.set(key, rendering)
    return rendering
  }

  /** What one step answers about the block up to `untilSeq` or later. @throws as {@link render} */
  async ask<Name extends Question>(
    block: BlockRow,
    untilSeq: Seq,
    step: Name,
    about: About<Name>,
  ): Promise<Reply<Name>> {
    schemaNamed(block.schema)
    return this.#enqueue(block, async (thread) => {
      await this.#materialise(thread, block, untilSeq)
      return thread.ask(step, { block: block.id, ...about } as ViewSteps[Name]['ask'])
    })
  }

  /**
   * The block up to `untilSeq` or later as one Automerge document that was loaded again and has the same heads and the
   * same number of changes.
   *
   * @throws `view-failed`, `unknown-schema`, `daemon-stopping`, and what reading throws
   */
  snapshot(block: BlockRow, untilSeq: Seq): Promise<Snapshot> {
    return this.#snapshot(block, untilSeq)
  }

  async #snapshot(block: BlockRow, untilSeq: Seq, limit?: SliceLimit): Promise<Snapshot> {
    schemaNamed(block.schema)
    return this.#enqueue(block, async (thread) => {
      const seq = await this.#materialise(thread, block, untilSeq, limit)
      const { bytes, heads, changes } = await thread.ask('snapshot', { block: block.id })
      // As in the block's row, the first change of the schema is not counted.
      return { block: block.id, seq, changes: changes - 1, heads, bytes }
    })
  }

  /**
   * The block up to `until` as a document that was saved and loaded again, less the changes that it cannot be made with.
   * Looks for those only when making it fails.
   *
   * @throws `view-failed` when nobody can be blamed, `unknown-schema`, `daemon-stopping`, and what reading throws
   */
  async verify(block: BlockRow, { after, until, aside }: VerifyOptions): Promise<Verdict> {
    const { initial } = schemaNamed(block.schema)
    try {
      const snapshot = await this.#snapshot(block, until, this.#sliceLimit)
      return { snapshot, findings: [] }
    } catch (error) {
      if (!(error instanceof MooringError && error.code === 'view-failed')) throw error
    }
    const verdict = await this.#enqueueAlone(block, () =>
      isolate({
        block: block.id,
        initial: initial.bytes,
        after,
        until,
        aside,
        limit: this.#sliceLimit,
        clock: this.#clock,
        read: this.#read,
        fresh: () => this.#freshThread(),
      }),
    )
    this.#failing.delete(block.id)
    return verdict
  }

  /**
   * Puts a snapshot away and has what is then read back made into a document, which must have the same heads and as many
   * changes: only then may the rows go that it stands for. A job of its own, so that whoever makes the block afterwards
   * begins with this snapshot or with what is newer, and never misses a row that went because of it.
   *
   * @throws `view-failed`, `daemon-stopping`, and what the store throws
   */
  store(block: BlockRow, snapshot: Snapshot, disk: SnapshotDisk): Promise<void> {
    return this.#enqueue(block, async (thread) => {
      await disk.putSnapshot(snapshot)
      const stored = await disk.snapshot(block.id)
      if (stored?.seq !== snapshot.seq) throw new MooringError('view-failed', { detail: 'another snapshot is stored' })
      const bytes = Uint8Array.from(stored.bytes)
      const { seq, heads, changes } = snapshot
      // From here on the worker has it from this snapshot, and no longer from one before: nothing that went is missed.
      await thread.ask('check', { block: block.id, seq, heads, changes: changes + 1, bytes }, [bytes.buffer])
    })
  }

  /**
   * Which of the hashes are of changes that the block has up to its horizon, each with the counter of its last operation.
   *
   * @throws `view-failed`, `unknown-schema`, `daemon-stopping`, and what reading throws
   */
  async recall(block: BlockRow, hashes: readonly ChangeHash[]): Promise<ReadonlyMap<ChangeHash, number>> {
    const { maxOps } = await this.ask(block, block.horizonSeq, 'recall', { hashes })
    return new Map(hashes.flatMap((hash, index) => ((maxOps[index] ?? -1) < 0 ? [] : [[hash, maxOps[index] ?? 0]])))
  }

  /** The changes of a snapshot, that of the schema included. @throws as {@link recall} */
  unfold = (row: BlockRow, snapshot: Snapshot): Promise<readonly Uint8Array[]> =>
    this.#enqueue(row, (thread) => unfold(thread, row.id, snapshot))

  /**
   * The value that the block has at `untilSeq` or later, as changes of one actor on top of the first change of the schema,
   * and the position that it is of.
   *
   * @throws `view-failed`, `unknown-schema`, `daemon-stopping`, and what reading throws
   */
  async rewrite(block: BlockRow, untilSeq: Seq, actor: ActorId): Promise<Rewritten> {
    const frozen = frozenOf(schemaNamed(block.schema)).map(({ bytes }) => Uint8Array.from(bytes))
    return this.#enqueue(block, async (thread) => {
      const seq = await this.#materialise(thread, block, untilSeq)
      const { changes } = await thread.ask('rewrite', { block: block.id, frozen, actor })
      return { seq, changes }
    })
  }

  /** What was made of a block holds for it no more: changes were set aside. It may be tried again at once. */
  forget(block: BlockId): void {
    this.#outdated.add(block)
    this.#failing.delete(block)
  }

  /** Fails what is under way and what waits with `daemon-stopping`; resolves when no thread is left. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const job of this.#waiting.splice(0)) job.reject(new MooringError('daemon-stopping'))
    this.#endThread()
    await this.#working
    await this.#ending
  }

  /** Brings the worker's document of the block to `until`; answers where it then is. */
  #materialise(thread: ViewRunner, block: BlockRow, until: Seq, limit?: SliceLimit): Promise<Seq> {
    const isOutdated = this.#outdated.delete(block.id)
    return materialise(thread, this.#read, { block, until, limit, isOutdated })
  }

  #enqueue<Result>(block: BlockRow, work: (thread: ViewRunner) => Promise<Result>): Promise<Result> {
    return this.#push((resolve) => ({ block, run: async (thread) => resolve(await work(thread)) }))
  }

  #enqueueAlone<Result>(block: BlockRow, work: () => Promise<Result>): Promise<Result> {
    return this.#push((resolve) => ({ block, run: async () => {}, runAlone: async () => resolve(await work()) }))
  }

  #push<Result>(jobOf: (resolve: (result: Result) => void) => Omit<Job, 'reject'>): Promise<Result> {
    if (this.#isStopped) return Promise.reject(new MooringError('daemon-stopping'))
    if (this.#waiting.length >= maxWaiting) {
      return Promise.reject(new MooringError('view-failed', { detail: 'queue full' }))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...jobOf(resolve), reject })
      this.#working ??= this.#work()
    })
  }

  /** One job at a time, in the order they came. */
  async #work(): Promise<void> {
    this.#cancelIdle?.()
    for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) {
      try {
        await (job.runAlone === undefined ? this.#attempt(job) : this.#attemptAlone(job.block, job.runAlone))
      } catch (error) {
        job.reject(this.#isStopped ? new MooringError('daemon-stopping') : error)
      }
    }
    this.#working = undefined
    if (this.#thread !== undefined) this.#cancelIdle = this.#clock.after(this.#idleMs, () => this.#endThread())
  }

  /** A worker that served others may fail for what they left in it; only alone in a fresh one is it the block's own. */
  async #attempt(job: Job): Promise<void> {
    this.#failing.check(job.block.id)
    for (;;) {
      // The memory of an ended worker must be back before the next one takes its own.
      await this.#ending
      if (this.#isStopped) throw new MooringError('daemon-stopping')
      const thread = this.#currentThread()
      thread.jobs++
      try {
        await job.run(thread)
        this.#failing.delete(job.block.id)
        // Freed memory stays with the thread; only its end gives it back to the system.
        if (thread.memoryBytes > this.#memoryMb * bytesPerMb) this.#endThread()
        return
      } catch (error) {
        if (!(error instanceof ViewFault) || this.#isStopped) throw error
        const isOwnFault = error.kind === 'late' || thread.jobs === 1
        if (error.kind !== 'refused' || !isOwnFault) this.#endThread()
        this.#log.warn(
          { block: job.block.address, fault: error.kind, detail: error.message },
          'a view could not be made',
        )
        if (isOwnFault) {
          this.#failing.add(job.block.id)
          throw new MooringError('view-failed', { detail: error.message, cause: error })
        }
      }
    }
  }

  async #attemptAlone(block: BlockRow, run: () => Promise<void>): Promise<void> {
    try {
      await run()
    } catch (error) {
      if (!(error instanceof ViewFault) || this.#isStopped) throw error
      this.#log.warn(
        { block: block.address, fault: error.kind, detail: error.message },
        'a block could not be verified',
      )
      throw new MooringError('view-failed', { detail: error.message, cause: error })
    } finally {
      this.#endThread()
    }
  }

  async #freshThread(): Promise<ViewRunner> {
    this.#endThread()
    // The memory of an ended worker must be back before the next one takes its own.
    await this.#ending
    if (this.#isStopped) throw new MooringError('daemon-stopping')
    const thread = this.#currentThread()
    thread.jobs++
    return thread
  }

  #currentThread(): ViewRunner {
    if (this.#thread === undefined) {
      this.#thread = this.#startThread()
      this.#log.debug({}, 'the view worker started')
    }
    return this.#thread
  }

  #endThread(): void {
    this.#cancelIdle?.()
    this.#cancelIdle = undefined
    const thread = this.#thread
    if (thread === undefined) return
    this.#thread = undefined
    this.#ending = Promise.all([this.#ending, thread.end()]).then(() => this.#log.debug({}, 'the view worker ended'))
  }
}
