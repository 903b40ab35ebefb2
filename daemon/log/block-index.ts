/**
 * Every block in memory, by id and by live address, and the block events in log order. Follows the store: a row is here
 * only after it is durable, so whatever is read from here has happened.
 */
import type { BlockAddress, ChangeHash, PeerId } from '../../protocol/ids.ts'
import type { BlockId, BlockRow, QuarantineRow, Seq, SetBackRow } from '../storage/storage.ts'
import { OptionsRoom } from './options-room.ts'

export interface BlockEvent {
  readonly seq: Seq
  readonly kind: 'created' | 'deleted' | 'meta' | 'quarantined' | 'set-back'
  readonly block: BlockId
}

export class BlockIndex {
  readonly #byId = new Map<BlockId, BlockRow>()
  readonly #live = new Map<BlockAddress, BlockId>()
  /** The live addresses in order: sorting them for each question would cost everyone else their turn. */
  #sorted: BlockAddress[] = []
  /** The blocks of each address, deleted or not, oldest first. */
  readonly #generations = new Map<BlockAddress, BlockId[]>()
  readonly #owned = new Map<PeerId, number>()
  readonly optionsRoom = new OptionsRoom()
  /** Ascending by seq. */
  #events: BlockEvent[] = []
  /** Blocks with changes that are no rows any more, and up to where. */
  readonly #horizons = new Map<BlockId, Seq>()
  #lastHorizon: Seq = 0
  #lastSetBack: Seq = 0

  load(
    rows: readonly BlockRow[],
    quarantined: readonly QuarantineRow[] = [],
    setBacks: readonly SetBackRow[] = [],
  ): void {
    for (const row of rows) this.#index(row)
    this.#sorted = [...this.#live.keys()].sort()
    const events = rows.flatMap((row): BlockEvent[] => [
      { seq: row.createdSeq, kind: 'created', block: row.id },
      ...(row.metaSeq <= row.createdSeq ? [] : [{ seq: row.metaSeq, kind: 'meta', block: row.id } as const]),
      ...(row.deletedSeq === 0 ? [] : [{ seq: row.deletedSeq, kind: 'deleted', block: row.id } as const]),
    ])
    const asides = new Map(quarantined.map((row) => [row.eventSeq, row.block]))
    for (const [seq, block] of asides) events.push({ seq, kind: 'quarantined', block })
    for (const { seq, block } of setBacks) {
      events.push({ seq, kind: 'set-back', block })
      this.#lastSetBack = Math.max(this.#lastSetBack, seq)
    }
    this.#events = events.sort((a, b) => a.seq - b.seq)
  }

  byId(id: BlockId): BlockRow | undefined {
    return this.#byId.get(id)
  }

  /** The live block at an address. */
  at(address: BlockAddress): BlockRow | undefined {
    const id = this.#live.get(address)
    return id === undefined ? undefined : this.#byId.get(id)
  }

  /** The newest generation that an address ever had; 0 for one that was never used. */
  generationOf(address: BlockAddress): number {
    const newest = this.#generations.get(address)?.at(-1)
    return newest === undefined ? 0 : (this.#byId.get(newest)?.generation ?? 0)
  }

  /** One generation of an address, deleted or not. */
  generation(address: BlockAddress, generation: number): BlockRow | undefined {
    for (const id of this.#generations.get(address) ?? []) {
      const row = this.#byId.get(id)
      if (row?.generation === generation) return row
    }
    return undefined
  }

  /** Live blocks in the order of their addresses. */
  live(): BlockRow[] {
    return this.#sorted.flatMap((address) => this.at(address) ?? [])
  }

  /** Live blocks from a place in the order of addresses on; the index must not change meanwhile. */
  *from(place: string): Generator<BlockRow, void, undefined> {
    for (let index = this.#placeOf(place); index < this.#sorted.length; index++) {
      const row = this.at(this.#sorted[index] as BlockAddress)
      if (row !== undefined) yield row
    }
  }

  /** Live blocks that a pattern covers, in order. */
  matching(pattern: string): BlockRow[] {
    const star = pattern.indexOf('*')
    const exact = this.at(pattern as BlockAddress)
    if (star < 0) return exact === undefined ? [] : [exact]
    // The star stands for all that is left, so a common beginning decides.
    const prefix = pattern.slice(0, star)
    const found: BlockRow[] = []
    for (let index = this.#placeOf(prefix); index < this.#sorted.length; index++) {
      const address = this.#sorted[index]
      if (address === undefined || !address.startsWith(prefix)) break
      const row = this.at(address)
      if (row !== undefined) found.push(row)
    }
    return found
  }

  /** Blocks that a peer made, deleted generations included: making and deleting is not free. */
  ownedBy(peer: PeerId): number {
    return this.#owned.get(peer) ?? 0
  }

  get size(): number {
    return this.#live.size
  }

  /** Events with `after` < seq ≤ `until`, in order. */
  events(after: Seq, until: Seq): BlockEvent[] {
    const found: BlockEvent[] = []
    for (let index = this.#firstAfter(after); index < this.#events.length; index++) {
      const event = this.#events[index]
      if (event === undefined || event.seq > until) break
      found.push(event)
    }
    return found
  }

  /** Whether a block that is asked for was set back after a position; hardly ever, so it is not looked for. */
  isSetBackAfter(position: Seq, isAsked: (address: BlockAddress) => boolean): boolean {
    if (position >= this.#lastSetBack) return false
    return this.events(position, this.#lastSetBack).some(({ kind, block }) => {
      const row = kind === 'set-back' ? this.#byId.get(block) : undefined
      return row !== undefined && isAsked(row.address)
    })
  }

  /** Blocks of which changes after a position are no rows any more: none at all for whoever is at the tail. */
  *foldedAfter(position: Seq): Generator<BlockId, void, undefined> {
    if (position >= this.#lastHorizon) return
    for (const [block, horizon] of this.#horizons) if (horizon > position) yield block
  }

  /**
   * Changes of the block up to `horizon` are about to go. Told before the first of them goes: whoever looks here after
   * reading rows knows of each that it may have missed.
   */
  folded(id: BlockId, horizon: Seq): void {
    const row = this.#byId.get(id)
    if (row === undefined || row.horizonSeq >= horizon) return
    this.#byId.set(id, { ...row, horizonSeq: horizon })
    this.#setHorizon(id, horizon)
  }

  created(row: BlockRow): void {
    this.#index(row)
    this.#sorted.splice(this.#placeOf(row.address), 0, row.address)
    this.#events.push({ seq: row.createdSeq, kind: 'created', block: row.id })
  }

  /** The block is what is left of it, also when its own row was damaged and it is here for the first time. */
  setBack(row: BlockRow): void {
    const isNew = !this.#byId.has(row.id)
    this.#horizons.delete(row.id)
    this.#index(row)
    if (isNew && row.deletedSeq === 0) this.#sorted.splice(this.#placeOf(row.address), 0, row.address)
    this.#events.push({ seq: row.visibleSeq, kind: 'set-back', block: row.id })
    this.#lastSetBack = row.visibleSeq
  }

  deleted(id: BlockId, seq: Seq): void {
    const row = this.#byId.get(id)
    if (row === undefined) return
    this.#byId.set(id, { ...row, deletedSeq: seq })
    if (this.#live.get(row.address) === id) {
      this.#live.delete(row.address)
      this.#sorted.splice(this.#placeOf(row.address), 1)
    }
    this.#events.push({ seq, kind: 'deleted', block: id })
  }

  /** What is said of the block beside its content was changed. Only the last time counts: it says all of it. */
  described({ id, meta, metaSeq, metaAtMs }: BlockRow): void {
    const row = this.#byId.get(id)
    if (row === undefined) return
    const last = this.#firstAfter(row.metaSeq - 1)
    if (this.#events[last]?.kind === 'meta') this.#events.splice(last, 1)
    this.optionsRoom.replace(row.owner, row.meta, meta)
    this.#byId.set(id, { ...row, meta, metaSeq, metaAtMs })
    this.#events.push({ seq: metaSeq, kind: 'meta', block: id })
  }

  /** Changes of the block were set aside. */
  quarantined(id: BlockId, seq: Seq, hashes: readonly ChangeHash[]): void {
    const row = this.#byId.get(id)
    if (row === undefined) return
    const heads = row.heads.filter((head) => !hashes.includes(head))
    this.#byId.set(id, { ...row, visibleSeq: seq, changes: row.changes - hashes.length, heads })
    this.#events.push({ seq, kind: 'quarantined', block: id })
  }

  /** The heads that a verified document has; of use only if nothing came after it. */
  verified(id: BlockId, seq: Seq, heads: readonly ChangeHash[]): void {
    const row = this.#byId.get(id)
    if (row !== undefined && row.visibleSeq <= seq) this.#byId.set(id, { ...row, heads: [...heads] })
  }

  /** A change of the block became durable. */
  changed(
    id: BlockId,
    change: { seq: Seq; hash: ChangeHash; deps: readonly ChangeHash[]; maxOp: number; ops: number },
  ): void {
    const row = this.#byId.get(id)
    if (row === undefined) return
    this.#byId.set(id, {
      ...row,
      visibleSeq: change.seq,
      maxOp: Math.max(row.maxOp, change.maxOp),
      ops: row.ops + change.ops,
      changes: row.changes + 1,
      heads: [...row.heads.filter((head) => !change.deps.includes(head)), change.hash],
    })
  }

  /** Where the first event after a position is, or would be. */
  #firstAfter(after: Seq): number {
    let low = 0
    let high = this.#events.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#events[middle]?.seq ?? 0) <= after) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Where an address is in the order, or would be. */
  #placeOf(address: string): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#sorted[middle] ?? '') < address) low = middle + 1
      else high = middle
    }
    return low
  }

  #setHorizon(id: BlockId, horizon: Seq): void {
    this.#horizons.set(id, horizon)
    this.#lastHorizon = Math.max(this.#lastHorizon, horizon)
  }

  #index(row: BlockRow): void {
    if (!this.#byId.has(row.id)) {
      this.#owned.set(row.owner, this.ownedBy(row.owner) + 1)
      // By id, which is the order in which they were made.
      const generations = this.#generations.get(row.address)
      if (generations === undefined) this.#generations.set(row.address, [row.id])
      else generations.push(row.id)
    }
    this.optionsRoom.replace(row.owner, this.#byId.get(row.id)?.meta, row.meta)
    this.#byId.set(row.id, row)
    if (row.horizonSeq > 0) this.#setHorizon(row.id, row.horizonSeq)
    if (row.deletedSeq === 0) this.#live.set(row.address, row.id)
  }
}
