/**
 * What a replica says it holds of its own, as far as it keeps the daemon from sending it. Keeps true: whatever a replica
 * claims, what is remembered of it is bounded; what is forgotten is merely sent once more.
 */
import type { DiallerFrame, Frame } from '../../protocol/sync/index.ts'
import type { BlockId, Seq } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import { type Holding, holdingCosts } from './holdings.ts'

/** Newest sequence number of each actor. */
export type Clock = ReadonlyMap<string, Seq>

/** Actors kept for one replica: one or two for each block that it writes to. */
const maxActors = 10_000

/** The newest changes of the replica's own actors that it holds. */
export class Possession {
  readonly #blocks = new Map<BlockId, Map<string, Seq>>()
  readonly #holding: Holding
  readonly #maxActors: number
  #actors = 0

  constructor(holding: Holding, max = maxActors) {
    this.#holding = holding
    this.#maxActors = max
  }

  /** Actors that are remembered. */
  get size(): number {
    return this.#actors
  }

  of(block: BlockId): Clock | undefined {
    return this.#blocks.get(block)
  }

  /** @throws `quota-exceeded` */
  add(block: BlockId, actor: string, seq: Seq): void {
    const known = this.#blocks.get(block)
    if (known?.has(actor) !== true) {
      this.#holding.add(holdingCosts.actor + (known === undefined ? holdingCosts.block : 0))
      this.#actors++
    }
    const clock = known ?? new Map<string, Seq>()
    if (known === undefined) this.#blocks.set(block, clock)
    clock.set(actor, Math.max(clock.get(actor) ?? 0, seq))
    while (this.#actors > this.#maxActors) this.#forgetOldest()
  }

  /** What a replica says that it holds, of the blocks that it means. @throws `quota-exceeded` */
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
      this.#holding.free(holdingCosts.actor + (clock.size === 0 ? holdingCosts.block : 0))
      return
    }
  }
}
