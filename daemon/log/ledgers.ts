/**
 * The ledgers that are in memory, one for each block that somebody writes to. Keeps: there is one at a time for a block, it
 * has what the store has and what is on its way there, and what is kept over all blocks is bounded.
 */
import type { BlockId, Storage } from '../storage/storage.ts'
import { Ledger } from './ledger.ts'

/** Hashes, objects and actors kept over all blocks, about 130 bytes each; idle ledgers beyond it are read again. */
const maxEntries = 1_000_000

export class Ledgers {
  readonly #storage: Storage
  readonly #barrier: () => Promise<void>
  readonly #maxEntries: number
  /** In the order of their last use. */
  readonly #ledgers = new Map<BlockId, Promise<Ledger>>()
  readonly #sizes = new Map<BlockId, number>()
  /** Those that are loaded. */
  readonly #loaded = new Map<BlockId, Ledger>()
  /** Told apart from what was read before it: see {@link drop}. */
  readonly #drops = new Map<BlockId, number>()
  #entries = 0
  #isEvicting = false

  /** `barrier` resolves when everything on its way to the store has arrived. */
  constructor(storage: Storage, barrier: () => Promise<void>, max = maxEntries) {
    this.#storage = storage
    this.#barrier = barrier
    this.#maxEntries = max
  }

  /** Entries of all ledgers that are kept. */
  get size(): number {
    return this.#entries
  }

  /** Whether it is kept, or on its way. */
  has(block: BlockId): boolean {
    return this.#ledgers.has(block)
  }

  /** Entries of the ledger of a block when it was last kept; 0 for one that never was. */
  sizeOf(block: BlockId): number {
    return this.#sizes.get(block) ?? 0
  }

  /** Callers get their ledger in the order in which they asked, so that frames of one block keep theirs. */
  get(block: BlockId): Promise<Ledger> {
    const present = this.#ledgers.get(block)
    if (present !== undefined) {
      this.#ledgers.delete(block)
      this.#ledgers.set(block, present)
      return present
    }
    const loading = this.#load(block)
    this.#ledgers.set(block, loading)
    loading.catch(() => this.#ledgers.delete(block))
    return loading
  }

  /** The store did not take what the ledger holds. */
  discard(ledger: Ledger): void {
    if (ledger.isStale) return
    ledger.isStale = true
    this.#ledgers.delete(ledger.block)
    this.#loaded.delete(ledger.block)
    this.#entries -= ledger.counted
  }

  /** What the ledger of a block knows of its changes is too much by now: it is read again when it is needed. */
  async forget(block: BlockId): Promise<void> {
    const ledger = await this.#ledgers.get(block)?.catch(() => undefined)
    if (ledger !== undefined) this.discard(ledger)
  }

  /** At once, also what is being read at this moment: the block is another one from here on. */
  drop(block: BlockId): void {
    this.#drops.set(block, (this.#drops.get(block) ?? 0) + 1)
    const ledger = this.#loaded.get(block)
    if (ledger !== undefined) this.discard(ledger)
  }

  /** Whoever needs to know of the block, as who has a change to it, is refused with this until the returned function is called. */
  hold(block: BlockId, reason: Error): () => void {
    const held = Promise.reject<Ledger>(reason)
    held.catch(() => {})
    this.drop(block)
    this.#ledgers.set(block, held)
    return () => this.#ledgers.get(block) === held && this.#ledgers.delete(block)
  }

  /** A ledger has grown: counted anew, so that those that nobody uses make room. */
  grown(ledger: Ledger): void {
    if (ledger.isStale) return
    this.#entries += ledger.size - ledger.counted
    ledger.counted = ledger.size
    this.#sizes.set(ledger.block, ledger.size)
    if (this.#entries > this.#maxEntries && !this.#isEvicting) void this.#evict()
  }

  async #load(block: BlockId): Promise<Ledger> {
    for (;;) {
      // What is on its way must be in the store before it is read, or the new ledger would miss it.
      await this.#barrier()
      const drops = this.#drops.get(block)
      const ledger = await Ledger.of(await this.#storage.blockState(block))
      if (this.#drops.get(block) !== drops) continue
      this.#loaded.set(block, ledger)
      this.grown(ledger)
      return ledger
    }
  }

  async #evict(): Promise<void> {
    this.#isEvicting = true
    for (const [block, loading] of [...this.#ledgers]) {
      if (this.#entries <= this.#maxEntries) break
      const ledger = await loading.catch(() => undefined)
      // Stale afterwards: whoever was given it in this very moment asks for another.
      if (ledger !== undefined && ledger.inFlight === 0 && this.#ledgers.get(block) === loading) this.discard(ledger)
    }
    this.#isEvicting = false
  }
}
