/**
 * What has to be known of a block to accept changes to it: clock, objects, known hashes. Runs ahead of the store by
 * what is on its way there; when the store refuses something, the ledger is thrown away and read again.
 */
import type { ActorId, ChangeHash } from '../../protocol/ids.ts'
import type { ActorTip, BlockKnowledge, ChangeFacts, KnownObject, NewObject } from '../../protocol/sync/index.ts'
import type { BlockId, BlockState, Storage } from '../storage/storage.ts'

export class Ledger implements BlockKnowledge {
  readonly block: BlockId
  readonly #clock = new Map<ActorId, ActorTip>()
  readonly #objects = new Map<string, KnownObject>()
  readonly #known = new Map<ChangeHash, number>()
  #undo: (() => void)[] = []
  maxOp: number
  ops: number
  gaps: number
  /** Frames handed to the store and not yet answered. */
  inFlight = 0
  /** True once the store refused something that this ledger holds. */
  isStale = false

  constructor(state: BlockState) {
    this.block = state.row.id
    this.maxOp = state.row.maxOp
    this.ops = state.row.ops
    this.gaps = state.row.gaps
    for (const row of state.clock) {
      this.#clock.set(row.actor, row)
      // The frozen initial change is in the clock and in no log row.
      this.#known.set(row.hash, row.maxOp)
    }
    for (const object of state.objects) this.#objects.set(object.id, object)
    for (const change of state.known) this.#known.set(change.hash, change.maxOp)
  }

  get size(): number {
    return this.#known.size
  }

  maxOpOf(hash: ChangeHash): number | undefined {
    return this.#known.get(hash)
  }

  object(opId: string): KnownObject | undefined {
    return this.#objects.get(opId)
  }

  lastOf(actor: ActorId): ActorTip | undefined {
    return this.#clock.get(actor)
  }

  /** Takes an admitted change in, until {@link keep} or {@link rollback}. */
  apply(facts: ChangeFacts, { objects, gap }: { objects: readonly NewObject[]; gap: number }): void {
    const before = { last: this.#clock.get(facts.actor), maxOp: this.maxOp, ops: this.ops, gaps: this.gaps }
    this.#clock.set(facts.actor, { seq: facts.seq, hash: facts.hash, maxOp: facts.maxOp })
    this.#known.set(facts.hash, facts.maxOp)
    for (const object of objects) this.#objects.set(object.opId, object)
    this.maxOp = Math.max(this.maxOp, facts.maxOp)
    this.ops += facts.ops
    this.gaps += gap
    this.#undo.push(() => {
      if (before.last === undefined) this.#clock.delete(facts.actor)
      else this.#clock.set(facts.actor, before.last)
      this.#known.delete(facts.hash)
      for (const object of objects) this.#objects.delete(object.opId)
      this.maxOp = before.maxOp
      this.ops = before.ops
      this.gaps = before.gaps
    })
  }

  keep(): void {
    this.#undo = []
  }

  rollback(): void {
    for (const step of this.#undo.reverse()) step()
    this.#undo = []
  }
}

/** Known hashes kept over all blocks, about 130 bytes each; idle ledgers beyond it are read again when needed. */
const maxKnownHashes = 1_000_000

export class Ledgers {
  readonly #storage: Storage
  readonly #barrier: () => Promise<void>
  /** In the order of their last use. */
  readonly #ledgers = new Map<BlockId, Promise<Ledger>>()
  #known = 0

  /** `barrier` resolves when everything on its way to the store has arrived. */
  constructor(storage: Storage, barrier: () => Promise<void>) {
    this.#storage = storage
    this.#barrier = barrier
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
    this.#known -= ledger.size
  }

  async #load(block: BlockId): Promise<Ledger> {
    // What is on its way must be in the store before it is read, or the new ledger would miss it.
    await this.#barrier()
    const ledger = new Ledger(await this.#storage.blockState(block))
    this.#known += ledger.size
    if (this.#known > maxKnownHashes) void this.#evict()
    return ledger
  }

  async #evict(): Promise<void> {
    for (const [block, loading] of this.#ledgers) {
      if (this.#known <= maxKnownHashes) return
      const ledger = await loading.catch(() => undefined)
      if (ledger === undefined || ledger.inFlight > 0 || ledger.block !== block) continue
      this.#ledgers.delete(block)
      this.#known -= ledger.size
    }
  }
}
