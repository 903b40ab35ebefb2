/**
 * What the log had once and has not now: changes that were lost with a damaged row, and changes that wait for those. Follows
 * the store. Keeps: what is known of a lost change by its hash is that change, whoever brings it.
 */
import type { ActorId, ChangeHash } from '../../protocol/ids.ts'
import type { BlockId, LostChanges, Seq, WaitingCard } from '../storage/storage.ts'

/** What is missing of one block. */
export interface MissingOfBlock {
  readonly block: BlockId
  readonly lost: number
  readonly waiting: number
}

export class Missing {
  readonly #lost = new Map<BlockId, LostChanges[]>()
  readonly #waiting = new Map<BlockId, Map<ChangeHash, Seq>>()

  constructor(lost: readonly LostChanges[], waiting: readonly WaitingCard[]) {
    this.add(lost, waiting)
  }

  add(lost: readonly LostChanges[], waiting: readonly WaitingCard[]): void {
    for (const each of lost) {
      const others = (this.#lost.get(each.block) ?? []).filter(
        ({ actor, from }) => actor !== each.actor || from !== each.from,
      )
      this.#lost.set(each.block, [...others, each])
    }
    for (const { block, hash, seq } of waiting) {
      const ofBlock = this.#waiting.get(block) ?? new Map<ChangeHash, Seq>()
      this.#waiting.set(block, ofBlock.set(hash, seq))
    }
  }

  /** Blocks of which something is missing. */
  get blocks(): MissingOfBlock[] {
    const ids = new Set([...this.#lost.keys(), ...this.#waiting.keys()])
    return [...ids].map((block) => ({
      block,
      lost: (this.#lost.get(block) ?? []).reduce((sum, { from, to }) => sum + to - from + 1, 0),
      waiting: this.#waiting.get(block)?.size ?? 0,
    }))
  }

  of(block: BlockId): boolean {
    return this.#lost.has(block) || this.#waiting.has(block)
  }

  lostOf(block: BlockId): readonly LostChanges[] {
    return this.#lost.get(block) ?? []
  }

  hasWaiting(block: BlockId): boolean {
    return this.#waiting.has(block)
  }

  /** Whether a change is one of those by its hash: then it was stored once, and is what it was. */
  isKnown(block: BlockId, hash: ChangeHash): boolean {
    return this.#waiting.get(block)?.has(hash) === true || this.lostOf(block).some((each) => each.hash === hash)
  }

  /** Another change under the number of a lost one whose hash is known. */
  isOther(block: BlockId, { actor, seq, hash }: { actor: ActorId; seq: number; hash: ChangeHash }): boolean {
    return this.lostOf(block).some((each) => each.actor === actor && each.to === seq && (each.hash ?? hash) !== hash)
  }

  endLost(block: BlockId, actor: ActorId, to: number): void {
    const left = this.lostOf(block).filter((each) => each.actor !== actor || each.to > to)
    if (left.length > 0) this.#lost.set(block, left)
    else this.#lost.delete(block)
  }

  endWaiting(block: BlockId, seqs: readonly Seq[]): void {
    const ofBlock = this.#waiting.get(block)
    if (ofBlock === undefined) return
    const ended = new Set(seqs)
    for (const [hash, seq] of ofBlock) if (ended.has(seq)) ofBlock.delete(hash)
    if (ofBlock.size === 0) this.#waiting.delete(block)
  }
}
