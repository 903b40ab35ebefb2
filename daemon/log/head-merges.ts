/**
 * Joins what stands side by side in a block, by a change of the daemon's own without operations. Each edit names all heads
 * of its block, so many of them make every edit large, and too many make it impossible. Keeps: it begins above a bound that
 * a merge leaves far below, so that two that merge by themselves never go on answering each other.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId, BlockAddress, PeerId } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import { limits } from '../../protocol/limits.ts'
import { actorPrefix, encodeEmptyChange, makeActor, readChange, signTip } from '../../protocol/sync/index.ts'
import type { Logger } from '../log.ts'
import type { BlockId, BlockRow } from '../storage/storage.ts'
import { ownReplica } from './change-entry.ts'
import type { ChangeLog } from './change-log.ts'

export interface HeadMergesInit {
  readonly log: Pick<ChangeLog, 'index' | 'onPublish' | 'submit'>
  readonly self: PeerId
  /** The private key of the daemon: a merge is signed like any other change. */
  readonly seed: Uint8Array
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
  readonly logger: Logger
}

/** Edits that may stand side by side for good: 33 of them cost an edit about a kilobyte. */
export const maxRestingHeads = 32
/** What is on its way at the same time is merged along. */
const delayMs = 200
/** After a merge that was not taken. */
const retryMs = 5_000

export class HeadMerges {
  readonly #init: HeadMergesInit
  readonly #due = new Set<BlockId>()
  /** What the next change that joins heads of a block is under; of blocks that had too many. */
  readonly #merged = new Map<BlockId, { readonly actor: ActorId; readonly seq: number }>()
  #unsubscribe: (() => void) | undefined
  #cancelTimer: (() => void) | undefined
  #working: Promise<void> | undefined
  #isStopped = false

  constructor(init: HeadMergesInit) {
    this.#init = init
  }

  start(): void {
    const { log } = this.#init
    for (const row of log.index.live()) this.#look(row)
    this.#unsubscribe = log.onPublish((groups) => {
      for (const { block } of groups) this.#look(log.index.byId(block))
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#unsubscribe?.()
    this.#cancelTimer?.()
    await this.#working
  }

  #look(row: BlockRow | undefined): void {
    if (row === undefined || row.heads.length <= maxRestingHeads) return
    this.#due.add(row.id)
    this.#arm(delayMs)
  }

  #arm(ms: number): void {
    if (this.#isStopped || this.#cancelTimer !== undefined) return
    this.#cancelTimer = this.#init.clock.after(ms, () => {
      this.#cancelTimer = undefined
      this.#working ??= this.#work().finally(() => {
        this.#working = undefined
      })
    })
  }

  async #work(): Promise<void> {
    for (const block of [...this.#due]) {
      this.#due.delete(block)
      for (;;) {
        const row = this.#init.log.index.byId(block)
        if (this.#isStopped || row === undefined || row.deletedSeq > 0 || row.heads.length <= maxRestingHeads) break
        const refusal = await this.#merge(row)
        if (refusal === undefined) continue
        this.#init.logger.warn({ block: row.address, code: refusal.code }, 'edits side by side could not be joined')
        this.#due.add(block)
        break
      }
    }
    if (this.#due.size > 0) this.#arm(retryMs)
  }

  /** Joins as many as one change can name. @returns why it was not taken */
  async #merge({ address, generation, heads, id, maxOp }: BlockRow): Promise<MooringError | undefined> {
    const { clock, log, random, seed, self } = this.#init
    // One actor for each block and life: a peer that makes heads on and on would use up those that a block may have.
    const { actor, seq } = this.#merged.get(id) ?? { actor: makeActor(actorPrefix(self, self), random(8)), seq: 1 }
    const deps = heads.slice(0, limits.maxDeps)
    const time = Math.floor(clock.nowMs() / 1_000)
    const bytes = encodeEmptyChange({ actor, seq, startOp: maxOp + 1, time, deps })
    const { hash } = readChange(bytes)
    const tip = { address: address as BlockAddress, generation, actor, seq, hash }
    const signature = signTip(seed, tip)
    const [settlement] = await log.submit({
      origin: { peer: self, replica: ownReplica },
      grantVersion: 0,
      block: id,
      frames: [[bytes]],
      tips: [{ actor, seq, hash, signature }],
    })
    if (settlement instanceof MooringError) {
      this.#merged.delete(id)
      return settlement
    }
    this.#merged.set(id, { actor, seq: seq + 1 })
    return undefined
  }
}
