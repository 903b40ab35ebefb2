/**
 * What a replica says it holds, as far as it keeps the daemon from sending it. Keeps true: whatever a replica claims, what
 * is remembered of it is bounded; what is forgotten is merely sent once more.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { BlockAddress } from '../../protocol/ids.ts'
import type { DiallerFrame, Frame } from '../../protocol/sync/index.ts'
import type { BlockId, Seq } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'

/** Newest sequence number of each actor. */
export type Clock = ReadonlyMap<string, Seq>
type HaveEntry = Frame<DiallerFrame, 'have'>['entries'][number]

/** Actors kept for one replica, about 150 bytes each: one or two for each block that it writes to. */
const maxActors = 10_000
/** Blocks that one replica can have. */
const maxHaveBlocks = 20_000
/** Actors in the clocks of all blocks of a `have`, about 150 bytes each. */
const maxHaveActors = 200_000

/** The newest changes of the replica's own actors that it holds. */
export class Possession {
  readonly #blocks = new Map<BlockId, Map<string, Seq>>()
  readonly #maxActors: number
  #actors = 0

  constructor(max = maxActors) {
    this.#maxActors = max
  }

  /** Actors that are remembered. */
  get size(): number {
    return this.#actors
  }

  of(block: BlockId): Clock | undefined {
    return this.#blocks.get(block)
  }

  add(block: BlockId, actor: string, seq: Seq): void {
    const clock = this.#blocks.get(block) ?? new Map<string, Seq>()
    this.#blocks.set(block, clock)
    if (!clock.has(actor)) this.#actors++
    clock.set(actor, Math.max(clock.get(actor) ?? 0, seq))
    while (this.#actors > this.#maxActors) this.#forgetOldest()
  }

  /** What a replica says that it holds, of the blocks that it means. */
  addHeld(held: Frame<DiallerFrame, 'open'>['own'], index: Pick<BlockIndex, 'at'>): void {
    for (const { address, generation, actor, seq } of held) {
      const row = index.at(address)
      if (row !== undefined && row.generation === generation) this.add(row.id, actor, seq)
    }
  }

  /** The replica may have let go of what came after `seq`. */
  cut(block: BlockId, actor: string, seq: Seq): void {
    const clock = this.#blocks.get(block)
    if ((clock?.get(actor) ?? 0) > seq) clock?.set(actor, seq)
  }

  #forgetOldest(): void {
    for (const [block, clock] of this.#blocks) {
      for (const actor of clock.keys()) {
        clock.delete(actor)
        this.#actors--
        break
      }
      if (clock.size === 0) this.#blocks.delete(block)
      return
    }
  }
}

export interface HeldBlock {
  readonly generation: number
  /** Undefined when it was too long to be kept: the block is then sent whole. */
  clock: Map<string, Seq> | undefined
}

/** Collects the `have` frames of one resync; a block whose clock is long comes in several entries. */
export class HaveList {
  readonly blocks = new Map<BlockAddress, HeldBlock>()
  #actors = 0

  /** @throws `quota-exceeded` */
  add(entries: readonly HaveEntry[]): void {
    for (const { address, generation, clock } of entries) {
      const known = this.blocks.get(address)
      const block = known?.generation === generation ? known : { generation, clock: new Map<string, Seq>() }
      if (block !== known) this.blocks.set(address, block)
      if (this.blocks.size > maxHaveBlocks) throw new MooringError('quota-exceeded', { detail: 'blocks in have' })
      this.#actors += clock.length
      if (this.#actors > maxHaveActors) block.clock = undefined
      for (const { actor, seq } of clock) block.clock?.set(actor, seq)
    }
  }
}
