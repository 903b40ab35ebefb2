/**
 * What a peer may make the daemon do, in operations. Keeps: in a second no more than its rate, at one moment no more than two
 * seconds of it, whatever it sends and on however many streams; what is refused is paid for as well.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { Clock } from '../../protocol/index.ts'
import { limits } from '../../protocol/limits.ts'

interface Account {
  tokens: number
  atMs: number
  /** Looked at and not settled. */
  open: number
}

/** Peers above which those are forgotten of whom there is nothing to know. */
const maxIdle = 1_024
const retryAfterMs = 1_000

export class Rates {
  readonly #clock: Clock
  readonly #perSecond: number
  readonly #accounts = new Map<PeerId, Account>()

  constructor(clock: Clock, perSecond: number = limits.maxOpsPerPeerSecond) {
    this.#clock = clock
    this.#perSecond = perSecond
  }

  /** A token bucket; one second's worth may come at once. @throws `rate-limited` */
  spend(peer: PeerId, cost: number): void {
    const account = this.#account(peer)
    if (cost <= account.tokens) {
      account.tokens -= cost
      return
    }
    const waitMs = Math.ceil(((cost - account.tokens) * 1_000) / this.#perSecond)
    throw new MooringError('rate-limited', { detail: 'maxOpsPerPeerSecond', retryAfterMs: waitMs })
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
    const account = this.#accounts.get(peer) ?? { tokens: this.#perSecond, atMs: nowMs, open: 0 }
    const refill = ((nowMs - account.atMs) * this.#perSecond) / 1_000
    account.tokens = Math.min(this.#perSecond, account.tokens + refill)
    account.atMs = nowMs
    if (!this.#accounts.has(peer)) this.#keep(peer, account, nowMs)
    return account
  }

  #keep(peer: PeerId, account: Account, nowMs: number): void {
    this.#accounts.set(peer, account)
    if (this.#accounts.size <= maxIdle) return
    for (const [other, { atMs, open }] of this.#accounts) {
      // After a second it has what a peer begins with.
      if (other !== peer && open === 0 && nowMs - atMs >= 1_000) this.#accounts.delete(other)
    }
  }
}
