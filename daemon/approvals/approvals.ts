/**
 * Who may do what, in memory, loaded from the store. Keeps true: nothing is permitted that the operator did not approve
 * under the digest of what was shown, or give away with an invite; and nothing any more once it was revoked.
 */

import {
  type Clock,
  type ErrorCode,
  fingerprintWords,
  formatGrant,
  MooringError,
  type PeerId,
  parseGrants,
  type RequestCard,
} from '../../protocol/index.ts'
import type { Logger } from '../log.ts'
import type { InviteRow, PeerRow, RequestRow, Storage } from '../storage/storage.ts'
import { Admission, type Hello, type HelloAnswer } from './admission.ts'
import { Book } from './book.ts'
import { readCode } from './codes.ts'
import { type Approval, Decisions } from './decisions.ts'
import { storableManifest } from './digest.ts'
import type { DecisionListener, PeerGrant } from './events.ts'
import { hashSecret, newSecret } from './invites.ts'

export type { Hello, HelloAnswer } from './admission.ts'
export type { Approval } from './decisions.ts'
export type { DecisionEvent, DecisionListener, PeerGrant } from './events.ts'

export interface ApprovalsInit {
  readonly storage: Storage
  readonly clock: Clock
  /** Cryptographically random bytes. */
  readonly random: (bytes: number) => Uint8Array
  /** The daemon's own key: it needs no approval and can be given none. */
  readonly self: PeerId
  readonly log: Logger
  /** Aborts every connection of the peer before it returns; called before the cut is durable. */
  onCut(peer: PeerId, code: ErrorCode): void
}

/** Where a key stands. `pending` also for a denied key that asks again; `denied` until it does. */
export type Standing = 'unknown' | 'pending' | 'approved' | 'denied' | 'revoked'

export interface InviteOptions {
  readonly grants: readonly string[]
  /** Of the plugin that claims it; gets a number if it is taken by then. */
  readonly name?: string | undefined
  readonly ttlMs: number
}

export class Approvals {
  readonly #init: ApprovalsInit
  readonly #book: Book
  readonly #admission: Admission
  readonly #decisions: Decisions

  constructor(init: ApprovalsInit) {
    this.#init = init
    this.#book = new Book(init)
    this.#admission = new Admission(init, this.#book)
    this.#decisions = new Decisions(init, this.#book)
  }

  /** Loads what the store has and ends the requests that are over. @throws what the store throws */
  start(): Promise<void> {
    return this.#book.load()
  }

  /** Takes nothing new, and waits for what was taken. Open requests stay open for the next start. */
  stop(): Promise<void> {
    return this.#book.stop()
  }

  standing(peer: PeerId): Standing {
    const state = this.#book.peers.row(peer)?.state
    if (state === 'approved' || state === 'revoked') return state
    if (this.#book.requests.openOf(peer) !== undefined) return 'pending'
    return state ?? 'unknown'
  }

  /** Undefined unless the peer is approved. Ask at each use: it is cut before anyone can be told. */
  grantOf(peer: PeerId): PeerGrant | undefined {
    return this.#book.peers.grantOf(peer)
  }

  /**
   * What to tell a key now. Listen with {@link onDecision} before calling this, and ask {@link grantOf} before acting on
   * the answer: a decision may come in between.
   * @throws `approval-denied` with `retryAfterMs`, `revoked`, `invite-invalid`, `lobby-full` with `retryAfterMs`,
   * `invalid-input` for a manifest that is too large or wants one grant twice, `daemon-stopping`, and what the store throws
   */
  async hello(hello: Hello): Promise<HelloAnswer> {
    if (hello.peer === this.#init.self)
      throw new MooringError('wrong-state', { detail: 'this is the key of the daemon' })
    return this.#admission.hello(hello)
  }

  /** Tells of every decision about a peer until the returned function is called. */
  onDecision(peer: PeerId, listener: DecisionListener): () => void {
    return this.#book.listeners.add(peer, listener)
  }

  /** The open requests, oldest first. */
  requests(): RequestCard[] {
    return this.#book.requests.list().map(({ row }) => this.#card(row))
  }

  /** An open or recently ended request. @throws `request-not-found` */
  request(code: string): RequestCard {
    const row = this.#book.requests.row(readCode(code))
    if (row === undefined) throw new MooringError('request-not-found')
    return this.#card(row)
  }

  /**
   * Grants what a request wants, or less, in addition to what the key holds. Resolves once it is durable.
   * @throws `request-not-found`, `request-decided`, `request-expired`, `request-superseded`, `digest-mismatch`,
   * `grant-not-requested`, `name-taken`, `invalid-input`, `wrong-state` when the key was revoked or narrowed meanwhile,
   * `too-many-calls`, `daemon-stopping`, and what the store throws
   */
  approve(approval: Approval): Promise<PeerRow> {
    return this.#decisions.approve(approval)
  }

  /**
   * Denies a request. A key that is approved already keeps what it holds.
   * @throws `request-not-found`, `request-decided`, `request-expired`, `request-superseded`, `too-many-calls`,
   * `daemon-stopping`, and what the store throws
   */
  deny(code: string): Promise<RequestRow> {
    return this.#decisions.deny(code)
  }

  /**
   * Cuts a key off, before this returns its promise, and keeps it out. Resolves once that is durable; when it cannot be
   * written the cut stands until the daemon ends, and revoking again writes it.
   * @throws `peer-not-found`, `wrong-state`, `too-many-calls`, `daemon-stopping`, and what the store throws
   */
  revoke(who: string): Promise<PeerRow> {
    return this.#decisions.revoke(who)
  }

  /**
   * Replaces what a key may do by less, cut and written as by {@link revoke}.
   * @throws as `revoke`, `grant-not-requested` for what the key does not hold, `invalid-input`
   */
  narrow(who: string, grants: readonly string[]): Promise<PeerRow> {
    return this.#decisions.narrow(who, grants)
  }

  /** Every key that was ever decided about, by name, as what holds now. */
  peers(): PeerRow[] {
    return this.#book.peers.list()
  }

  /** By name, whole peer id, or the words of the key. @throws `peer-not-found`, `wrong-state` when it fits several */
  find(who: string): PeerRow {
    return this.#book.peers.find(who)
  }

  /**
   * Makes an invite. The secret is in the answer and nowhere else.
   * @throws `name-taken`, `invalid-input`, `daemon-stopping`, and what the store throws
   */
  async invite({ grants, name, ttlMs }: InviteOptions): Promise<{ secret: Uint8Array; row: InviteRow }> {
    this.#book.checkRunning()
    const given = parseGrants(grants)
    if (name !== undefined && this.#book.peers.isNameTaken(name)) throw new MooringError('name-taken')
    const secret = newSecret(this.#book.stamp(), this.#init.random)
    const row: InviteRow = {
      hash: hashSecret(secret),
      grants: given.map(formatGrant),
      name,
      expiresAtMs: this.#init.clock.nowMs() + ttlMs,
      claimedBy: undefined,
    }
    await this.#init.storage.putInvite(row)
    return { secret, row }
  }

  #card(row: RequestRow): RequestCard {
    const held = this.#book.peers.grantOf(row.peer)
    const manifest = storableManifest(row.manifest)
    const { code, digest, state, peer, from, createdAtMs, expiresAtMs } = row
    const name = this.#book.requests.openOf(peer)?.name ?? this.#book.peers.row(peer)?.name ?? manifest.name
    const holds = [...(held?.texts ?? [])]
    const words = fingerprintWords(peer)
    return {
      code,
      digest,
      state,
      peer,
      words,
      manifest,
      wants: [...row.wants],
      holds,
      from,
      name,
      createdAtMs,
      expiresAtMs,
    }
  }
}
