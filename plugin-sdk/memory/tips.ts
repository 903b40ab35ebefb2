/**
 * Who wrote what arrived. The daemon vouches for nothing: each author's own signature does. Signatures are kept beside
 * the changes, so that a replica can supply the changes of another author to a daemon that lost them.
 */
import { type ActorId, type BlockAddress, type ChangeHash, MooringError, type PeerId } from '../../protocol/index.ts'
import {
  type ChangeFacts,
  type Frame,
  type ListenerFrame,
  ownsActor,
  type ReceivedTip,
  verifyTip,
} from '../../protocol/sync/index.ts'
import type { StoredTip } from './store.ts'
import { maxWeight, nextTip, weightOf } from './tip-spans.ts'

/** What a delta says beside its changes. */
export type Received = Pick<Frame<ListenerFrame, 'delta'>, 'seq' | 'tips'>

/** @throws `bad-signature` */
export function checkTips(
  daemon: PeerId,
  { address, generation = 0 }: { readonly address: BlockAddress; readonly generation: number | undefined },
  tips: readonly ReceivedTip[],
): void {
  for (const tip of tips) {
    const signed = { ...tip, address, generation }
    if (!ownsActor(daemon, tip.peer, tip.actor) || !verifyTip(tip.peer, signed, tip.signature)) {
      throw new MooringError('bad-signature', { detail: address })
    }
  }
}

/**
 * What is kept of the tips of other authors; what this key wrote it can sign at any time. Without the changes they came
 * with, as with a snapshot, they stand for more than can be counted.
 */
export function tipsToKeep(self: PeerId, tips: readonly ReceivedTip[], facts?: readonly ChangeFacts[]): StoredTip[] {
  return tips.flatMap(({ actor, seq, hash, signature, peer }) => {
    if (peer === self) return []
    const mine = facts?.filter((fact) => fact.actor === actor)
    const weight = mine?.reduce((sum, fact) => sum + weightOf(fact), 0) ?? maxWeight
    return [{ actor, seq, hash, signature, peer, from: (mine?.[0]?.seq ?? 1) - 1, weight }]
  })
}

/** The kept tips of a block. */
export class Tips {
  readonly #byHash = new Map<ChangeHash, StoredTip>()
  readonly #newest = new Map<ActorId, StoredTip>()

  constructor(stored: readonly StoredTip[] = []) {
    for (const tip of stored.toSorted((a, b) => a.seq - b.seq)) this.#keep(tip)
  }

  add(tips: readonly StoredTip[]): void {
    for (const next of tips) {
      const last = this.#newest.get(next.actor)
      if (last !== undefined && last.seq >= next.seq) continue
      const { drops, tip } = nextTip(last, next)
      if (drops && last !== undefined) this.#byHash.delete(last.hash)
      this.#keep(tip)
    }
  }

  /** The tip whose change this is, when it was kept. */
  on(hash: ChangeHash): StoredTip | undefined {
    return this.#byHash.get(hash)
  }

  #keep(tip: StoredTip): void {
    this.#byHash.set(tip.hash, tip)
    this.#newest.set(tip.actor, tip)
  }
}
