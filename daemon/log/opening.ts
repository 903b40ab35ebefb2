/**
 * What a replica says when it opens, in as many parts as that takes: what it follows, how far it has read, what it wrote. Keeps:
 * what is remembered of it is counted, and what it wrote to a block that is over is not forgotten for that.
 */
import type { BlockAddress } from '../../protocol/ids.ts'
import type { DiallerFrame, Frame } from '../../protocol/sync/index.ts'
import type { Epoch, Seq } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import { decodeCursor, isValidCursor } from './cursor.ts'
import { type HeldBlock, heldCost } from './have-list.ts'
import { type Holding, holdingCosts } from './holdings.ts'
import { type LostContentInit, tellLost } from './lost-content.ts'
import type { Possession } from './possession.ts'
import type { WatchList } from './watch-list.ts'

/** What a part of `open` names. */
type Named = Pick<Frame<DiallerFrame, 'open-more'>, 'watch' | 'own'>
type OpenFrame = Pick<Frame<DiallerFrame, 'open'>, 'cursor' | 'seen'>

export interface OpeningInit extends LostContentInit {
  readonly index: BlockIndex
  readonly holding: Holding
  readonly own: Possession
  readonly watches: WatchList
}

export class Opening {
  readonly #init: OpeningInit
  readonly #frame: OpenFrame
  /** What it wrote in generations that do not live; of each address in one. */
  readonly #over = new Map<BlockAddress, HeldBlock>()
  #hasOwn = false

  constructor(frame: OpenFrame, init: OpeningInit) {
    this.#frame = frame
    this.#init = init
  }

  /** @throws `quota-exceeded` */
  name({ watch, own }: Named): void {
    const { index, own: possession, watches } = this.#init
    for (const pattern of watch) watches.add(pattern)
    possession.addHeld(own, index)
    this.#hasOwn ||= own.length > 0
    for (const each of own) if (index.at(each.address)?.generation !== each.generation) this.#addOver(each)
  }

  /** Whether the replica can be asked what it has: there is something. */
  get isKnown(): boolean {
    return this.#frame.cursor !== undefined || this.#hasOwn
  }

  /** Where the log goes on for it; undefined when its cursor does not say that. */
  resumeFrom(view: string, epochs: readonly Epoch[], published: Seq): Seq | undefined {
    const cursor = decodeCursor(this.#frame.cursor)
    if (cursor === undefined || !isValidCursor(cursor, this.#frame.seen ?? 0, view, epochs, published)) return undefined
    // It may hold what the log has lost since then.
    const { index, watches } = this.#init
    return index.isSetBackAfter(cursor.seq, watches.matcher()) ? undefined : cursor.seq
  }

  /** A cursor speaks for what the replica has heard, and not for what it wrote. */
  async tellLost(): Promise<void> {
    for (const held of this.#over.values()) {
      if (this.#init.watches.matches(held.address)) await tellLost(this.#init, held)
      this.#init.holding.free(heldCost(held))
    }
    this.#over.clear()
  }

  #addOver({ address, generation, actor, seq }: Named['own'][number]): void {
    const { holding } = this.#init
    let held = this.#over.get(address)
    if (held === undefined) {
      held = { address, generation, clock: new Map() }
      holding.add(heldCost(held))
      this.#over.set(address, held)
    }
    if (held.generation !== generation || held.clock?.has(actor) !== false) return
    holding.add(holdingCosts.actor)
    held.clock.set(actor, seq)
  }
}
