/**
 * A watcher is a cursor on the log. One loop does everything that is sent: it introduces blocks, then reads the log from
 * its own position, from the ring at the tail or from disk behind it. Lag, resume and first sync are this one path, so
 * frames of one block keep log order and no queue grows with a slow reader.
 */

import { allows, type Grant, patternCovers } from '../../protocol/grants.ts'
import type { BlockAddress } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import { limits } from '../../protocol/limits.ts'
import type { DiallerFrame, Frame, ListenerEffect, ListenerSession } from '../../protocol/sync/index.ts'
import type { BlockId, BlockRow, Epoch, Origin, Seq } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import type { Committer } from './committer.ts'
import { decodeCursor, encodeCursor, isValidCursor, viewOf } from './cursor.ts'
import type { LogReader } from './log-reader.ts'
import type { LogGroup, Ring } from './ring.ts'

export interface WatcherComponents {
  readonly index: BlockIndex
  readonly ring: Ring
  readonly reader: LogReader
  readonly committer: Committer
  readonly epochs: readonly Epoch[]
  readonly clock: Clock
}

export interface WatcherInit {
  readonly session: ListenerSession
  readonly origin: Origin
  readonly signal: AbortSignal
  /** The grant as it is at this moment. */
  grants(): { readonly grants: readonly Grant[]; readonly grantVersion: number }
  apply(effects: readonly ListenerEffect[]): void
  /** Resolves when the stream takes more. */
  drained(): Promise<void>
}

type OpenFrame = Frame<DiallerFrame, 'open'>
type HaveEntry = Frame<DiallerFrame, 'have'>['entries'][number]
type Clocks = Map<string, number>

/** Caught-up cursors are issued at most this often: each costs the replica a write. */
const syncedEveryMs = 1_000

export class Watcher {
  readonly #components: WatcherComponents
  readonly #init: WatcherInit
  readonly #watches = new Set<string>()
  /** Blocks whose content the replica has up to `#position`. */
  readonly #following = new Set<BlockId>()
  /** Newest seq of the replica's own actors that it holds: never sent back to it. */
  readonly #own = new Map<BlockId, Clocks>()
  readonly #jobs: (() => Promise<void>)[] = []
  #have: Map<BlockAddress, HaveEntry> | undefined
  #position: Seq = 0
  #syncedAt: Seq = -1
  #syncedAtMs = Number.NEGATIVE_INFINITY
  #isOpen = false
  #wake: (() => void) | undefined
  #cancelTimer: (() => void) | undefined

  constructor(components: WatcherComponents, init: WatcherInit) {
    this.#components = components
    this.#init = init
    init.signal.addEventListener('abort', () => this.wake(), { once: true })
  }

  /** Runs until the signal; throws what reading the log throws. */
  async run(): Promise<void> {
    const stop = this.#components.committer.onPublish(() => this.wake())
    try {
      while (!this.#init.signal.aborted) {
        const job = this.#jobs.shift()
        if (job !== undefined) await job()
        else if (this.#isOpen && this.#position < this.#components.committer.published) await this.#advance()
        else await this.#rest()
      }
    } finally {
      stop()
      this.#cancelTimer?.()
    }
  }

  wake(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  open(frame: OpenFrame): void {
    for (const pattern of frame.watch) this.#watches.add(pattern)
    for (const own of frame.own) {
      const row = this.#components.index.at(own.address)
      if (row !== undefined && row.generation === own.generation) this.#holds(row.id, own.actor, own.seq)
    }
    this.#enqueue(() => this.#begin(frame))
  }

  have(entries: readonly HaveEntry[], isLast: boolean): void {
    this.#have ??= new Map()
    for (const entry of entries) this.#have.set(entry.address, entry)
    if (!isLast) return
    const have = this.#have
    this.#have = undefined
    this.#enqueue(async () => {
      this.#position = this.#components.committer.published
      this.#isOpen = true
      await this.#reconcile(have)
    })
  }

  watch(pattern: string): void {
    this.#watches.add(pattern)
    this.rescan()
  }

  unwatch(pattern: string): void {
    this.#watches.delete(pattern)
    this.#enqueue(async () => {
      for (const id of [...this.#following]) {
        const row = this.#components.index.byId(id)
        if (row === undefined || this.#matches(row.address)) continue
        this.#following.delete(id)
        this.#init.apply(this.#init.session.gone(row.address, 'no-match', id))
      }
    })
  }

  /** Looks again which blocks are to be sent: the watches or the grant have become wider. */
  rescan(): void {
    this.#enqueue(async () => {
      if (!this.#isOpen) return
      for (const row of this.#components.index.live()) await this.#follow(row)
    })
  }

  /** Answers a `create`: introduces the block under the handle that was asked for. */
  introduce(row: BlockRow, handle: number): void {
    this.#enqueue(async () => {
      const held = await this.#held(row.id)
      this.#init.apply(this.#init.session.block(row.id, row, held, handle))
    })
  }

  /** The replica sent these itself: it is never sent them again. */
  submitted(block: BlockId, actor: string, seq: number): void {
    this.#holds(block, actor, seq)
  }

  #enqueue(job: () => Promise<void>): void {
    this.#jobs.push(job)
    this.wake()
  }

  async #begin(frame: OpenFrame): Promise<void> {
    const { committer, epochs, index } = this.#components
    const cursor = frame.cursor === undefined ? undefined : decodeCursor(frame.cursor)
    if (cursor !== undefined && isValidCursor(cursor, this.#view(), epochs, committer.published)) {
      this.#position = cursor.seq
      this.#isOpen = true
      for (const row of index.live()) {
        if (row.createdSeq > cursor.seq || !this.#matches(row.address)) continue
        this.#following.add(row.id)
        // Quiet blocks need no handle until someone writes; blocks the replica has own changes in get their answer.
        if (row.visibleSeq > cursor.seq || this.#own.has(row.id)) await this.#introduce(row)
      }
      return
    }
    if (frame.cursor !== undefined || frame.own.length > 0) {
      this.#init.apply(this.#init.session.resync())
      return
    }
    this.#position = committer.published
    this.#isOpen = true
    for (const row of index.live()) await this.#follow(row)
  }

  /** Each block the replica has is answered by what it lacks, or by `gone`; blocks it has not heard of follow. */
  async #reconcile(have: ReadonlyMap<BlockAddress, HaveEntry>): Promise<void> {
    const { index } = this.#components
    for (const [address, entry] of have) {
      const row = index.at(address)
      const isSame = row !== undefined && row.generation === entry.generation
      if (row !== undefined && isSame && this.#matches(address)) {
        for (const { actor, seq } of entry.clock) this.#holds(row.id, actor, seq)
        await this.#follow(row, new Map(entry.clock.map(({ actor, seq }) => [actor as string, seq])))
      } else {
        const isReadable = this.#mayRead(address)
        const reason = !isReadable ? 'out-of-scope' : isSame ? 'no-match' : 'deleted'
        this.#init.apply(this.#init.session.gone(address, reason))
      }
    }
    for (const row of index.live()) await this.#follow(row)
  }

  /** Sends a block up to the present position; from there on the log carries it. */
  async #follow(row: BlockRow, clock?: ReadonlyMap<string, number>): Promise<void> {
    if (this.#following.has(row.id) || !this.#matches(row.address) || row.createdSeq > this.#position) return
    this.#following.add(row.id)
    await this.#introduce(row)
    const { reader } = this.#components
    let after: Seq = 0
    if (clock === undefined) {
      const snapshot = await reader.snapshot(row.id)
      if (snapshot !== undefined && snapshot.seq <= this.#position) {
        after = snapshot.seq
        await this.#sendSnapshot(row, snapshot.bytes)
      }
    }
    await this.#sendLog(after, this.#position, row.id, clock)
  }

  async #sendSnapshot(row: BlockRow, bytes: Uint8Array): Promise<void> {
    const tips = await this.#components.reader.tips(row.id)
    for (let offset = 0; offset < bytes.byteLength; offset += limits.maxChunkBytes) {
      await this.#writable()
      const piece = bytes.subarray(offset, offset + limits.maxChunkBytes)
      const isLast = offset + limits.maxChunkBytes >= bytes.byteLength
      this.#init.apply(this.#init.session.chunk(row.id, piece, isLast ? tips : undefined))
    }
  }

  async #sendLog(after: Seq, until: Seq, block: BlockId, clock?: ReadonlyMap<string, number>): Promise<void> {
    for await (const group of this.#components.reader.groups(after, until, block)) {
      await this.#sendGroup(group, clock)
      if (this.#init.signal.aborted) return
    }
  }

  /** One page of the log, from the ring or from disk. */
  async #advance(): Promise<void> {
    const { committer, reader, ring } = this.#components
    const until = committer.published
    const fromRing = ring.after(this.#position)
    if (fromRing !== undefined) {
      for (const group of fromRing) {
        await this.#passEvents(group.firstSeq)
        await this.#sendGroup(group)
        this.#position = Math.max(this.#position, group.lastSeq)
        if (this.#init.signal.aborted || this.#jobs.length > 0) return
      }
    } else {
      for await (const group of reader.groups(this.#position, until)) {
        await this.#passEvents(group.firstSeq)
        await this.#sendGroup(group)
        this.#position = Math.max(this.#position, group.lastSeq)
        if (this.#init.signal.aborted || this.#jobs.length > 0) return
      }
    }
    await this.#passEvents(until)
    this.#position = Math.max(this.#position, until)
  }

  /** Tells of blocks that were made or deleted between the position and `until`. */
  async #passEvents(until: Seq): Promise<void> {
    const { index } = this.#components
    for (const event of index.events(this.#position, until)) {
      const row = index.byId(event.block)
      this.#position = event.seq
      if (row === undefined || this.#following.has(row.id) === (event.kind === 'created')) continue
      if (event.kind === 'created' && this.#matches(row.address) && row.deletedSeq === 0) {
        this.#following.add(row.id)
        await this.#introduce(row)
      } else if (event.kind === 'deleted' && this.#following.delete(row.id)) {
        this.#init.apply(this.#init.session.gone(row.address, 'deleted', row.id))
      }
    }
  }

  async #sendGroup(group: LogGroup, clock?: ReadonlyMap<string, number>): Promise<void> {
    if (!this.#following.has(group.block)) return
    const own = group.origin.peer === this.#init.origin.peer && group.origin.replica === this.#init.origin.replica
    const held = own ? this.#own.get(group.block) : clock
    const lacks = held === undefined ? group : group.without((item) => item.actorSeq <= (held.get(item.actor) ?? 0))
    if (lacks === undefined) return
    await this.#writable()
    const row = this.#components.index.byId(group.block)
    if (row === undefined || this.#init.signal.aborted || !this.#following.has(group.block)) return
    await this.#introduce(row)
    this.#init.apply(this.#init.session.delta(group.block, lacks.lastSeq, lacks.run, lacks.tips))
  }

  /** Gives the block a handle, unless it has one. */
  async #introduce(row: BlockRow): Promise<void> {
    if (this.#init.session.handleOf(row.id) !== undefined) return
    const held = await this.#held(row.id)
    this.#init.apply(this.#init.session.block(row.id, row, held))
  }

  /** What the log holds of the actors that the replica called its own; the rest of them it sends again. */
  async #held(block: BlockId): Promise<{ actor: string; seq: number }[]> {
    const actors = this.#own.get(block)
    if (actors === undefined) return []
    const clock = await this.#components.reader.clock(block)
    return clock.filter((row) => actors.has(row.actor)).map(({ actor, seq }) => ({ actor, seq }))
  }

  #holds(block: BlockId, actor: string, seq: number): void {
    const clocks = this.#own.get(block) ?? new Map<string, number>()
    clocks.set(actor, Math.max(clocks.get(actor) ?? 0, seq))
    this.#own.set(block, clocks)
  }

  /** Waits for credit and for the stream; control frames never wait here. */
  async #writable(): Promise<void> {
    await this.#init.drained()
    while (this.#init.session.sendCredit <= 0 && !this.#init.signal.aborted) await this.#sleep()
  }

  /** At the tail: issues a cursor if one is due, then waits for something to do. */
  async #rest(): Promise<void> {
    if (this.#isOpen && this.#syncedAt < this.#position) {
      const dueMs = this.#syncedAtMs + syncedEveryMs - this.#components.clock.monotonicMs()
      if (dueMs <= 0) {
        this.#issueCursor()
      } else {
        this.#cancelTimer ??= this.#components.clock.after(dueMs, () => {
          this.#cancelTimer = undefined
          this.wake()
        })
      }
    }
    await this.#sleep()
  }

  #issueCursor(): void {
    this.#syncedAt = this.#position
    this.#syncedAtMs = this.#components.clock.monotonicMs()
    const epoch = this.#components.epochs.at(-1)?.id ?? ''
    const cursor = encodeCursor({ epoch, seq: this.#position, view: this.#view() })
    this.#init.apply(this.#init.session.synced(cursor))
  }

  #sleep(): Promise<void> {
    if (this.#init.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  #view(): string {
    return viewOf(this.#watches, this.#init.grants().grantVersion)
  }

  #mayRead(address: BlockAddress): boolean {
    return allows(this.#init.grants().grants, { area: 'blocks', right: 'read', subject: address })
  }

  #matches(address: BlockAddress): boolean {
    for (const pattern of this.#watches) if (patternCovers(pattern, address)) return this.#mayRead(address)
    return false
  }
}
