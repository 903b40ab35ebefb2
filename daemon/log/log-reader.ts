/**
 * Reads the log from disk in the unit in which it is sent, with the authors' signatures where they end a group. Keeps: what
 * is read costs what is in it, and one peer, however many streams it has, waits for its reads one after another.
 */
import type { ActorId, PeerId } from '../../protocol/ids.ts'
import type { BlockId, ChangeRow, ClockRow, Seq, Snapshot, Storage } from '../storage/storage.ts'
import type { Authors } from './authors.ts'
import { type AuthoredTip, groupBounds, LogGroup } from './ring.ts'
import { Turns } from './turns.ts'

/** A part of the log. */
export interface GroupPage {
  readonly groups: readonly LogGroup[]
  /** Where the next page starts. */
  readonly next: Seq
}

/** Bytes of changes per read: a few groups, so that a slow reader holds little. */
const pageBytes = 512 * 1024

export class LogReader {
  readonly #storage: Storage
  readonly #authors: Authors
  readonly #turns: Turns
  readonly #reader: PeerId | undefined

  constructor(storage: Storage, authors: Authors, turns = new Turns(), reader?: PeerId) {
    this.#storage = storage
    this.#authors = authors
    this.#turns = turns
    this.#reader = reader
  }

  /** For the streams of one peer: all that read wait for one thread, and nobody has more than one read before theirs. */
  of(peer: PeerId): LogReader {
    return new LogReader(this.#storage, this.#authors, this.#turns, peer)
  }

  snapshot(block: BlockId): Promise<Snapshot | undefined> {
    return this.#read(() => this.#storage.snapshot(block))
  }

  clock(block: BlockId, actors?: Iterable<ActorId>): Promise<readonly ClockRow[]> {
    return this.#read(() => this.#storage.clock(block, actors === undefined ? undefined : [...actors]))
  }

  /** The newest signature of each actor of a block. */
  async tips(block: BlockId): Promise<AuthoredTip[]> {
    return this.#signed(await this.clock(block))
  }

  #signed(clock: readonly ClockRow[]): AuthoredTip[] {
    return clock.flatMap(({ actor, seq, hash, signature }) => {
      const peer = this.#authors.of(actor)
      return peer === undefined || signature.byteLength === 0 ? [] : [{ actor, seq, hash, signature, peer }]
    })
  }

  /** The first change after a position, of each actor of a block that has one. */
  firstAfter(block: BlockId, after: Seq): ReturnType<Storage['firstAfter']> {
    return this.#read(() => this.#storage.firstAfter(block, after))
  }

  /**
   * Groups with `after` < seq ≤ `until`, in log order, as many as one read gives. Costs what is in it: a block may have had
   * any number of actors, and a slow reader takes many pages.
   */
  async page(after: Seq, until: Seq, block?: BlockId | readonly BlockId[]): Promise<GroupPage> {
    const query = { after, until, maxBytes: pageBytes, ...(block === undefined ? {} : { block }) }
    const { rows, next, clock } = await this.#read(() => this.#storage.readLog(query))
    const tips = new Map<string, AuthoredTip>()
    for (const row of clock) for (const tip of this.#signed([row])) tips.set(`${row.block} ${tip.hash}`, tip)
    const groups: LogGroup[] = []
    for (const part of grouped(rows)) {
      const [first] = part
      if (first === undefined) continue
      const ending = part.flatMap(({ block, hash }) => tips.get(`${block} ${hash}`) ?? [])
      groups.push(new LogGroup(first.block, first.origin, part, ending))
    }
    return { groups, next }
  }

  #read<Result>(read: () => Promise<Result>): Promise<Result> {
    return this.#reader === undefined ? read() : this.#turns.take(this.#reader, read)
  }
}

function* grouped(rows: readonly ChangeRow[]): Generator<ChangeRow[]> {
  let group: ChangeRow[] = []
  let bytes = 0
  for (const row of rows) {
    const [first] = group
    const isOther =
      first !== undefined &&
      (first.block !== row.block ||
        first.origin.peer !== row.origin.peer ||
        first.origin.replica !== row.origin.replica ||
        group.length >= groupBounds.maxChanges ||
        bytes + row.bytes.byteLength > groupBounds.maxBytes)
    if (isOther) {
      yield group
      group = []
      bytes = 0
    }
    group.push(row)
    bytes += row.bytes.byteLength
  }
  if (group.length > 0) yield group
}
