/**
 * Who wrote what a peer sends. Keeps two invariants: a change that its sender did not write is taken only with its
 * author's signature over it or over one that builds on it, and only while the author could send it as well. A store
 * that knows of a revocation, or of a grant that became narrower, holds all that was taken before it; what a supplier
 * brings beyond that was never acknowledged, and may have been made with the key after it was taken away.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { MooringError } from '../../protocol/errors.ts'
import { allows, type Grant } from '../../protocol/grants.ts'
import type { ActorId, ChangeHash, PeerId } from '../../protocol/ids.ts'
import { type ChangeFacts, ownsActor, type SentTip, verifyTip } from '../../protocol/sync/index.ts'
import type { BlockRow } from '../storage/storage.ts'

export interface AuthorGrant {
  readonly grants: readonly Grant[]
  readonly grantVersion: number
}

/** What is looked at of a change. */
type AuthoredFacts = Pick<ChangeFacts, 'actor' | 'seq' | 'hash' | 'deps'>

export interface AuthorshipInit {
  readonly self: PeerId
  readonly sender: PeerId
  readonly row: BlockRow
  readonly facts: readonly AuthoredFacts[]
  readonly tips: readonly SentTip[]
  /** Of an approved peer. */
  grantOf(peer: PeerId): AuthorGrant | undefined
  /** Whether a change is one, by its hash, that was stored once and is missing: then it is taken whoever may do what by now. */
  isMissing(hash: ChangeHash): boolean
}

/** A tenth of a millisecond each. */
const checksPerTurn = 32

/** An author other than the sender, with the grant that its right was checked under. */
export interface SuppliedAuthor {
  readonly peer: PeerId
  readonly grantVersion: number
}

export class Authorship {
  readonly #init: AuthorshipInit
  readonly #tips: ReadonlyMap<ActorId, SentTip>
  readonly #owners = new Map<ActorId, PeerId>()
  readonly #supplied = new Map<PeerId, SuppliedAuthor>()
  readonly #last = new Map<ActorId, AuthoredFacts>()
  readonly #covered = new Map<PeerId, ReadonlySet<ChangeHash>>()

  /** @throws `actor-not-owned`, `author-refused` */
  constructor(init: AuthorshipInit) {
    this.#init = init
    this.#tips = new Map(init.tips.map((tip) => [tip.actor, tip]))
    for (const { actor } of init.facts) if (!this.#owners.has(actor)) this.#owners.set(actor, this.#ownerOf(actor))
    for (const { actor, hash } of init.facts) {
      const owner = this.owner(actor)
      if (owner === init.sender || this.#supplied.has(owner) || init.isMissing(hash)) continue
      this.#supplied.set(owner, this.#mustWrite(owner))
    }
  }

  /** Authors other than the sender. */
  get others(): PeerId[] {
    return [...this.#supplied.keys()]
  }

  owner(actor: ActorId): PeerId {
    return this.#owners.get(actor) ?? this.#init.sender
  }

  /** The author of an actor, when that is not the sender. */
  supplied(actor: ActorId): SuppliedAuthor | undefined {
    return this.#supplied.get(this.owner(actor))
  }

  tip(actor: ActorId): SentTip | undefined {
    return this.#tips.get(actor)
  }

  /** Every actor has its last change here signed by its owner. @throws `bad-signature` */
  async checkSignatures(): Promise<void> {
    const { row, facts } = this.#init
    for (const fact of facts) this.#last.set(fact.actor, fact)
    let checked = 0
    for (const { actor, seq, hash } of this.#last.values()) {
      if (++checked % checksPerTurn === 0) await nextTurn()
      const tip = this.#tips.get(actor)
      if (tip === undefined || tip.seq !== seq || tip.hash !== hash) {
        throw new MooringError('bad-signature', { detail: 'the last change of each actor needs a tip' })
      }
      const signed = { actor, seq, hash, address: row.address, generation: row.generation }
      if (!verifyTip(this.owner(actor), signed, tip.signature)) throw new MooringError('bad-signature')
    }
  }

  /**
   * Whether a change is its author's for sure. A signature covers what its change builds on, whoever made that: a change
   * of another author that no signed one of the same author builds on may be anyone's.
   */
  covers({ actor, hash }: AuthoredFacts): boolean {
    const owner = this.owner(actor)
    if (owner === this.#init.sender || this.#init.isMissing(hash)) return true
    let covered = this.#covered.get(owner)
    if (covered === undefined) {
      covered = this.#ancestors(owner)
      this.#covered.set(owner, covered)
    }
    return covered.has(hash)
  }

  /** What the signed changes of an author build on, as far as it was sent. */
  #ancestors(owner: PeerId): Set<ChangeHash> {
    const byHash = new Map(this.#init.facts.map((fact) => [fact.hash, fact]))
    const covered = new Set<ChangeHash>()
    const signed = [...this.#last.values()].filter(({ actor }) => this.owner(actor) === owner)
    const open = signed.map(({ hash }) => hash)
    for (let hash = open.pop(); hash !== undefined; hash = open.pop()) {
      if (covered.has(hash)) continue
      covered.add(hash)
      for (const dep of byHash.get(hash)?.deps ?? []) if (byHash.has(dep)) open.push(dep)
    }
    return covered
  }

  #ownerOf(actor: ActorId): PeerId {
    const { self, sender } = this.#init
    const owner = this.#tips.get(actor)?.peer ?? sender
    if (!ownsActor(self, owner, actor)) throw new MooringError('actor-not-owned')
    return owner
  }

  #mustWrite(peer: PeerId): SuppliedAuthor {
    const { self, row, grantOf } = this.#init
    // What the daemon wrote itself it signed as any author.
    if (peer === self) return { peer, grantVersion: 0 }
    const grant = grantOf(peer)
    if (grant === undefined || !allows(grant.grants, { area: 'blocks', right: 'write', subject: row.address })) {
      throw new MooringError('author-refused', { detail: peer })
    }
    return { peer, grantVersion: grant.grantVersion }
  }
}
