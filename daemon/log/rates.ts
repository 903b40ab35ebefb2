/**
 * What a peer may make the daemon do, in operations. Keeps: over time no more than its rate, at once no more than a second of
 * it and one piece of work, whatever it sends and on however many streams; what is refused is paid for as well. And of what
 * it begins something is always finished, and its replicas take turns: none that waits as long as is said is refused for ever.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { PeerId, ReplicaId } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import { type LimitName, limits } from '../../protocol/limits.ts'

/** What one piece of work has cost so far: what more it costs is known only while it is done. */
export interface Bill {
  readonly replica: ReplicaId
  paid: number
}

interface Account {
  /** What is left of a second's worth; below zero, what was done beyond it. */
  tokens: number
  atMs: number
  /** Looked at and not settled. */
  open: number
  /** Replicas that were refused, in that order, and until when their turn is kept for them. */
  readonly waiting: Map<ReplicaId, number>
}

/** Peers above which those are forgotten of whom there is nothing to know. */
const maxIdle = 1_024
const retryAfterMs = 1_000
/** How much longer each waits than the one before it: about what a large frame costs. */
const turnMs = 200
/** How long after its time a replica may come, on a slow line. */
const maxLateMs = 2_000
/** Replicas of a peer that have a turn: as many as use it at once, and then some. */
const maxWaiting = 64

export class Rates {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #bound: LimitName
  readonly #accounts = new Map<PeerId, Account>()

  constructor(clock: Clock, perSecond: number = limits.maxOpsPerPeerSecond, bound: LimitName = 'maxOpsPerPeerSecond') {
    this.#clock = clock
    this.#perSecond = perSecond
    this.#bound = bound
  }

  /**
   * A token bucket that is paid after use: work is begun while something is left, and what it costs beyond that has to come
   * back before other work is begun. Its own earlier steps never stop it: refused at a later step, it would pay for the earlier
   * ones again each time. @throws `rate-limited`
   */
  spend(peer: PeerId, cost: number, bill?: Bill): void {
    const account = this.#account(peer)
    const paid = bill?.paid ?? 0
    const place = bill === undefined || paid > 0 ? 0 : placeOf(bill.replica, account)
    if (place === 0 && account.tokens + paid > 0 && cost <= limits.maxOpenOpsPerPeer) {
      account.tokens -= cost
      if (bill === undefined) return
      bill.paid += cost
      account.waiting.delete(bill.replica)
      return
    }
    const owed = Math.max(0, -account.tokens)
    const waitMs = Math.floor((owed * 1_000) / this.#perSecond) + 1 + place * turnMs
    if (bill !== undefined) keepTurn(bill.replica, account, waitMs)
    throw new MooringError('rate-limited', { detail: this.#bound, retryAfterMs: waitMs })
  }

  /** Counts work that was done already, however little is left. */
  charge(peer: PeerId, cost: number): void {
    this.#account(peer).tokens -= cost
  }

  /** Work of so many operations stays in memory until the answer is called, once. @throws `rate-limited` */
  open(peer: PeerId, cost: number): () => void {
    const account = this.#account(peer)
    if (account.open + cost > limits.maxOpenOpsPerPeer) {
      throw new MooringError('rate-limited', { detail: 'maxOpenOpsPerPeer', retryAfterMs })
    }
    account.open += cost
    return () => {
      account.open -= cost
    }
  }

  #account(peer: PeerId): Account {
    const nowMs = this.#clock.monotonicMs()
    const account = this.#accounts.get(peer) ?? { tokens: this.#perSecond, atMs: nowMs, open: 0, waiting: new Map() }
    const refill = ((nowMs - account.atMs) * this.#perSecond) / 1_000
    account.tokens = Math.min(this.#perSecond, account.tokens + refill)
    account.atMs = nowMs
    if (!this.#accounts.has(peer)) this.#keep(peer, account, nowMs)
    return account
  }

  #keep(peer: PeerId, account: Account, nowMs: number): void {
    this.#accounts.set(peer, account)
    if (this.#accounts.size <= maxIdle) return
    for (const [other, { tokens, atMs, open }] of this.#accounts) {
      // By then it has what a peer begins with.
      const isFull = tokens + ((nowMs - atMs) * this.#perSecond) / 1_000 >= this.#perSecond
      if (other !== peer && open === 0 && isFull) this.#accounts.delete(other)
    }
  }
}

/** How many others come before a replica: those that were refused earlier and are not late. */
function placeOf(replica: ReplicaId, { waiting, atMs }: Account): number {
  for (const [other, untilMs] of waiting) if (untilMs < atMs) waiting.delete(other)
  const place = [...waiting.keys()].indexOf(replica)
  return place < 0 ? waiting.size : place
}

function keepTurn(replica: ReplicaId, { waiting, atMs }: Account, waitMs: number): void {
  if (waiting.has(replica) || waiting.size < maxWaiting) waiting.set(replica, atMs + waitMs + maxLateMs)
}
