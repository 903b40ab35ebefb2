/**
 * What one replica says it holds of blocks that are not introduced to it, whether or not the log has them. Keeps: bounded, and
 * what is forgotten is merely sent once more; a replica is not shown another generation in place of one that this daemon
 * lost before it could bring that back.
 */
import type { BlockAddress } from '../../protocol/ids.ts'
import type { BlockRow } from '../storage/storage.ts'
import { type HeldBlock, heldCost } from './have-list.ts'
import type { Holding } from './holdings.ts'
import type { Clock } from './possession.ts'

type Generation = Pick<BlockRow, 'address' | 'generation'>

/** Some ten thousand blocks. */
const maxBytes = 8 * 1024 * 1024

export class Claims {
  readonly #holding: Holding
  readonly #held = new Map<BlockAddress, HeldBlock>()
  /** Blocks of which the replica was asked to bring a later generation back, or was refused to. */
  readonly #answers = new Map<BlockAddress, 'asked' | 'refused'>()
  #bytes = 0

  constructor(holding: Holding) {
    this.#holding = holding
  }

  /** @throws `quota-exceeded` */
  add(held: HeldBlock): void {
    this.#forget(held.address)
    this.#holding.add(heldCost(held))
    this.#held.set(held.address, held)
    this.#bytes += heldCost(held)
    for (const oldest of this.#held.keys()) {
      if (this.#bytes <= maxBytes) break
      this.#forget(oldest)
    }
  }

  /** What it holds of a block that is now introduced to it; told once. */
  take({ address, generation }: Generation): Clock | undefined {
    const held = this.#held.get(address)
    if (held?.generation !== generation) return undefined
    this.#forget(address)
    return held.clock
  }

  /** Whether it holds a later generation, which comes first. */
  outranks({ address, generation }: Generation): boolean {
    return this.#answers.get(address) !== 'refused' && (this.#held.get(address)?.generation ?? 0) > generation
  }

  /** Whether it has to be asked for what it holds; once. */
  ask(address: BlockAddress): boolean {
    const isFirst = !this.#answers.has(address)
    if (isFirst) this.#answers.set(address, 'asked')
    return isFirst
  }

  /** It does not come back: what is there is all that there is, also when the replica says only later what it holds. */
  refuse(address: BlockAddress): void {
    this.#answers.set(address, 'refused')
    this.#forget(address)
  }

  #forget(address: BlockAddress): void {
    const held = this.#held.get(address)
    if (held === undefined) return
    this.#held.delete(address)
    this.#bytes -= heldCost(held)
    this.#holding.free(heldCost(held))
  }
}
