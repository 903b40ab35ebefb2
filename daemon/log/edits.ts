/**
 * Changes that the daemon makes on behalf of a peer: edits by operation, and whatever else is to become of a block for
 * somebody who has no replica. Keeps: such a change comes in like any other. It is the peer's as far as rights, rates,
 * quotas and suspension go, and the daemon's as far as its key and blame go: only the daemon can have made it wrong.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId, BlockAddress, ChangeHash, PeerId } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import { actorPrefix, type ChangeFacts, makeActor, readChange, signTip } from '../../protocol/sync/index.ts'
import type { BlockId, BlockRow, Origin } from '../storage/storage.ts'
import { ownReplica } from './change-entry.ts'
import type { ChangeLog } from './change-log.ts'
import { Turns } from './turns.ts'

export interface EditsInit {
  readonly log: Pick<ChangeLog, 'index' | 'spend' | 'submit'>
  readonly self: PeerId
  /** The private key of the daemon. */
  readonly seed: Uint8Array
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
}

/** Who a change is made for, and what was known of its grant when that was asked about. */
export interface OnBehalf {
  readonly origin: Origin
  readonly grantVersion: number
}

/** What the views answer: the change, or nothing to change, or why not. */
export type Made =
  | { readonly before: readonly ChangeHash[]; readonly heads: readonly ChangeHash[]; readonly bytes?: Uint8Array }
  | { readonly refused: { readonly code: 'bad-edit' | 'change-too-large' | 'heads-differ'; readonly detail: string } }

export interface Edited {
  readonly row: BlockRow
  /** Absent when there was nothing to change. */
  readonly change: ChangeHash | undefined
  readonly heads: readonly ChangeHash[]
}

/** Made again when something that it was made on was taken away meanwhile, so often. */
const attempts = 3
/** Blocks whose actor is remembered: one more begins a new one where it is forgotten. */
const maxActors = 4_096

export class Edits {
  readonly #init: EditsInit
  readonly #turns = new Turns()
  /** The one actor of this process in each block. */
  readonly #actors = new Map<BlockId, ActorId>()

  constructor(init: EditsInit) {
    this.#init = init
  }

  /** On behalf of nobody but the operator. */
  get own(): OnBehalf {
    return { origin: { peer: this.#init.self, replica: ownReplica }, grantVersion: 0 }
  }

  /**
   * Makes one change and resolves when it is durable. Those of one block are made one after the other, each with all that
   * came before it; `make` asks the views, gives the actor on, and is not called again before its change is in the log.
   * @throws `block-not-found`, `bad-edit`, `heads-differ`, what `make` throws, and what the log refuses a change with
   */
  async make(
    address: BlockAddress,
    by: OnBehalf,
    make: (row: BlockRow, actor: ActorId, timeS: number) => Promise<Made>,
  ): Promise<Edited> {
    const { log } = this.#init
    // Before any work is done for who may not write.
    log.spend(by.origin.peer, 0)
    return this.#turns.take(address, async () => {
      for (let attempt = 1; ; attempt++) {
        const row = log.index.at(address)
        if (row === undefined) throw new MooringError('block-not-found')
        try {
          return await this.#attempt(row, by, make)
        } catch (error) {
          const isAgain = error instanceof MooringError && again.has(error.code) && attempt < attempts
          if (!isAgain) throw error
        }
      }
    })
  }

  async #attempt(row: BlockRow, by: OnBehalf, make: Parameters<Edits['make']>[2]): Promise<Edited> {
    const { clock, log, seed, self } = this.#init
    const actor = this.#actors.get(row.id) ?? this.#newActor(row.id)
    const made = await make(row, actor, Math.floor(clock.nowMs() / 1_000))
    if ('refused' in made) throw new MooringError(made.refused.code, { detail: made.refused.detail })
    const { bytes, heads } = made
    if (bytes === undefined) return { row, change: undefined, heads }
    const { hash, seq } = factsOf(bytes)
    const tip = { address: row.address, generation: row.generation, actor, seq, hash }
    const [settlement] = await log.submit({
      ...by,
      isOnBehalf: true,
      block: row.id,
      frames: [[bytes]],
      // Signed by the daemon, also where the peer is somebody else: what it writes for others it answers for.
      tips: [{ actor, seq, hash, signature: signTip(seed, tip), ...(by.origin.peer === self ? {} : { peer: self }) }],
    })
    if (settlement instanceof MooringError) {
      // Only then, or a peer that is refused in between would use up the actors that a block may have.
      if (!isUntaken.has(settlement.code)) this.#actors.delete(row.id)
      throw settlement.code === 'block-deleted' ? new MooringError('block-not-found') : settlement
    }
    return { row, change: hash, heads }
  }

  #newActor(block: BlockId): ActorId {
    const { random, self } = this.#init
    const actor = makeActor(actorPrefix(self, self), random(8))
    for (const oldest of this.#actors.keys()) {
      if (this.#actors.size < maxActors) break
      this.#actors.delete(oldest)
    }
    this.#actors.set(block, actor)
    return actor
  }
}

/** Refused before it was looked at beside others, or in the transaction: its number is free. */
const isUntaken: ReadonlySet<string> = new Set(['rate-limited', 'suspended', 'quota-exceeded', 'grant-changed'])

/** What stood before was refused, or was taken out of the block: made anew, the change builds on what is left. */
const again: ReadonlySet<string> = new Set(['missing-deps', 'equivocation', 'quarantined'])

/** What no change may hold was asked for. */
function factsOf(bytes: Uint8Array): Pick<ChangeFacts, 'hash' | 'seq'> {
  try {
    return readChange(bytes)
  } catch (error) {
    if (!(error instanceof MooringError && error.code === 'bad-change')) throw error
    throw new MooringError('bad-edit', { detail: error.detail ?? 'a change may not hold this', cause: error })
  }
}
