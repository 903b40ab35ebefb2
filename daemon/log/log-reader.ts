/** Reads the log from disk in the unit in which it is sent, with the authors' signatures where they end a group. */
import type { BlockId, ChangeRow, ClockRow, Seq, Snapshot, Storage } from '../storage/storage.ts'
import type { Authors } from './authors.ts'
import { type AuthoredTip, groupBounds, LogGroup } from './ring.ts'

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

  /** Groups with `after` < seq ≤ `until`, in log order. */
  async *groups(after: Seq, until: Seq, block?: BlockId): AsyncGenerator<LogGroup, void, undefined> {
    const tips = new Map<BlockId, ReadonlyMap<string, AuthoredTip>>()
    let position = after
    while (position < until) {
      const query = { after: position, until, maxBytes: pageBytes, ...(block === undefined ? {} : { block }) }
      const page = await this.#storage.readLog(query)
      for (const rows of grouped(page.rows)) {
        const [first] = rows
        if (first === undefined) continue
        let ofBlock = tips.get(first.block)
        if (ofBlock === undefined) {
          const all = await this.tips(first.block)
          ofBlock = new Map(all.map((tip) => [tip.hash, tip]))
          tips.set(first.block, ofBlock)
        }
        const ending = rows.flatMap((row) => ofBlock.get(row.hash) ?? [])
        yield new LogGroup(first.block, first.origin, rows, ending)
      }
      position = page.next
    }
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
