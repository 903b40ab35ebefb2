/**
 * Fills the search index behind the log. Keeps: nothing that is written waits for it; a text and how far it goes are stored
 * together, so that the index is right after any crash once what it lacks was read; an index of another store, or of a log that
 * went further than this one does, is begun anew.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { asError, type Clock, MooringError, type PeerId } from '../../protocol/index.ts'
import type { Archive, ArchiveChange } from '../archive/archive.ts'
import type { ChangeLog } from '../log/change-log.ts'
import type { LogGroup } from '../log/ring.ts'
import type { Logger } from '../log.ts'
import type { SearchDocument, SearchIndex, SearchSource } from '../storage/search-index.ts'
import type { ArchiveNumber, BlockId, BlockRow, Seq, Storage } from '../storage/storage.ts'
import { Claims, everybody } from './claims.ts'
import { DueList } from './due-list.ts'
import { isOfThisStore, pageOfArchive, removedEntries, removedOf, searchable } from './sources.ts'

export interface IndexerInit {
  readonly log: Pick<ChangeLog, 'index' | 'published' | 'onPublish'>
  readonly storage: Pick<Storage, 'archive' | 'epochs'>
  readonly archive: Pick<Archive, 'onChange'>
  readonly index: SearchIndex
  readonly views: { render(block: BlockRow, untilSeq: Seq): Promise<{ readonly text: string }> }
  readonly clock: Clock
  readonly logger: Logger
}

/** In {@link Claims}, beside the ids of blocks, which begin with 1. */
const archiveSource = 0
/** Texts of one transaction. */
const maxBatch = 64
const maxBatchChars = 2_000_000
const retryMs = 60_000
/** It was damaged, and there is a new one. */
const anewMs = 1_000
/** How long a question waits for what its caller was told is durable. */
const maxWaitMs = 2_000

export class Indexer {
  readonly #init: IndexerInit
  readonly #due = new DueList()
  readonly #claims = new Claims()
  readonly #indexed = new Map<BlockId, Seq>()
  readonly #waiting = new Set<() => void>()
  #gone: SearchSource[] = []
  #archive: ArchiveNumber = 0
  #hasEntries = false
  #seen: Seq = 0
  #epoch = ''
  #state: 'unread' | 'read' | 'to be cleared' = 'unread'
  #retryAtMs = 0
  #unsubscribe: readonly (() => void)[] = []
  #cancelTimer: (() => void) | undefined
  #working: Promise<void> | undefined
  #isStopped = false

  constructor(init: IndexerInit) {
    this.#init = init
  }

  start(): void {
    const { archive, index, log } = this.#init
    this.#seen = log.published
    this.#unsubscribe = [
      log.onPublish((groups) => this.#published(groups)),
      archive.onChange((change) => this.#archiveChanged(change)),
    ]
    index.onLost(() => {
      if (this.#state === 'read') this.#state = 'unread'
      this.#arm()
    })
    this.#arm()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    for (const end of this.#unsubscribe) end()
    this.#cancelTimer?.()
    this.#tell()
    await this.#working
    await this.#init.index.close()
  }

  /**
   * Resolves when the index has what the peer was told is durable, as far as it asks for it.
   * @throws `index-behind` after two seconds, `daemon-stopping`
   */
  async reach(peer: PeerId, asks: { block(row: BlockRow): boolean; readonly archive: boolean }): Promise<void> {
    const { clock, log } = this.#init
    const wanted = new Map<number, number>()
    const collect = (): void => {
      for (const [source, position] of this.#claims.of(peer)) {
        const row = log.index.byId(source)
        if (source === archiveSource ? !asks.archive : row === undefined || !asks.block(row)) continue
        wanted.set(source, position)
        if (source !== archiveSource) this.#due.now(source)
      }
    }
    const wasRead = this.#state === 'read'
    if (wasRead) collect()
    let isLate = false
    const cancel = clock.after(maxWaitMs, () => {
      isLate = true
      this.#tell()
    })
    try {
      if (!wasRead || wanted.size > 0) this.#arm()
      let mustCollect = !wasRead
      while (this.#state !== 'read' || mustCollect || [...wanted].some((claim) => !this.#isReached(...claim))) {
        if (this.#isStopped) throw new MooringError('daemon-stopping')
        if (isLate) throw new MooringError('index-behind', { retryAfterMs: 1_000 })
        if (this.#state === 'read' && mustCollect) {
          mustCollect = false
          collect()
          this.#arm()
          continue
        }
        await new Promise<void>((resolve) => this.#waiting.add(resolve))
      }
    } finally {
      cancel()
    }
  }

  /** Makes the index anew. Resolves with what is in it then. @throws `daemon-stopping`, `cancelled` */
  async rebuild(signal: AbortSignal): Promise<{ blocks: number; entries: number }> {
    this.#state = 'to be cleared'
    this.#retryAtMs = 0
    const onAbort = (): void => this.#tell()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      this.#arm()
      while (!this.#isComplete()) {
        if (this.#isStopped) throw new MooringError('daemon-stopping')
        if (signal.aborted) throw new MooringError('cancelled')
        await new Promise<void>((resolve) => this.#waiting.add(resolve))
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    return { blocks: this.#indexed.size, entries: (await this.#init.index.positions()).entries }
  }

  /** Everything is in it that was there when it was begun. */
  #isComplete(): boolean {
    return this.#state === 'read' && this.#claims.of(everybody).next().done === true
  }

  #isReached(source: number, position: number): boolean {
    if (source === archiveSource) return this.#archive >= position
    const row = this.#init.log.index.byId(source)
    return row === undefined || row.deletedSeq > 0 || (this.#indexed.get(source) ?? 0) >= position
  }

  #published(groups: readonly LogGroup[]): void {
    const { log } = this.#init
    for (const group of groups) {
      this.#claims.add(group.block, group.origin.peer, group.lastSeq)
      this.#look(group.block)
    }
    const events = log.index.events(this.#seen, log.published)
    for (const { block } of events) this.#look(block)
    // What was released or has come back is in no group, and no event tells of it.
    if (groups.length === 0 && events.length === 0) for (const row of log.index.live()) this.#look(row.id)
    this.#seen = log.published
    this.#arm()
  }

  #archiveChanged({ kind, n, by }: ArchiveChange): void {
    if (kind === 'removed') this.#gone.push({ kind: 'archive', source: n })
    else {
      this.#hasEntries = true
      this.#claims.add(archiveSource, by, n)
    }
    this.#arm()
  }

  /** Whether there is something of the block that the index does not have. */
  #look(block: BlockId, who?: typeof everybody): void {
    const row = this.#init.log.index.byId(block)
    const indexed = this.#indexed.get(block)
    if (row === undefined || row.deletedSeq > 0) {
      this.#due.forget(block)
      this.#claims.drop(block)
      if (this.#indexed.delete(block)) this.#gone.push({ kind: 'block', source: block })
    } else if (indexed === undefined ? row.changes > 0 : indexed < row.visibleSeq) {
      if (who !== undefined) this.#claims.add(block, who, row.visibleSeq)
      this.#due.soon(block, this.#init.clock.monotonicMs())
    }
  }

  #arm(): void {
    if (this.#isStopped || this.#working !== undefined) return
    const { clock } = this.#init
    const nowMs = clock.monotonicMs()
    const isIdle = this.#state === 'read' && this.#gone.length === 0 && !this.#hasEntries
    const dueMs = Math.max(isIdle ? this.#due.nextMs : nowMs, this.#retryAtMs)
    this.#cancelTimer?.()
    if (dueMs === Number.POSITIVE_INFINITY) return
    this.#cancelTimer = clock.after(Math.max(0, dueMs - nowMs), () => {
      this.#working = this.#work().finally(() => {
        this.#working = undefined
        this.#tell()
        this.#arm()
      })
    })
  }

  async #work(): Promise<void> {
    try {
      if (this.#state !== 'read') await this.#read()
      while (!this.#isStopped && this.#state === 'read' && (await this.#batch())) this.#tell()
    } catch (error) {
      if (this.#isStopped) return
      const isAnew = error instanceof MooringError && error.code === 'index-behind'
      this.#retryAtMs = this.#init.clock.monotonicMs() + (isAnew ? anewMs : retryMs)
      // What was in hand may be stored or not.
      if (this.#state === 'read') this.#state = 'unread'
      this.#init.logger.warn({ err: asError(error) }, 'the search index could not be written')
    }
  }

  /** Learns how far the index is. */
  async #read(): Promise<void> {
    const { index, log, storage } = this.#init
    const isRebuilt = this.#state === 'to be cleared'
    if (isRebuilt) await index.clear()
    this.#state = 'unread'
    const [epochs, last] = [await storage.epochs(), await storage.archive.last()]
    let positions = await index.positions()
    if (!isOfThisStore(positions, { epochs, published: log.published, last })) {
      await index.clear()
      positions = await index.positions()
    }
    this.#epoch = epochs.at(-1)?.id ?? ''
    this.#indexed.clear()
    for (const { block, seq } of positions.blocks) this.#indexed.set(block, seq)
    for (const block of [...this.#indexed.keys()]) this.#look(block, everybody)
    for (const row of log.index.live()) {
      this.#look(row.id, everybody)
      // Somebody waits for it.
      if (isRebuilt && row.changes > 0) this.#due.now(row.id)
    }
    this.#archive = positions.archive
    this.#hasEntries = last > this.#archive
    if (this.#hasEntries) this.#claims.add(archiveSource, everybody, last)
    this.#gone.push(...(await removedEntries(index, storage.archive)))
    // Asked for meanwhile, or lost once more.
    if (this.#state === 'unread') this.#state = 'read'
  }

  /** Reads and stores some of what is due. Answers whether there was anything. */
  async #batch(): Promise<boolean> {
    const { clock, index, log, storage } = this.#init
    const gone = this.#gone.splice(0, 1_000)
    const put: SearchDocument[] = []
    for (let chars = 0; put.length < maxBatch && chars < maxBatchChars && !this.#isStopped; ) {
      const block = this.#due.take(clock.monotonicMs())
      if (block === undefined) break
      const document = await this.#document(block)
      if (document !== undefined) put.push(document)
      chars += document?.text.length ?? 0
    }
    const entries = this.#hasEntries ? await pageOfArchive(storage.archive, this.#archive) : undefined
    if (this.#isStopped || (gone.length + put.length === 0 && entries === undefined)) return false
    const archive = entries?.until ?? this.#archive
    const all = [...put, ...(entries?.documents ?? [])]
    await index.write({ epoch: this.#epoch, seq: log.published, archive, put: all, gone })
    for (const { source, seq } of put) {
      this.#indexed.set(source, seq)
      this.#claims.reached(source, seq)
      this.#look(source)
    }
    if (entries === undefined) return true
    this.#archive = archive
    this.#hasEntries = !entries.isLast
    this.#claims.reached(archiveSource, archive)
    // Removed between reading and writing.
    this.#gone.push(...(await removedOf(storage.archive, entries.documents)))
    return true
  }

  async #document(block: BlockId): Promise<SearchDocument | undefined> {
    const { clock, log, logger, views } = this.#init
    const seq = log.published
    // Whoever was told of an event up to here has dropped what it made without it.
    await nextTurn()
    const row = log.index.byId(block)
    if (row === undefined || row.deletedSeq > 0) return undefined
    const beganMs = clock.monotonicMs()
    try {
      const { text } = await views.render(row, seq)
      this.#due.rested(block, beganMs, clock.monotonicMs())
      return { kind: 'block', source: block, key: row.address, scope: row.scope, seq, text: searchable(text) }
    } catch (error) {
      if (this.#isStopped) return undefined
      this.#due.later(block, clock.monotonicMs() + retryMs)
      this.#claims.dropEverybodys(block)
      logger.warn({ block: row.address, err: asError(error) }, 'a block could not be read into the search index')
      return undefined
    }
  }

  #tell(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }
}
