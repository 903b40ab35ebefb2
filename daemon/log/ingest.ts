/**
 * The only way into the log for a change from outside: size and shape (structure), then permission (actor, signature,
 * rate), then order, then the store. A frame is taken whole or not at all, because its signatures cover its last change.
 */

import { MooringError } from '../../protocol/errors.ts'
import type { ChangeHash, PeerId } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import { admitChange, newMeter, ownsActor, type SentTip, type Settlement } from '../../protocol/sync/index.ts'
import type { AppendOutcome, BlockRow, ChangeEntry, Origin, SuspensionRow } from '../storage/storage.ts'
import { type AuthorGrant, Authorship } from './authorship.ts'
import type { BlockIndex } from './block-index.ts'
import { changeEntry, ownReplica, upgradeEntry, upgradesFor } from './change-entry.ts'
import type { Committer } from './committer.ts'
import { costOfReading, type Facts, readFrames } from './frame-reading.ts'
import { costOf, type Ledger } from './ledger.ts'
import type { Ledgers } from './ledgers.ts'
import type { Missing } from './missing.ts'
import { Pace } from './pace.ts'
import { checkPlace, checkRoom } from './placement.ts'
import type { Quarantine } from './quarantine.ts'
import type { Quotas } from './quotas.ts'
import { type Bill, Rates } from './rates.ts'
import { type History, Recall } from './recall.ts'
import { Turns } from './turns.ts'
import type { Usage } from './usage.ts'

export interface Submission {
  readonly origin: Origin
  /** The grant version that the caller's permission was checked under. */
  readonly grantVersion: number
  readonly block: number
  /** Frames that are taken or refused together: more than one only when a signature covers several. */
  readonly frames: readonly (readonly Uint8Array[])[]
  readonly tips: readonly SentTip[]
  /** The daemon made it for the peer that it comes from, which has it counted as its own. */
  readonly isOnBehalf?: boolean
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
  readonly quotas: Quotas
  readonly usage: Usage
  readonly history: History
  readonly missing: Missing
  /** The grant of an approved peer. */
  grantOf(peer: PeerId): AuthorGrant | undefined
}

/** What the check of a signature counts for, in operations: one peer takes at most half of the time that there is. */
const opsPerTip = 20

export class Ingest {
  readonly #components: IngestComponents
  readonly #recall: Recall
  readonly #looking = new Turns()
  readonly #turns = new Turns()
  readonly #rates: Rates
  readonly #pace: Pace

  constructor(components: IngestComponents) {
    this.#components = components
    this.#pace = new Pace(components.clock)
    this.#rates = new Rates(components.clock, components.quotas.maxOpsPerPeerSecond)
    this.#recall = new Recall(components, this.#rates)
  }

  /** Counts work for a peer that is no change. @throws `rate-limited` */
  spend(peer: PeerId, ops: number): void {
    this.#rates.spend(peer, ops)
  }

  /** What became of each change, in order. Never rejects: every refusal is a settlement. */
  async submit(submission: Submission): Promise<Settlement[]> {
    const chunks = submission.frames.flat()
    const { peer, replica } = submission.origin
    const bill: Bill = { replica, paid: 0 }
    let settled = (): void => {}
    try {
      const row = this.#components.index.byId(submission.block)
      if (row === undefined || row.deletedSeq > 0) throw new MooringError('block-deleted')
      // Before the work, so that what is refused is paid for too.
      this.#rates.spend(peer, chunks.length + opsPerTip * submission.tips.length, bill)
      // One after another: what takes longer to look at must not be overtaken by what builds on it.
      const { refusal, ...checked } = await this.#looking.take(turnOf(submission), async () => {
        // What came before it may have used up what there was.
        this.#rates.spend(peer, 0, bill)
        const { facts, cost } = await this.#read(submission, bill)
        settled = this.#rates.open(peer, cost)
        return this.#look(submission, row, facts)
      })
      if (refusal !== undefined) return await this.#settleKnown({ ...submission, bill }, checked.facts, refusal)
      return await this.#admitAndStore({ ...submission, bill, chunks, ...checked })
    } catch (error) {
      const refusal = error instanceof MooringError ? error : new MooringError('internal', { cause: error })
      return chunks.map(() => refusal)
    } finally {
      settled()
    }
  }

  /** What is refused is paid for by the work that it took, which may be far more than it looks like. */
  async #read({ frames, origin }: Submission, bill: Bill): Promise<{ facts: Facts[]; cost: number }> {
    const meter = newMeter()
    try {
      const facts = await readFrames(frames, { meter, pace: this.#pace })
      const cost = facts.reduce((sum, fact) => sum + costOf(fact), 0)
      this.#rates.spend(origin.peer, Math.max(cost, costOfReading(meter)) - facts.length, bill)
      return { facts, cost }
    } catch (error) {
      this.#rates.charge(origin.peer, costOfReading(meter))
      throw error
    }
  }

  /** Everything that can be said of changes without their block, but for the refusal of those that are new. */
  async #look(submission: Submission, row: BlockRow, facts: readonly Facts[]): Promise<Looked> {
    this.#checkQuarantine(row, facts)
    const { self, grantOf, missing } = this.#components
    const { origin, tips } = submission
    const isMissing = (hash: ChangeHash): boolean => missing.isKnown(row.id, hash)
    const authorship = new Authorship({ self, sender: origin.peer, row, facts, tips, grantOf, isMissing })
    const refusal = submission.refusal ?? this.#suspension([origin.peer, ...authorship.others])
    if (refusal === undefined) await authorship.checkSignatures()
    return { facts, authorship, refusal }
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
  #checkQuarantine(row: BlockRow, facts: readonly Facts[]): void {
    const { quarantine } = this.#components
    for (const { hash, deps } of facts) {
      const aside = [hash, ...deps].find((each) => quarantine.hasHash(row.id, each))
      if (aside !== undefined) throw new MooringError('quarantined', { detail: aside })
    }
  }

  async #admitAndStore(checked: Checked): Promise<Settlement[]> {
    const { committer } = this.#components
    const { facts } = checked
    for (;;) {
      // Frames of one replica keep their order, also when one of them has to wait for what is known of it.
      const turn = await this.#turns.take(turnOf(checked), async () => {
        const known = await this.#recall.ledgerFor(checked, facts, checked.bill)
        if (known.isStale) return undefined
        const entries = this.#admit(checked, known)
        // Handed to the store in the same turn as it was admitted: nothing comes in between.
        const storing = entries.length > 0 ? this.#store(known, entries, senderOf(checked)) : undefined
        storing?.catch(() => {})
        return { ledger: known, amount: entries.filter((entry) => entry.origin === checked.origin).length, storing }
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
  async #settleKnown(submission: Billed, facts: readonly Facts[], refusal: MooringError): Promise<Settlement[]> {
    const { committer } = this.#components
    // Only whether they are there: what they build on is nothing that a peer without the right may have looked up.
    const alone = facts.map((fact) => ({ ...fact, deps: [] }))
    for (;;) {
      const ledger = await this.#recall.ledgerFor(submission, alone, submission.bill)
      const known = facts.map((fact) => ledger.maxOpOf(fact.hash) !== undefined)
      if (ledger.inFlight > 0) await committer.barrier()
      if (!ledger.isStale) return known.map((isKnown) => (isKnown ? 'stored' : refusal))
    }
  }

  /** The entries of those changes that the block does not have. @throws the refusal of the whole frame */
  #admit(checked: Checked, ledger: Ledger): ChangeEntry[] {
    const { origin, grantVersion, block, chunks, facts, authorship, isOnBehalf = false } = checked
    const { index, missing, quotas, self } = this.#components
    const senders = [`${origin.peer} ${grantVersion}`, senderOf(checked)]
    const entries: ChangeEntry[] = []
    try {
      // By the daemon: whoever brings what builds on them has them from the table of schemas, like everyone else.
      for (const upgrade of upgradesFor(index.byId(block)?.schema, facts, ledger)) {
        entries.push(upgradeEntry(upgrade, ledger, block, { peer: self, replica: ownReplica }))
      }
      for (const [place, fact] of facts.entries()) {
        const bytes = chunks[place]
        if (bytes === undefined) throw new MooringError('internal')
        if (missing.isOther(block, fact)) throw new MooringError('equivocation')
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
        checkPlace(fact, ledger, senders, (actor) => ownsActor(self, owner, actor))
        checkRoom(fact, admission.objects.length, ledger, quotas, owner === self)
        ledger.apply(fact, { ...admission, content: fact.content })
        const tip = authorship.tip(fact.actor)
        const author = isOnBehalf ? undefined : authorship.supplied(fact.actor)
        entries.push({
          ...changeEntry(fact, admission, bytes),
          ...{ origin, grantVersion, block },
          ...(author === undefined ? {} : { author }),
          ...(tip?.hash === fact.hash ? { tip } : {}),
        })
      }
      this.#components.usage.reserve(entries)
    } catch (error) {
      ledger.rollback()
      throw error
    }
    ledger.keep()
    return entries
  }

  async #store(ledger: Ledger, entries: readonly ChangeEntry[], sender: string): Promise<void> {
    const { ledgers, committer, usage } = this.#components
    const hashes = entries.map((entry) => entry.hash)
    ledger.sent(hashes, sender)
    ledgers.grown(ledger)
    let outcomes: readonly AppendOutcome[] = []
    try {
      outcomes = await committer.submit(entries)
      const refused = outcomes.find((outcome) => outcome.kind === 'refused')
      if (refused?.kind === 'refused') throw new MooringError(refused.code)
    } catch (error) {
      ledgers.discard(ledger)
      throw error
    } finally {
      ledger.answered(hashes)
      usage.release(entries.filter((_, index) => outcomes[index]?.kind !== 'stored'))
    }
  }
}

/** Changes that were looked at by themselves. */
interface Looked {
  readonly facts: readonly Facts[]
  readonly authorship: Authorship
  /** Why none that is new is taken. */
  readonly refusal: MooringError | undefined
}

interface Billed extends Submission {
  readonly bill: Bill
}

/** A submission that may be stored as far as its sender and its authors go. */
interface Checked extends Billed, Omit<Looked, 'refusal'> {
  readonly chunks: readonly Uint8Array[]
}

/** What is refused together: the store decides by peers and grant versions. */
const senderOf = ({ origin, grantVersion, authorship }: Checked): string =>
  [`${origin.peer} ${grantVersion}`, ...authorship.others].join(' ')

const turnOf = ({ block, origin }: Submission): string => `${block} ${origin.peer} ${origin.replica}`

/** How soon a suspended peer tries again: the operator may have released it. */
const suspendedRetryMs = 10_000

export const suspendedError = ({ reason }: SuspensionRow): MooringError =>
  new MooringError('suspended', { detail: reason, retryAfterMs: suspendedRetryMs })
