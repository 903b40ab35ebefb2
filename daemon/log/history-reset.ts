/**
 * Begins a block anew with its present value: a new generation whose first changes make that value, by the daemon. Keeps: what
 * was written up to the moment of the exchange is in the value, or nothing is exchanged; each change is checked like one
 * from outside; the old generation stays where it is.
 */
import { MooringError } from '../../protocol/errors.ts'
import { nextGeneration } from '../../protocol/generation.ts'
import type { ActorId, BlockAddress, PeerId } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import { type BlockSchema, schemaNamed } from '../../protocol/schemas/index.ts'
import { actorPrefix, admitChange, makeActor, ownsActor, readChange, signTip } from '../../protocol/sync/index.ts'
import type { BlockId, BlockRow, ChangeEntry, Seq } from '../storage/storage.ts'
import { ownReplica } from './change-entry.ts'
import type { ChangeLog } from './change-log.ts'
import { contentOf, costOf, Ledger } from './ledger.ts'

export interface HistoryResetInit {
  readonly log: Pick<ChangeLog, 'index' | 'published' | 'replace'>
  readonly views: {
    /** The value of a block at a position or later, as changes on top of the first one of its schema. */
    rewrite(
      block: BlockRow,
      until: Seq,
      actor: ActorId,
    ): Promise<{ readonly seq: Seq; readonly changes: readonly Uint8Array[] }>
  }
  readonly verification: { next(block: BlockId): void }
  readonly self: PeerId
  readonly seed: Uint8Array
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
}

/** A block that is written to while its value is made is made again, so often. */
const attempts = 10

export class HistoryReset {
  readonly #init: HistoryResetInit

  constructor(init: HistoryResetInit) {
    this.#init = init
  }

  /**
   * The block that then stands at the address.
   * @throws `block-not-found`, `view-failed`, `wrong-state` when it is written to all the time, and what the store throws
   */
  async reset(address: BlockAddress): Promise<BlockRow> {
    const { clock, log, random, self, verification, views } = this.#init
    for (let attempt = 1; ; attempt++) {
      const row = log.index.at(address)
      if (row === undefined) throw new MooringError('block-not-found')
      const actor = makeActor(actorPrefix(self, self), random(8))
      const { seq, changes } = await views.rewrite(row, log.published, actor)
      // What came before the value was made is in it; the store compares what comes now.
      const { visibleSeq = Number.POSITIVE_INFINITY } = log.index.byId(row.id) ?? {}
      if (visibleSeq <= seq) {
        const schema = schemaNamed(row.schema)
        const generation = nextGeneration(row, clock.nowMs())
        const entries = await this.#admit({ ...row, generation }, schema, changes)
        const initial = { ...schema.initial, signature: new Uint8Array() }
        try {
          const made = await log.replace({ block: row.id, visibleSeq, generation, initial, changes: entries })
          verification.next(made.id)
          return made
        } catch (error) {
          const isLate = error instanceof MooringError && error.code === 'wrong-state'
          if (!isLate) throw error
        }
      }
      if (attempt === attempts)
        throw new MooringError('wrong-state', { detail: 'the block is written to all the time' })
    }
  }

  /** As the way in from outside does it, against an empty block of the schema. The row has the generation to come. */
  async #admit(row: BlockRow, { initial }: BlockSchema, changes: readonly Uint8Array[]): Promise<ChangeEntry[]> {
    const { seed, self } = this.#init
    const empty = { ...row, maxOp: initial.maxOp, ops: initial.ops, gaps: 0, heads: [initial.hash], horizonSeq: 0 }
    const clock = [{ ...initial, signature: new Uint8Array() }]
    const ledger = await Ledger.of({ row: empty, clock, objects: initial.objects, known: [], content: 0 })
    const entries: ChangeEntry[] = []
    for (const [index, bytes] of changes.entries()) {
      // Thousands of operations each: everyone else has a turn in between.
      await new Promise<void>((resolve) => setImmediate(resolve))
      const facts = readChange(bytes)
      const admission = admitChange(facts, ledger)
      if (admission.outcome === 'stale') throw new MooringError('internal', { detail: 'a rewritten change is stale' })
      const content = contentOf(facts.expanded.byteLength)
      ledger.apply(facts, { ...admission, content })
      ledger.keep()
      const { hash, actor, seq, maxOp, deps } = facts
      const tip = { address: row.address, generation: row.generation, actor, seq, hash }
      entries.push({
        ...{ kind: 'change', block: row.id, origin: { peer: self, replica: ownReplica }, grantVersion: 0 },
        ...{ hash, actor, actorSeq: seq, maxOp, deps, bytes, ops: costOf(facts), gap: admission.gap, content },
        objects: admission.objects.map(({ opId, type, depth }) => ({ id: opId, type, depth })),
        ...(index < changes.length - 1 || !ownsActor(self, self, actor)
          ? {}
          : { tip: { actor, seq, hash, signature: signTip(seed, tip) } }),
      })
    }
    return entries
  }
}
