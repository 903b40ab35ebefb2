/**
 * Makes what is known of a block anew, from the changes that are left of it, by the rules by which they were taken. Keeps: a
 * change counts only with everything that it builds on; the others are told apart, and none is left out.
 */
import type { ActorId, ChangeHash } from '../../protocol/ids.ts'
import { type BlockSchema, schemaNamed } from '../../protocol/schemas/index.ts'
import { admitChange, type ChangeFacts, readChange } from '../../protocol/sync/index.ts'
import type { BlockRow, Seq } from '../storage/storage.ts'
import { contentOf, Ledger } from './ledger.ts'

/** A change that is left and builds on one that is not. */
export interface Orphan {
  readonly seq: Seq
  readonly facts: ChangeFacts
}

export class Replay {
  readonly #ledger: Ledger
  readonly #initial: BlockSchema['initial']
  readonly orphans: Orphan[] = []
  /** Rows whose bytes are no change: as lost as those that cannot be read. */
  readonly unreadable: Seq[] = []
  changes = 0

  private constructor(ledger: Ledger, initial: BlockSchema['initial']) {
    this.#ledger = ledger
    this.#initial = initial
  }

  static async of(row: BlockRow): Promise<Replay> {
    const { initial } = schemaNamed(row.schema)
    const { maxOp, ops, objects, hash } = initial
    const ledger = await Ledger.of({
      row: { ...row, maxOp, ops, gaps: 0, changes: 0, heads: [hash], horizonSeq: 0 },
      content: 0,
      clock: [{ ...initial, signature: new Uint8Array() }],
      objects,
      known: [],
    })
    return new Replay(ledger, initial)
  }

  /** Takes a change that a snapshot holds. False when it cannot be one of this block. */
  takeFolded(bytes: Uint8Array): boolean {
    const facts = factsOf(bytes)
    if (facts === undefined) return false
    return facts.hash === this.#initial.hash || this.#admit(facts)
  }

  /** Takes the change of a row. */
  take(seq: Seq, bytes: Uint8Array): void {
    const facts = factsOf(bytes)
    if (facts === undefined) this.unreadable.push(seq)
    else if (!this.#admit(facts)) this.orphans.push({ seq, facts })
  }

  has(hash: ChangeHash): boolean {
    return this.#ledger.maxOpOf(hash) !== undefined
  }

  reach(actor: ActorId): number {
    return this.#ledger.lastOf(actor)?.seq ?? 0
  }

  get state(): Ledger['state'] {
    return this.#ledger.state
  }

  /** Also a change that is there already, as when a row stands for what the snapshot holds as well. */
  #admit(facts: ChangeFacts): boolean {
    if (this.has(facts.hash)) return true
    try {
      const admission = admitChange(facts, this.#ledger)
      if (admission.outcome === 'stale') return false
      this.#ledger.apply(facts, { ...admission, content: contentOf(facts.expanded.byteLength) })
      this.#ledger.keep()
      this.changes++
      return true
    } catch {
      return false
    }
  }
}

function factsOf(bytes: Uint8Array): ChangeFacts | undefined {
  try {
    return readChange(bytes)
  } catch {
    return undefined
  }
}
