/**
 * Finds out about changes that are no rows any more. Keeps: nothing is taken for known or unknown without having looked;
 * asking costs the one who makes it necessary, and only that one waits for the answer.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { ChangeHash, PeerId } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import type { ChangeFacts } from '../../protocol/sync/index.ts'
import type { BlockId, BlockRow, Origin } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import type { Ledger } from './ledger.ts'
import type { Ledgers } from './ledgers.ts'
import type { Bill, Rates } from './rates.ts'
import { Turns } from './turns.ts'

/**
 * Which of these changes a block has among those that are no rows any more, each with its highest operation counter.
 * @throws `view-failed`, and then it is not known now
 */
export type History = (block: BlockRow, hashes: readonly ChangeHash[]) => Promise<ReadonlyMap<ChangeHash, number>>

export interface RecallComponents {
  readonly index: BlockIndex
  readonly ledgers: Ledgers
  readonly history: History
}

/** What a question counts for, in operations: a document may have to be loaded for it, which takes longer if it is long. */
const opsPerQuestion = 1_000
const opsPerOp = 1 / 20
/** What it counts for that a ledger had to be put away and is read again, for each entry: that takes as long. */
const opsPerEntry = 1
/** However long a block is: less than what may be done at once. */
const maxOpsToLoad = limits.maxOpsPerPeerSecond / 2

export class Recall {
  readonly #components: RecallComponents
  readonly #rates: Rates
  /** One question at a time for each peer: the worker that answers serves everyone. */
  readonly #questions = new Turns()
  /** The same for what has to be read. */
  readonly #readings = new Turns()

  constructor(components: RecallComponents, rates: Rates) {
    this.#components = components
    this.#rates = rates
  }

  /** The ledger of a block with all that decides about these changes. @throws `view-failed`, `rate-limited`, `block-deleted` */
  async ledgerFor(
    { block, origin }: { readonly block: BlockId; readonly origin: Origin },
    facts: readonly Pick<ChangeFacts, 'actor' | 'seq' | 'hash' | 'deps'>[],
    bill: Bill,
  ): Promise<Ledger> {
    const { history, index, ledgers } = this.#components
    const recalled = new Map<ChangeHash, number>()
    const asked = new Set<ChangeHash>()
    for (;;) {
      const ledger = ledgers.has(block) ? await ledgers.get(block) : await this.#read(origin.peer, block, bill)
      if (ledger.isStale) continue
      ledger.recall(recalled)
      const open = [...ledger.unknown(facts)].filter((hash) => !asked.has(hash))
      if (open.length === 0) return ledger
      const row = index.byId(block)
      if (row === undefined || row.deletedSeq > 0) throw new MooringError('block-deleted')
      for (const hash of open) asked.add(hash)
      const found = await this.#questions.take(origin.peer, async () => {
        this.#rates.spend(origin.peer, opsPerQuestion + Math.min(maxOpsToLoad, row.ops * opsPerOp), bill)
        return history(row, open)
      })
      for (const [hash, maxOp] of found) recalled.set(hash, maxOp)
    }
  }

  #read(peer: PeerId, block: BlockId, bill: Bill): Promise<Ledger> {
    const { ledgers } = this.#components
    return this.#readings.take(peer, () => {
      // Meanwhile somebody else may have had it read.
      const cost = Math.min(maxOpsToLoad, ledgers.sizeOf(block) * opsPerEntry)
      if (!ledgers.has(block)) this.#rates.spend(peer, cost, bill)
      return ledgers.get(block)
    })
  }
}
