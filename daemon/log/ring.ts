/**
 * The newest part of the log in memory: what watchers at the tail are fed from. Bounded in bytes; who falls behind it
 * reads the log from disk until its position is inside again.
 */
import type { ActorId, ChangeHash, PeerId } from '../../protocol/ids.ts'
import { encodeRun, type RunEncoding } from '../../protocol/sync/index.ts'
import type { BlockId, Origin, Seq } from '../storage/storage.ts'

export interface LogItem {
  readonly seq: Seq
  readonly actor: ActorId
  readonly actorSeq: number
  readonly bytes: Uint8Array
}

/** An author's signature, ready to be sent. */
export interface AuthoredTip {
  readonly actor: ActorId
  readonly seq: number
  readonly hash: ChangeHash
  readonly signature: Uint8Array
  readonly peer: PeerId
}

/** Consecutive changes of one block and one origin: the unit that is sent. */
export class LogGroup {
  readonly block: BlockId
  readonly origin: Origin
  readonly items: readonly LogItem[]
  readonly tips: readonly AuthoredTip[]
  readonly bytes: number
  readonly #runs = new Map<RunEncoding, Uint8Array>()
  /** How often it was sent. */
  sent = 0
  /** What was last made of this and those that follow it, up to one of them. */
  #joint: { readonly last: LogGroup; readonly whole: LogGroup } | undefined

  constructor(block: BlockId, origin: Origin, items: readonly LogItem[], tips: readonly AuthoredTip[]) {
    this.block = block
    this.origin = origin
    this.items = items
    this.tips = tips
    this.bytes = items.reduce((sum, item) => sum + item.bytes.byteLength, 0)
  }

  /**
   * The same group with bytes of its own. What arrived is a view of the frame, which is a view of what the transport
   * read: kept for long, sixty bytes would keep all of that.
   */
  owned(): LogGroup {
    const all = new Uint8Array(this.bytes)
    let offset = 0
    const items = this.items.map((item) => {
      const bytes = all.subarray(offset, offset + item.bytes.byteLength)
      bytes.set(item.bytes)
      offset += bytes.byteLength
      return { ...item, bytes }
    })
    const tips = this.tips.map((tip) => ({ ...tip, signature: Uint8Array.from(tip.signature) }))
    return new LogGroup(this.block, this.origin, items, tips)
  }

  /** This and groups that follow it in the log as one. Kept, because many readers that are behind ask for the same. */
  with(next: readonly LogGroup[]): LogGroup {
    const last = next.at(-1)
    if (last === undefined) return this
    if (this.#joint?.last !== last) {
      const all = [this, ...next]
      const tips = new Map(all.flatMap((group) => group.tips.map((tip) => [tip.actor, tip])))
      const items = all.flatMap((group) => group.items)
      this.#joint = { last, whole: new LogGroup(this.block, this.origin, items, [...tips.values()]) }
    }
    return this.#joint.whole
  }

  isLike({ block, origin }: LogGroup): boolean {
    return block === this.block && origin.peer === this.origin.peer && origin.replica === this.origin.replica
  }

  get firstSeq(): Seq {
    return this.items[0]?.seq ?? 0
  }

  get lastSeq(): Seq {
    return this.items.at(-1)?.seq ?? 0
  }

  /** The group less some items; undefined when nothing is left. */
  without(isHeld: (item: LogItem) => boolean): LogGroup | undefined {
    const items = this.items.filter((item) => !isHeld(item))
    if (items.length === this.items.length) return this
    return items.length === 0 ? undefined : new LogGroup(this.block, this.origin, items, this.tips)
  }

  /** Encoded once for each encoding that is read, however many watchers there are. */
  run(encoding: RunEncoding): Uint8Array {
    this.sent++
    let run = this.#runs.get(encoding)
    if (run === undefined) {
      run = encodeRun(
        this.items.map((item) => item.bytes),
        encoding,
      )
      this.#runs.set(encoding, run)
    }
    return run
  }
}

/** Bounds of one group: it must fit a frame with its envelope and tips. */
export const groupBounds = { maxBytes: 128 * 1024, maxChanges: 256 } as const

/**
 * Groups in log order with those that follow each other made one, as far as the bounds go: small ones each cost a
 * signature and a frame, and pack worse.
 */
export function* joinGroups(groups: Iterable<LogGroup>): Generator<LogGroup, void, undefined> {
  let first: LogGroup | undefined
  let next: LogGroup[] = []
  let bytes = 0
  let changes = 0
  for (const group of groups) {
    bytes += group.bytes
    changes += group.items.length
    const fits = bytes <= groupBounds.maxBytes && changes <= groupBounds.maxChanges
    if (first?.isLike(group) && fits) {
      next.push(group)
      continue
    }
    if (first !== undefined) yield first.with(next)
    first = group
    next = []
    bytes = group.bytes
    changes = group.items.length
  }
  if (first !== undefined) yield first.with(next)
}

/** What a group takes in memory: its bytes, once more when encoded, and its objects, which outweigh short changes. */
const costOf = ({ bytes, items, tips }: LogGroup): number => 512 + 2 * bytes + 256 * items.length + 512 * tips.length

export class Ring {
  readonly #maxBytes: number
  #groups: LogGroup[] = []
  #bytes = 0
  /** Every group after this position is here. */
  #from: Seq

  constructor(from: Seq, maxBytes: number) {
    this.#from = from
    this.#maxBytes = maxBytes
  }

  push(group: LogGroup): void {
    this.#groups.push(group)
    this.#bytes += costOf(group)
    // Dropped in bulk: shifting one by one from the front of a long array costs its length each time.
    if (this.#bytes <= this.#maxBytes * 2) return
    let drop = 0
    while (this.#bytes > this.#maxBytes && drop < this.#groups.length - 1) {
      const oldest = this.#groups[drop++]
      if (oldest !== undefined) this.#bytes -= costOf(oldest)
      this.#from = oldest?.lastSeq ?? this.#from
    }
    this.#groups = this.#groups.slice(drop)
  }

  /** Forgets everything up to `position`: it is read from disk. */
  clear(position: Seq): void {
    this.#groups = []
    this.#bytes = 0
    this.#from = position
  }

  /** The groups after a position, or undefined when the position is older than the ring. */
  after(position: Seq): readonly LogGroup[] | undefined {
    if (position < this.#from) return undefined
    let low = 0
    let high = this.#groups.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#groups[middle]?.lastSeq ?? 0) <= position) low = middle + 1
      else high = middle
    }
    // A position inside a group comes from a cursor of an earlier reading of the log from disk.
    const first = this.#groups[low]
    if (first !== undefined && first.firstSeq <= position) return undefined
    return low === 0 ? this.#groups : this.#groups.slice(low)
  }
}
