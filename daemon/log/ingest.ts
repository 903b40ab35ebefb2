/**
 * The only way into the log for a change from outside: size and shape (structure), then permission (actor, signature,
 * rate), then order, then the store. A frame is taken whole or not at all, because its signatures cover its last change.
 */

import { MooringError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import { limits } from '../../protocol/limits.ts'
import {
  admitChange,
  type ChangeFacts,
  type NewObject,
  ownsActor,
  readChange,
  type SentTip,
  type Settlement,
  verifyTip,
} from '../../protocol/sync/index.ts'
import type { BlockRow, ChangeEntry, Origin } from '../storage/storage.ts'
import type { BlockIndex } from './block-index.ts'
import type { Committer } from './committer.ts'
import type { Ledgers } from './ledger.ts'

export interface Submission {
  readonly origin: Origin
  /** The grant version that the caller's permission was checked under. */
  readonly grantVersion: number
  readonly block: number
  readonly chunks: readonly Uint8Array[]
  readonly tips: readonly SentTip[]
}

export interface IngestComponents {
  readonly self: PeerId
  readonly index: BlockIndex
  readonly ledgers: Ledgers
  readonly committer: Committer
  readonly clock: Clock
}

export class Ingest {
  readonly #components: IngestComponents
  readonly #rates = new Map<PeerId, { tokens: number; atMs: number }>()

  constructor(components: IngestComponents) {
    this.#components = components
  }

  /** What became of each change, in order. Never rejects: every refusal is a settlement. */
  async submit(submission: Submission): Promise<Settlement[]> {
    const all = (settlement: Settlement): Settlement[] => submission.chunks.map(() => settlement)
    try {
      const row = this.#components.index.byId(submission.block)
      if (row === undefined || row.deletedSeq > 0) throw new MooringError('block-deleted')
      const facts = readFrame(submission.chunks)
      for (const fact of facts) {
        if (!ownsActor(this.#components.self, submission.origin.peer, fact.actor))
          throw new MooringError('actor-not-owned')
      }
      const tips = this.#checkTips(submission, row, facts)
      this.#spend(submission.origin.peer, facts)
      return await this.#admitAndStore(submission, row, facts, tips)
    } catch (error) {
      if (error instanceof MooringError) return all(error)
      return all(new MooringError('internal', { cause: error }))
    }
  }

  /** Forgets what is kept for a peer that is gone. */
  forget(peer: PeerId): void {
    this.#rates.delete(peer)
  }

  /** Every actor of the frame has its last change signed by the peer that sends it. */
  #checkTips(submission: Submission, row: BlockRow, facts: readonly ChangeFacts[]): Map<string, SentTip> {
    const last = new Map<string, ChangeFacts>()
    for (const fact of facts) last.set(fact.actor, fact)
    const tips = new Map(submission.tips.map((tip) => [tip.actor as string, tip]))
    for (const fact of last.values()) {
      const tip = tips.get(fact.actor)
      if (tip === undefined || tip.seq !== fact.seq || tip.hash !== fact.hash) {
        throw new MooringError('bad-signature', { detail: 'the last change of each actor needs a tip' })
      }
      const signed = { ...tip, address: row.address, generation: row.generation }
      if (!verifyTip(submission.origin.peer, signed, tip.signature)) throw new MooringError('bad-signature')
    }
    return tips
  }

  /** A token bucket of operations; one second's worth may come at once. */
  #spend(peer: PeerId, facts: readonly ChangeFacts[]): void {
    const nowMs = this.#components.clock.monotonicMs()
    const rate = this.#rates.get(peer) ?? { tokens: limits.maxOpsPerPeerSecond, atMs: nowMs }
    const refill = ((nowMs - rate.atMs) * limits.maxOpsPerPeerSecond) / 1_000
    const tokens = Math.min(limits.maxOpsPerPeerSecond, rate.tokens + refill)
    // An empty change costs a row as well.
    const cost = facts.reduce((sum, fact) => sum + Math.max(1, fact.ops), 0)
    if (cost > tokens) {
      this.#rates.set(peer, { tokens, atMs: nowMs })
      const retryAfterMs = Math.ceil(((cost - tokens) * 1_000) / limits.maxOpsPerPeerSecond)
      throw new MooringError('rate-limited', { detail: 'maxOpsPerPeerSecond', retryAfterMs })
    }
    this.#rates.set(peer, { tokens: tokens - cost, atMs: nowMs })
  }

  async #admitAndStore(
    submission: Submission,
    row: BlockRow,
    facts: readonly ChangeFacts[],
    tips: ReadonlyMap<string, SentTip>,
  ): Promise<Settlement[]> {
    const { ledgers, committer } = this.#components
    let ledger = await ledgers.get(row.id)
    while (ledger.isStale) ledger = await ledgers.get(row.id)
    const entries: ChangeEntry[] = []
    try {
      for (const [index, fact] of facts.entries()) {
        const admission = admitChange(fact, ledger)
        if (admission.outcome === 'stale') {
          // Known by its hash: sent twice, settled without a second row. Otherwise one actor told two stories.
          if (ledger.maxOpOf(fact.hash) === undefined) throw new MooringError('equivocation')
          continue
        }
        const bytes = submission.chunks[index]
        if (bytes === undefined) throw new MooringError('internal')
        ledger.apply(fact, admission)
        const tip = tips.get(fact.actor)
        entries.push({
          kind: 'change',
          origin: submission.origin,
          grantVersion: submission.grantVersion,
          block: row.id,
          hash: fact.hash,
          actor: fact.actor,
          actorSeq: fact.seq,
          maxOp: fact.maxOp,
          ops: fact.ops,
          gap: admission.gap,
          deps: fact.deps,
          objects: admission.objects.map(objectRow),
          bytes,
          ...(tip?.hash === fact.hash ? { tip } : {}),
        })
      }
    } catch (error) {
      ledger.rollback()
      throw error
    }
    ledger.keep()
    // A duplicate may still be on its way: it is settled only when everything before it is durable.
    if (entries.length === 0) {
      if (ledger.inFlight > 0) await committer.barrier()
      return facts.map(() => 'stored' as const)
    }
    ledger.inFlight++
    try {
      const outcomes = await committer.submit(entries)
      const refused = outcomes.find((outcome) => outcome.kind === 'refused')
      if (refused?.kind === 'refused') throw new MooringError(refused.code)
      return facts.map(() => 'stored' as const)
    } catch (error) {
      ledgers.discard(ledger)
      throw error
    } finally {
      ledger.inFlight--
    }
  }
}

function readFrame(chunks: readonly Uint8Array[]): ChangeFacts[] {
  let ops = 0
  let expanded = 0
  return chunks.map((chunk) => {
    const facts = readChange(chunk)
    ops += facts.ops
    expanded += facts.expanded.byteLength
    if (ops > limits.maxOpsPerFrame) throw new MooringError('change-too-large', { detail: 'maxOpsPerFrame' })
    if (expanded > limits.maxExpandedBytes) throw new MooringError('change-too-large', { detail: 'maxExpandedBytes' })
    return facts
  })
}

const objectRow = ({ opId, type, depth }: NewObject) => ({ id: opId, type, depth })
