/**
 * What a replica says that it has, answered block by block as it comes. Keeps: no more of it is in memory than was asked for,
 * however much the replica has, and a block is answered when all of its clock is here.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { BlockAddress } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import { type DiallerFrame, type Frame, HaveAllowance, haveCost } from '../../protocol/sync/index.ts'
import type { Seq } from '../storage/storage.ts'
import { type Holding, holdingCosts } from './holdings.ts'

type HaveEntry = Frame<DiallerFrame, 'have'>['entries'][number]

export interface HeldBlock {
  readonly address: BlockAddress
  readonly generation: number
  /** Undefined when it was too long to be kept: the block is then sent whole. */
  clock: Map<string, Seq> | undefined
}

export interface HaveListInit {
  readonly holding: Holding
  /** Lets the replica say more. */
  ask(): void
}

/** Blocks that one replica can have. */
const maxBlocks = 20_000

export const heldCost = ({ address, clock }: HeldBlock): number =>
  holdingCosts.block + holdingCosts.address + address.length + holdingCosts.actor * (clock?.size ?? 0)

export class HaveList {
  readonly #init: HaveListInit
  /** In the order in which they came, all of each. */
  readonly #complete: HeldBlock[] = []
  /** Of which more may come: a long clock comes in several entries. */
  #open: HeldBlock | undefined
  readonly #asked = new HaveAllowance()
  #blocks = 0
  /** As the replica counts it. */
  #waiting = 0
  #isWhole = false

  constructor(init: HaveListInit) {
    this.#init = init
  }

  /** All was said, and all was taken. */
  get isDone(): boolean {
    return this.#isWhole && this.#complete.length === 0
  }

  /** @throws `quota-exceeded` */
  add(entries: readonly HaveEntry[], isLast: boolean): void {
    for (const entry of entries) this.#add(entry)
    if (isLast) {
      this.#isWhole = true
      this.#close()
    }
    this.goOn()
  }

  /** The next block to be answered; what it costs is given back. */
  take(): HeldBlock | undefined {
    const next = this.#complete.shift()
    if (next === undefined) return undefined
    this.#init.holding.free(heldCost(next))
    this.#waiting -= costOf(next)
    this.goOn()
    return next
  }

  /** Asks for more before what is here is used up, so that the replica is not waited for. */
  goOn(): void {
    if (this.#isWhole || !this.#asked.isUsedUp || this.#waiting > limits.haveBytes / 2) return
    this.#asked.grant(limits.haveBytes)
    this.#init.ask()
  }

  #add({ address, generation, clock }: HaveEntry): void {
    if (this.#open?.address !== address || this.#open.generation !== generation) {
      this.#close()
      if (++this.#blocks > maxBlocks) throw new MooringError('quota-exceeded', { detail: 'blocks in have' })
      this.#open = { address, generation, clock: new Map() }
      this.#init.holding.add(heldCost(this.#open))
    }
    this.#asked.use([{ address, clock }])
    const held = this.#open.clock
    if (held === undefined) return
    const before = held.size
    for (const { actor, seq } of clock) held.set(actor, seq)
    if (held.size > limits.maxActorsPerBlock) {
      // The log has no such block: what is said of it is worth nothing.
      this.#init.holding.free(holdingCosts.actor * before)
      this.#open.clock = undefined
    } else this.#init.holding.add(holdingCosts.actor * (held.size - before))
  }

  #close(): void {
    if (this.#open === undefined) return
    this.#complete.push(this.#open)
    this.#waiting += costOf(this.#open)
    this.#open = undefined
  }
}

const costOf = ({ address, clock }: HeldBlock): number => haveCost([{ address, clock: { length: clock?.size ?? 0 } }])
