/**
 * What has to be known of a block to accept changes to it: clock, objects, known hashes. Runs ahead of the store by
 * what is on its way there; when the store refuses something, the ledger is thrown away and read again.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ActorId, ChangeHash } from '../../protocol/ids.ts'
import type { ActorTip, BlockKnowledge, ChangeFacts, KnownObject, NewObject } from '../../protocol/sync/index.ts'
import type { BlockId, BlockState } from '../storage/storage.ts'

/** Operations that a change counts for: an empty one costs a row and a hash as well. */
export const costOf = ({ ops }: { readonly ops: number }): number => Math.max(1, ops)

/** Entries that are taken in without a pause: about two milliseconds. */
const entriesPerTurn = 10_000

async function inTurns<Item>(items: readonly Item[], take: (item: Item) => void): Promise<void> {
  for (const [index, item] of items.entries()) {
    if (index > 0 && index % entriesPerTurn === 0) await nextTurn()
    take(item)
  }
}

/** What every change has, by the keystroke: it is counted in operations. */
const plainBytes = 128

/** What a change holds beside that: a document is made of it, whatever it was compressed to. */
export const contentOf = (expandedBytes: number): number => Math.max(0, expandedBytes - plainBytes)

/** What the ids of all actors of one owner begin with. */
const ownerOf = (actor: ActorId): string => actor.slice(0, 32)

export class Ledger implements BlockKnowledge {
  readonly block: BlockId
  readonly #clock = new Map<ActorId, ActorTip>()
  /** Actors of each owner, by the beginning of their ids. */
  readonly #owned = new Map<string, number>()
  readonly #objects = new Map<string, KnownObject>()
  readonly #known = new Map<ChangeHash, number>()
  /** Heads of the block, each with the actor whose newest change it is; the schema's frozen change is nobody's. */
  readonly #heads = new Map<ChangeHash, ActorId | undefined>()
  /** Whether every change of the block was a row when this was read: then what is not known does not exist. */
  readonly #isComplete: boolean
  /** Changes that are not durable yet, each with who sent it under which grant. */
  readonly #pending = new Map<ChangeHash, string>()
  #undo: (() => void)[] = []
  maxOp: number
  ops: number
  gaps: number
  /** Bytes that its changes hold. */
  content: number
  /** Frames handed to the store and not yet answered. */
  inFlight = 0
  /** Size at which the ledger is counted among all of them. */
  counted = 0
  /** True once the store refused something that this ledger holds. */
  isStale = false

  private constructor({ row, content }: Pick<BlockState, 'row' | 'content'>) {
    this.block = row.id
    this.#isComplete = row.horizonSeq === 0
    this.maxOp = row.maxOp
    this.ops = row.ops
    this.gaps = row.gaps
    this.content = content
  }

  /** A little at a time: a block may have hundreds of thousands of changes, and the main thread has other things to do. */
  static async of({ row, content, clock, objects, known }: BlockState): Promise<Ledger> {
    const ledger = new Ledger({ row, content })
    const heads = new Set(row.heads)
    for (const head of heads) ledger.#heads.set(head, undefined)
    await inTurns(clock, (each) => {
      // What was signed is of no use here.
      ledger.#setTip(each.actor, { seq: each.seq, hash: each.hash, maxOp: each.maxOp })
      // The frozen initial change is in the clock and in no log row.
      ledger.#known.set(each.hash, each.maxOp)
      if (heads.has(each.hash)) ledger.#heads.set(each.hash, each.actor)
    })
    await inTurns(objects, (object) => ledger.#objects.set(object.id, object))
    await inTurns(known, (change) => ledger.#known.set(change.hash, change.maxOp))
    return ledger
  }

  /** Entries that are kept in memory. */
  get size(): number {
    return this.#known.size + this.#objects.size + this.#clock.size
  }

  get actors(): number {
    return this.#clock.size
  }

  /** Of who owns this one. */
  actorsBeside(actor: ActorId): number {
    return this.#owned.get(ownerOf(actor)) ?? 0
  }

  get objects(): number {
    return this.#objects.size
  }

  get heads(): number {
    return this.#heads.size
  }

  isHead(hash: ChangeHash): boolean {
    return this.#heads.has(hash)
  }

  /** Heads that actors of one peer stand at. */
  headsOf(isOwner: (actor: ActorId) => boolean): number {
    return [...this.#heads.values()].filter((actor) => actor !== undefined && isOwner(actor)).length
  }

  /** Who sent a change that is not durable yet; undefined for all others. */
  senderOf(hash: ChangeHash): string | undefined {
    return this.#pending.get(hash)
  }

  sent(hashes: readonly ChangeHash[], sender: string): void {
    this.inFlight++
    for (const hash of hashes) this.#pending.set(hash, sender)
  }

  answered(hashes: readonly ChangeHash[]): void {
    this.inFlight--
    for (const hash of hashes) this.#pending.delete(hash)
  }

  maxOpOf(hash: ChangeHash): number | undefined {
    return this.#known.get(hash)
  }

  /** Hashes that would have to be known to admit these changes, and may be of changes that are no rows any more. */
  unknown(facts: readonly Pick<ChangeFacts, 'actor' | 'seq' | 'hash' | 'deps'>[]): Set<ChangeHash> {
    const unknown = new Set<ChangeHash>()
    if (this.#isComplete) return unknown
    const own = new Set(facts.map(({ hash }) => hash))
    for (const { actor, deps, hash, seq } of facts) {
      // Of an actor that is further by now: a duplicate, or another change under its number.
      if (seq <= (this.#clock.get(actor)?.seq ?? 0) && !this.#known.has(hash)) unknown.add(hash)
      for (const dep of deps) if (!this.#known.has(dep) && !own.has(dep)) unknown.add(dep)
    }
    return unknown
  }

  /** What a store has of such a block, but for its address and its changes. */
  get state() {
    return {
      clock: [...this.#clock].map(([actor, { seq, hash, maxOp }]) => ({ actor, seq, hash, maxOp })),
      heads: [...this.#heads.keys()],
      objects: [...this.#objects].map(([id, { type, depth }]) => ({ id, type, depth })),
      maxOp: this.maxOp,
      ops: this.ops,
      gaps: this.gaps,
      content: this.content,
    }
  }

  /** Changes that are no rows any more, each with its highest operation counter. */
  recall(found: ReadonlyMap<ChangeHash, number>): void {
    for (const [hash, maxOp] of found) this.#known.set(hash, maxOp)
  }

  object(opId: string): KnownObject | undefined {
    return this.#objects.get(opId)
  }

  lastOf(actor: ActorId): ActorTip | undefined {
    return this.#clock.get(actor)
  }

  /** Takes an admitted change in, until {@link keep} or {@link rollback}. */
  apply(
    facts: Omit<ChangeFacts, 'expanded'>,
    { objects, gap, content = 0 }: { objects: readonly NewObject[]; gap: number; content?: number },
  ): void {
    const { maxOp, ops, gaps } = this
    const before = { last: this.#clock.get(facts.actor), maxOp, ops, gaps, content: this.content }
    const replaced = facts.deps.flatMap((dep) => (this.#heads.has(dep) ? [[dep, this.#heads.get(dep)] as const] : []))
    for (const [dep] of replaced) this.#heads.delete(dep)
    this.#heads.set(facts.hash, facts.actor)
    this.#setTip(facts.actor, { seq: facts.seq, hash: facts.hash, maxOp: facts.maxOp })
    this.#known.set(facts.hash, facts.maxOp)
    for (const object of objects) this.#objects.set(object.opId, object)
    this.maxOp = Math.max(this.maxOp, facts.maxOp)
    this.ops += costOf(facts)
    this.gaps += gap
    this.content += content
    this.#undo.push(() => {
      this.#setTip(facts.actor, before.last)
      this.#known.delete(facts.hash)
      this.#heads.delete(facts.hash)
      for (const [dep, actor] of replaced) this.#heads.set(dep, actor)
      for (const object of objects) this.#objects.delete(object.opId)
      this.maxOp = before.maxOp
      this.ops = before.ops
      this.gaps = before.gaps
      this.content = before.content
    })
  }

  #setTip(actor: ActorId, tip: ActorTip | undefined): void {
    const change = Number(tip !== undefined) - Number(this.#clock.has(actor))
    if (change !== 0) this.#owned.set(ownerOf(actor), this.actorsBeside(actor) + change)
    if (tip === undefined) this.#clock.delete(actor)
    else this.#clock.set(actor, tip)
  }

  keep(): void {
    this.#undo = []
  }

  rollback(): void {
    for (const step of this.#undo.reverse()) step()
    this.#undo = []
  }
}
