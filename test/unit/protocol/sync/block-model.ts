/** What a daemon knows of a block, in memory, for tests of admission. */
import type { ActorId, ChangeHash } from '../../../../protocol/ids.ts'
import { type ActorTip, admitChange, type BlockKnowledge, type KnownObject } from '../../../../protocol/sync/admit.ts'
import type { ChangeFacts } from '../../../../protocol/sync/change-structure.ts'

export class BlockModel implements BlockKnowledge {
  readonly #maxOps = new Map<ChangeHash, number>()
  readonly #objects = new Map<string, KnownObject>()
  readonly #tips = new Map<ActorId, ActorTip>()
  maxOp = 0
  ops = 0
  gaps = 0

  maxOpOf(hash: ChangeHash): number | undefined {
    return this.#maxOps.get(hash)
  }

  object(opId: string): KnownObject | undefined {
    return this.#objects.get(opId)
  }

  lastOf(actor: ActorId): ActorTip | undefined {
    return this.#tips.get(actor)
  }

  /** Admits a change and remembers it; throws what admission throws, and for a stale change. */
  add(facts: ChangeFacts): void {
    const admission = admitChange(facts, this)
    if (admission.outcome === 'stale') throw new Error('the change is stale')
    for (const { opId, type, depth } of admission.objects) this.#objects.set(opId, { type, depth })
    this.#maxOps.set(facts.hash, facts.maxOp)
    this.#tips.set(facts.actor, { seq: facts.seq, hash: facts.hash, maxOp: facts.maxOp })
    this.maxOp = Math.max(this.maxOp, facts.maxOp)
    this.ops += facts.ops
    this.gaps += admission.gap
  }
}
