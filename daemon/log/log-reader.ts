/** Reads the log from disk in the unit in which it is sent, with the authors' signatures where they end a group. */
import type { BlockId, ChangeRow, ClockRow, Seq, Snapshot, Storage } from '../storage/storage.ts'
import type { Authors } from './authors.ts'
import { type AuthoredTip, groupBounds, LogGroup } from './ring.ts'

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

  constructor(storage: Storage, authors: Authors) {
    this.#storage = storage
    this.#authors = authors
  }

  snapshot(block: BlockId): Promise<Snapshot | undefined> {
    return this.#storage.snapshot(block)
  }

  clock(block: BlockId): Promise<readonly ClockRow[]> {
    return this.#storage.clock(block)
  }

  /** The newest signature of each actor of a block. */
  async tips(block: BlockId): Promise<AuthoredTip[]> {
    return (await this.#storage.clock(block)).flatMap(({ actor, seq, hash, signature }) => {
      const peer = this.#authors.of(actor)
      return peer === undefined || signature.byteLength === 0 ? [] : [{ actor, seq, hash, signature, peer }]
    })
  }

  /** The first change after a position, of each actor of a block that has one. */
  firstAfter(block: BlockId, after: Seq): ReturnType<Storage['firstAfter']> {
    return this.#storage.firstAfter(block, after)
  }

  /** Groups with `after` < seq ≤ `until`, in log order, as many as one read gives. */
  async page(after: Seq, until: Seq, block?: BlockId): Promise<GroupPage> {
    const query = { after, until, maxBytes: pageBytes, ...(block === undefined ? {} : { block }) }
    const { rows, next } = await this.#storage.readLog(query)
    const tips = new Map<BlockId, ReadonlyMap<string, AuthoredTip>>()
    const groups: LogGroup[] = []
    for (const part of grouped(rows)) {
      const [first] = part
      if (first === undefined) continue
      let ofBlock = tips.get(first.block)
      if (ofBlock === undefined) {
        const all = await this.tips(first.block)
        ofBlock = new Map(all.map((tip) => [tip.hash, tip]))
        tips.set(first.block, ofBlock)
      }
      const ending = part.flatMap((row) => ofBlock.get(row.hash) ?? [])
      groups.push(new LogGroup(first.block, first.origin, part, ending))
    }
    return { groups, next }
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
