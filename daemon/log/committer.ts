/**
 * Group commit: whatever arrived while one transaction ran forms the next. Publishing happens right after the commit,
 * in `seq` order, before anyone is told: visible implies durable, and nobody reads past what is published.
 */
import { MooringError } from '../../protocol/errors.ts'
import type {
  AppendOutcome,
  BlockId,
  BlockRow,
  LogEntry,
  QuarantineEntry,
  ReleaseEntry,
  ReturnEntry,
  Seq,
  SetBackEntry,
  Storage,
} from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import type { FanOut } from './fan-out.ts'
import type { Missing } from './missing.ts'
import type { Quarantine } from './quarantine.ts'
import { type AuthoredTip, groupBounds, LogGroup, type LogItem } from './ring.ts'

interface Submission {
  readonly entries: readonly LogEntry[]
  resolve(outcomes: readonly AppendOutcome[]): void
  reject(error: unknown): void
}

/** Entries of one transaction: enough that its fsync costs nothing per change, few enough that it ends soon. */
const maxBatchEntries = 1_000

/** What puts rows into no group: whoever is behind them reads them from disk. */
const restarting: ReadonlySet<LogEntry['kind']> = new Set(['release', 'replace', 'set-back', 'return'])

export interface CommitterComponents {
  readonly storage: Storage
  readonly index: BlockIndex
  readonly fanOut: FanOut
  readonly quarantine: Quarantine
  readonly missing: Missing
  /** What was known of the block holds no more; told before anything else can be checked against it. */
  onSetBack(block: BlockId): void
}

export class Committer {
  readonly #components: CommitterComponents
  readonly #listeners = new Set<(groups: readonly LogGroup[]) => void>()
  #queue: Submission[] = []
  #running: Promise<void> | undefined
  #published: Seq

  constructor(components: CommitterComponents, published: Seq) {
    this.#components = components
    this.#published = published
  }

  /** The log may be read up to here. */
  get published(): Seq {
    return this.#published
  }

  /** Told after each commit, in order. Listeners must not throw and must not wait. */
  onPublish(listener: (groups: readonly LogGroup[]) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves once the entries are durable and published. Entries of one call stay together and in order. */
  submit(entries: readonly LogEntry[]): Promise<readonly AppendOutcome[]> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ entries, resolve, reject })
      this.#running ??= this.#drain()
    })
  }

  /** Resolves when everything that was submitted before is durable or refused. */
  async barrier(): Promise<void> {
    await this.submit([]).catch(() => {})
  }

  async #drain(): Promise<void> {
    // One turn of the event loop: what arrives in the same turn shares the first transaction.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#queue.length > 0) {
      const batch = this.#take()
      const entries = batch.flatMap((submission) => submission.entries)
      try {
        const outcomes = await this.#components.storage.append(entries)
        this.#publish(entries, outcomes)
        let offset = 0
        for (const submission of batch) {
          submission.resolve(outcomes.slice(offset, offset + submission.entries.length))
          offset += submission.entries.length
        }
        this.#refuseBehind(entries, outcomes)
      } catch (error) {
        // What is queued was checked against what has just failed: it goes too, and is sent again.
        const reason = error instanceof MooringError ? error : new MooringError('storage-failed', { cause: error })
        for (const submission of [...batch, ...this.#queue.splice(0)]) submission.reject(reason)
      }
    }
    this.#running = undefined
  }

  #take(): Submission[] {
    let entries = 0
    let amount = 0
    for (const submission of this.#queue) {
      if (amount > 0 && entries + submission.entries.length > maxBatchEntries) break
      entries += submission.entries.length
      amount++
    }
    return this.#queue.splice(0, amount)
  }

  /** A queued change may build on one that was refused: the log must not get a hole. */
  #refuseBehind(entries: readonly LogEntry[], outcomes: readonly AppendOutcome[]): void {
    const blocks = new Set<number>()
    for (const [position, entry] of entries.entries()) {
      const outcome = outcomes[position]?.kind
      if (entry.kind === 'change' && outcome === 'refused') blocks.add(entry.block)
      // What is queued was checked against what the block was before.
      if (entry.kind === 'set-back' && outcome === 'stored') blocks.add(entry.row.id)
    }
    if (blocks.size === 0) return
    const isBehind = (submission: Submission): boolean =>
      submission.entries.some((entry) => entry.kind === 'change' && blocks.has(entry.block))
    const behind = this.#queue.filter(isBehind)
    this.#queue = this.#queue.filter((submission) => !isBehind(submission))
    for (const submission of behind) submission.reject(new MooringError('missing-deps'))
  }

  #publish(entries: readonly LogEntry[], outcomes: readonly AppendOutcome[]): void {
    const { fanOut, index } = this.#components
    const groups: LogGroup[] = []
    let items: LogItem[] = []
    let tips = new Map<string, AuthoredTip>()
    let bytes = 0
    let current: LogEntry | undefined
    const close = (): void => {
      if (current?.kind === 'change' && items.length > 0) {
        groups.push(new LogGroup(current.block, current.origin, items, [...tips.values()]).owned())
      }
      items = []
      tips = new Map()
      bytes = 0
    }
    for (const [position, entry] of entries.entries()) {
      const outcome = outcomes[position]
      if (outcome?.kind !== 'stored') continue
      this.#published = Math.max(this.#published, outcome.seq)
      if (entry.kind !== 'change') {
        close()
        current = undefined
        if (entry.kind === 'create' && outcome.block !== undefined) {
          const before = index.at(outcome.block.address)
          if (before !== undefined) index.deleted(before.id, outcome.block.createdSeq - 1)
          index.created(outcome.block)
        }
        if (entry.kind === 'delete') index.deleted(entry.block, outcome.seq)
        if (entry.kind === 'meta' && outcome.block !== undefined) index.described(outcome.block)
        if (entry.kind === 'replace' && outcome.block !== undefined) {
          index.deleted(entry.block, outcome.block.createdSeq - 1)
          index.created(outcome.block)
        }
        if (entry.kind === 'quarantine') this.#setAside(entry, outcome.seq)
        if (entry.kind === 'release') this.#release(entry, outcome.seq)
        if (entry.kind === 'set-back') this.#setBack(entry, outcome.block ?? entry.row)
        if (entry.kind === 'return') this.#return(entry, outcome.seq)
        continue
      }
      const isFull = items.length >= groupBounds.maxChanges || bytes + entry.bytes.byteLength > groupBounds.maxBytes
      const isOther =
        current?.kind !== 'change' ||
        current.block !== entry.block ||
        current.origin.peer !== entry.origin.peer ||
        current.origin.replica !== entry.origin.replica
      if (isOther || isFull) close()
      current = entry
      items.push({ seq: outcome.seq, actor: entry.actor, actorSeq: entry.actorSeq, bytes: entry.bytes })
      bytes += entry.bytes.byteLength
      if (entry.tip !== undefined) tips.set(entry.actor, { ...entry.tip, peer: entry.tip.peer ?? entry.origin.peer })
      index.changed(entry.block, { ...entry, seq: outcome.seq })
    }
    close()
    // These rows are in no group: whoever is behind them reads them from disk, with their authors' signatures.
    if (entries.some(({ kind }) => restarting.has(kind))) fanOut.restart(this.#published)
    else fanOut.add(groups, this.#published)
    for (const listener of this.#listeners) listener(groups)
  }

  #setAside({ block, changes, suspend, atMs }: QuarantineEntry, eventSeq: Seq): void {
    const { index, quarantine } = this.#components
    const fresh = changes.filter(({ hash }) => !quarantine.hasHash(block, hash))
    for (const change of fresh) quarantine.add({ ...change, block, eventSeq, atMs })
    for (const { peer, reason } of suspend) quarantine.suspend({ peer, reason, atMs })
    index.quarantined(
      block,
      eventSeq,
      fresh.map(({ hash }) => hash),
    )
  }

  #setBack({ lost, row: { id }, waiting }: SetBackEntry, row: BlockRow): void {
    const { index, missing, onSetBack } = this.#components
    onSetBack(id)
    index.setBack(row)
    missing.add(
      lost,
      waiting.map(({ seq, hash }) => ({ block: id, seq, hash })),
    )
  }

  #return({ block, changes }: ReturnEntry, lastSeq: Seq): void {
    const { index, missing } = this.#components
    for (const [position, { hash, deps, maxOp, ops }] of changes.entries()) {
      index.changed(block, { seq: lastSeq - changes.length + 1 + position, hash, deps, maxOp, ops })
    }
    missing.endWaiting(
      block,
      changes.map(({ seq }) => seq),
    )
  }

  #release({ block, changes }: ReleaseEntry, lastSeq: Seq): void {
    const { index, quarantine } = this.#components
    const released = changes.filter(({ hash }) => quarantine.hasHash(block, hash))
    for (const [position, { hash, deps }] of released.entries()) {
      quarantine.remove(block, hash)
      // They were counted when they came first; only their place is new.
      index.changed(block, { seq: lastSeq - released.length + 1 + position, hash, deps, maxOp: 0, ops: 0 })
    }
  }
}
