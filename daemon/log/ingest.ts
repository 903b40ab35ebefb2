/**
 * The only way into the log for a change from outside: size and shape (structure), then permission (actor, signature,
 * rate), then order, then the store. A frame is taken whole or not at all, because its signatures cover its last change.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { MooringError } from '../../protocol/errors.ts'
import type { ActorId, PeerId } from '../../protocol/ids.ts'
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
} from '../../protocol/sync/index.ts'
import type { BlockRow, ChangeEntry, Origin, SuspensionRow } from '../storage/storage.ts'
import { type AuthorGrant, Authorship } from './authorship.ts'
import type { BlockIndex } from './block-index.ts'
import type { Committer } from './committer.ts'
import { costOf, type Ledger, type Ledgers } from './ledger.ts'
import type { Quarantine } from './quarantine.ts'
import { type History, Recall } from './recall.ts'
import { Turns } from './turns.ts'

export interface Submission {
  readonly origin: Origin
  /** The grant version that the caller's permission was checked under. */
  readonly grantVersion: number
  readonly block: number
  /** Frames that are taken or refused together: more than one only when a signature covers several. */
  readonly frames: readonly (readonly Uint8Array[])[]
  readonly tips: readonly SentTip[]
  /** Why the sender may not write. Nothing is stored then; what was stored while it might write is settled. */
  readonly refusal?: MooringError
}

export interface IngestComponents {
  readonly self: PeerId
  readonly index: BlockIndex
  readonly ledgers: Ledgers
  readonly committer: Committer
  readonly clock: Clock
  readonly quarantine: Quarantine
  readonly history: History
  /** The grant of an approved peer. */
  grantOf(peer: PeerId): AuthorGrant | undefined
}

/** What the check of a signature counts for, in operations: one peer takes at most half of the time that there is. */
const opsPerTip = 20
/** Edits of one peer that stand side by side: one for each of its known replicas. */
const maxHeadsPerPeer = 64
const maxHeads = 1_024

export class Ingest {
  readonly #components: IngestComponents
  readonly #recall: Recall
  readonly #turns = new Turns()
  readonly #rates = new Map<PeerId, { tokens: number; atMs: number }>()

  constructor(components: IngestComponents) {
    this.#components = components
    this.#recall = new Recall(components, (peer, cost) => this.#spend(peer, cost))
  }

  /** What became of each change, in order. Never rejects: every refusal is a settlement. */
  async submit(submission: Submission): Promise<Settlement[]> {
    const chunks = submission.frames.flat()
    const all = (settlement: Settlement): Settlement[] => chunks.map(() => settlement)
    try {
      const row = this.#components.index.byId(submission.block)
      if (row === undefined || row.deletedSeq > 0) throw new MooringError('block-deleted')
      const { peer } = submission.origin
      // Before the work, so that what is refused is paid for too.
      this.#spend(peer, chunks.length + opsPerTip * submission.tips.length)
      const facts: ChangeFacts[] = []
      for (const [index, frame] of submission.frames.entries()) {
        // Each takes milliseconds, and everyone else waits.
        if (index > 0) await nextTurn()
        facts.push(...readFrame(frame))
      }
      this.#checkQuarantine(row, facts)
      const { self, grantOf } = this.#components
      const authorship = new Authorship({ self, sender: peer, row, facts, tips: submission.tips, grantOf })
      this.#spend(peer, facts.reduce((sum, fact) => sum + costOf(fact), 0) - facts.length)
      const refusal = submission.refusal ?? this.#suspension([peer, ...authorship.others])
      if (refusal !== undefined) return await this.#settleKnown(submission, facts, refusal)
      authorship.checkSignatures()
      return await this.#admitAndStore({ ...submission, row, chunks, facts, authorship })
    } catch (error) {
      if (error instanceof MooringError) return all(error)
      return all(new MooringError('internal', { cause: error }))
    }
  }

  /** Forgets what is kept for a peer that is gone. */
  forget(peer: PeerId): void {
    this.#rates.delete(peer)
  }

  #suspension(peers: readonly PeerId[]): MooringError | undefined {
    for (const peer of peers) {
      const suspension = this.#components.quarantine.suspension(peer)
      if (suspension !== undefined) return suspendedError(suspension)
    }
    return undefined
  }

  /**
   * What is set aside is not taken a second time, nor what builds on it: the block is rendered without both. What is on
   * its way to the store at this moment is found by the verification.
   */
  #checkQuarantine(row: BlockRow, facts: readonly ChangeFacts[]): void {
    const { quarantine } = this.#components
    for (const { hash, deps } of facts) {
      const aside = [hash, ...deps].find((each) => quarantine.hasHash(row.id, each))
      if (aside !== undefined) throw new MooringError('quarantined', { detail: aside })
    }
  }

  /** A token bucket of operations; one second's worth may come at once. */
  #spend(peer: PeerId, cost: number): void {
    const nowMs = this.#components.clock.monotonicMs()
    const rate = this.#rates.get(peer) ?? { tokens: limits.maxOpsPerPeerSecond, atMs: nowMs }
    const refill = ((nowMs - rate.atMs) * limits.maxOpsPerPeerSecond) / 1_000
    const tokens = Math.min(limits.maxOpsPerPeerSecond, rate.tokens + refill)
    this.#rates.set(peer, { tokens: cost > tokens ? tokens : tokens - cost, atMs: nowMs })
    if (cost <= tokens) return
    const retryAfterMs = Math.ceil(((cost - tokens) * 1_000) / limits.maxOpsPerPeerSecond)
    throw new MooringError('rate-limited', { detail: 'maxOpsPerPeerSecond', retryAfterMs })
  }

  async #admitAndStore(checked: Checked): Promise<Settlement[]> {
    const { committer } = this.#components
    const { facts } = checked
    for (;;) {
      // Frames of one replica keep their order, also when one of them has to wait for what is known of it.
      const turn = await this.#turns.take(turnOf(checked), async () => {
        const known = await this.#recall.ledgerFor(checked, facts)
        if (known.isStale) return undefined
        const entries = this.#admit(checked, known)
        // Handed to the store in the same turn as it was admitted: nothing comes in between.
        const storing = entries.length > 0 ? this.#store(known, entries, senderOf(checked)) : undefined
        storing?.catch(() => {})
        return { ledger: known, amount: entries.length, storing }
      })
      if (turn === undefined) continue
      const { ledger, amount, storing } = turn
      if (storing !== undefined) await storing
      // A duplicate may still be on its way: it is settled only when everything before it is durable.
      else if (ledger.inFlight > 0) await committer.barrier()
      // What a duplicate repeats was refused meanwhile: it is in no log, and is looked at again.
      if (amount === facts.length || !ledger.isStale) return facts.map(() => 'stored' as const)
    }
  }

  /**
   * A replica sends again what it has no answer to. Refused because it may not write by now, it would take a change back
   * that everyone else has.
   */
  async #settleKnown(
    submission: Submission,
    facts: readonly ChangeFacts[],
    refusal: MooringError,
  ): Promise<Settlement[]> {
    const { committer } = this.#components
    for (;;) {
      const ledger = await this.#recall.ledgerFor(submission, facts)
      const known = facts.map((fact) => ledger.maxOpOf(fact.hash) !== undefined)
      if (ledger.inFlight > 0) await committer.barrier()
      if (!ledger.isStale) return known.map((isKnown) => (isKnown ? 'stored' : refusal))
    }
  }

  /** The entries of those changes that the block does not have. @throws the refusal of the whole frame */
  #admit(checked: Checked, ledger: Ledger): ChangeEntry[] {
    const { origin, grantVersion, block, chunks, facts, authorship } = checked
    const senders = [`${origin.peer} ${grantVersion}`, senderOf(checked)]
    const entries: ChangeEntry[] = []
    try {
      for (const [index, fact] of facts.entries()) {
        const bytes = chunks[index]
        if (bytes === undefined) throw new MooringError('internal')
        const admission = admitChange(fact, ledger)
        if (admission.outcome === 'stale') {
          // Known by its hash: sent twice, settled without a second row. Otherwise one actor told two stories.
          if (ledger.maxOpOf(fact.hash) === undefined) throw new MooringError('equivocation')
          continue
        }
        if (!authorship.covers(fact))
          throw new MooringError('bad-signature', { detail: 'no signature covers a change' })
        // Heads count for who made them: a supplier cannot make any in the name of another.
        const owner = authorship.owner(fact.actor)
        checkPlace(fact, ledger, senders, (actor) => ownsActor(this.#components.self, owner, actor))
        ledger.apply(fact, admission)
        const tip = authorship.tip(fact.actor)
        const author = authorship.supplied(fact.actor)
        const { hash, actor, seq, maxOp, deps } = fact
        const objects = admission.objects.map(objectRow)
        const change = {
          hash,
          actor,
          actorSeq: seq,
          maxOp,
          ops: costOf(fact),
          gap: admission.gap,
          deps,
          objects,
          bytes,
        }
        entries.push({
          kind: 'change',
          origin,
          grantVersion,
          block,
          ...change,
          ...(author === undefined ? {} : { author }),
          ...(tip?.hash === hash ? { tip } : {}),
        })
      }
    } catch (error) {
      ledger.rollback()
      throw error
    }
    ledger.keep()
    return entries
  }

  async #store(ledger: Ledger, entries: readonly ChangeEntry[], sender: string): Promise<void> {
    const { ledgers, committer } = this.#components
    const hashes = entries.map((entry) => entry.hash)
    ledger.sent(hashes, sender)
    ledgers.grown(ledger)
    try {
      const outcomes = await committer.submit(entries)
      const refused = outcomes.find((outcome) => outcome.kind === 'refused')
      if (refused?.kind === 'refused') throw new MooringError(refused.code)
    } catch (error) {
      ledgers.discard(ledger)
      throw error
    } finally {
      ledger.answered(hashes)
    }
  }
}

/** A submission that may be stored as far as its sender and its authors go. */
interface Checked extends Submission {
  readonly row: BlockRow
  readonly chunks: readonly Uint8Array[]
  readonly facts: readonly ChangeFacts[]
  readonly authorship: Authorship
}

/** What is refused together: the store decides by peers and grant versions. */
const senderOf = ({ origin, grantVersion, authorship }: Checked): string =>
  [`${origin.peer} ${grantVersion}`, ...authorship.others].join(' ')

const turnOf = ({ block, origin }: Submission): string => `${block} ${origin.peer} ${origin.replica}`

/**
 * Rules about where a change stands among the others. Heads cost everyone: each next edit names all of them as its
 * dependencies, and above `limits.maxDeps` nobody could edit any more.
 */
function checkPlace(
  fact: ChangeFacts,
  ledger: Ledger,
  senders: readonly string[],
  isOwn: (actor: ActorId) => boolean,
): void {
  const last = ledger.lastOf(fact.actor)
  for (const hash of last === undefined ? fact.deps : [...fact.deps, last.hash]) {
    // Nobody has seen what is not durable, but who sent it. Refused, it would take a part of this frame along.
    const other = ledger.senderOf(hash)
    if (other !== undefined && !senders.includes(other)) throw new MooringError('missing-deps', { detail: hash })
  }
  if (last !== undefined && ledger.isHead(last.hash) && !fact.deps.includes(last.hash)) {
    throw new MooringError('bad-change', { detail: 'own-skipped: a change builds on the last one of its actor' })
  }
  if (ledger.ops + costOf(fact) > limits.maxOpsPerBlock) {
    throw new MooringError('quota-exceeded', { detail: 'a block has at most maxOpsPerBlock operations' })
  }
  if (fact.deps.some((dep) => ledger.isHead(dep))) return
  if (ledger.heads >= maxHeads || ledger.headsOf(isOwn) >= maxHeadsPerPeer) {
    throw new MooringError('quota-exceeded', { detail: 'too many edits side by side: one has to build on the others' })
  }
}
/** How soon a suspended peer tries again: the operator may have released it. */
const suspendedRetryMs = 10_000

export const suspendedError = ({ reason }: SuspensionRow): MooringError =>
  new MooringError('suspended', { detail: reason, retryAfterMs: suspendedRetryMs })

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
