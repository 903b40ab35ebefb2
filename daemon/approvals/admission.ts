/**
 * What a key is told when it says hello: in, wait, or out. Keeps true: only a decision of the operator, made for this
 * key or carried by an invite, lets a key in; where it connects from and what it calls itself never do.
 */
import {
  asError,
  type Clock,
  covers,
  formatGrant,
  type Grant,
  limits,
  type Manifest,
  MooringError,
  type PeerId,
  parseGrant,
  parseGrants,
} from '../../protocol/index.ts'
import type { Logger } from '../log.ts'
import type { InviteRow, PeerRow, RequestRow, Storage } from '../storage/storage.ts'
import type { Book } from './book.ts'
import { newCode } from './codes.ts'
import { askKey, requestDigest, storableManifest } from './digest.ts'
import type { PeerGrant } from './events.ts'
import { difference, uniteAsked, uniteGrants } from './grant-sets.ts'
import { hashSecret, madeAtMs } from './invites.ts'
import { freeName } from './names.ts'

/** Hellos that wait for their turn: every connection the lobby can hold, and as many again. */
const maxWaitingHellos = 2 * (limits.maxLobbyConnections + limits.maxParkedRequests)
/**
 * New requests a second, over all keys, after a full lobby at once. Each is a row of up to 4 KiB that stays for ten
 * minutes: this bounds them to about 24 MiB, whoever asks.
 */
const newRequestsPerSecond = 10
const maxFromChars = 256
const nonceBytes = 16

export interface Hello {
  /** From the connection, never from what was sent over it. */
  readonly peer: PeerId
  readonly manifest: Manifest
  /** Where the connection came from, as a multiaddr: shown to the operator, used for nothing. */
  readonly from: string
  /** The secret of a ticket. */
  readonly invite?: Uint8Array | undefined
}

/** `request` in `approved`: the manifest wants more than the operator has seen; the difference waits for a decision. */
export type HelloAnswer =
  | { readonly state: 'approved'; readonly grant: PeerGrant; readonly request?: RequestRow }
  | { readonly state: 'pending'; readonly request: RequestRow }

export interface AdmissionInit {
  readonly storage: Storage
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
  readonly log: Logger
}

interface Ask {
  readonly manifest: Manifest
  readonly wants: readonly Grant[]
}

export class Admission {
  readonly #init: AdmissionInit
  readonly #book: Book
  #tokens: number = limits.maxParkedRequests
  #tokensAtMs: number

  constructor(init: AdmissionInit, book: Book) {
    this.#init = init
    this.#book = book
    this.#tokensAtMs = init.clock.monotonicMs()
  }

  /**
   * @throws `approval-denied`, `revoked`, `invite-invalid`, `lobby-full`, `invalid-input`, `daemon-stopping`, and what
   * the store throws
   */
  async hello(hello: Hello): Promise<HelloAnswer> {
    this.#book.checkRunning()
    const { peer, invite } = hello
    const manifest = storableManifest(hello.manifest)
    const ask = { manifest, wants: parseGrants(manifest.wants) }
    const grant = this.#book.peers.grantOf(peer)
    // Nobody's decision is needed: an approved key does not wait behind those who are not.
    const isContent = grant !== undefined && covers(grant.grants, ask.wants)
    if (grant !== undefined && (isContent || (invite === undefined && this.#beyond(peer, ask).length === 0))) {
      return { state: 'approved', grant }
    }
    if (this.#book.queue.waiting >= maxWaitingHellos) {
      if (grant !== undefined) return { state: 'approved', grant }
      throw lobbyFull()
    }
    return this.#book.queue.run(() => this.#answer(hello, ask))
  }

  async #answer({ peer, from, invite }: Hello, ask: Ask): Promise<HelloAnswer> {
    const { peers } = this.#book
    if (invite !== undefined) await this.#tryInvite(peer, ask, invite)
    const state = peers.row(peer)?.state
    if (state === 'approved') return this.#welcome(peer, ask, from)
    if (state === 'revoked') throw new MooringError('revoked')
    const retryAfterMs = this.#book.deniedForMs(peer)
    if (state === 'denied' && retryAfterMs > 0) throw new MooringError('approval-denied', { retryAfterMs })
    return { state: 'pending', request: await this.#request(peer, ask.manifest, ask.wants, from) }
  }

  async #welcome(peer: PeerId, ask: Ask, from: string): Promise<HelloAnswer> {
    const beyond = this.#beyond(peer, ask)
    let request: RequestRow | undefined
    if (beyond.length > 0) {
      try {
        request = await this.#request(peer, ask.manifest, beyond, from)
      } catch (error) {
        // What it holds keeps working; it asks for the rest with its next hello.
        this.#init.log.warn({ peer, error: asError(error).message }, 'a request for more could not be made')
      }
    }
    // It may have been revoked while its request was written.
    const grant = this.#book.peers.grantOf(peer)
    if (grant === undefined) throw new MooringError('revoked')
    return { state: 'approved', grant, ...(request === undefined ? {} : { request }) }
  }

  #beyond(peer: PeerId, ask: Ask): Grant[] {
    return difference(this.#book.peers.asked(peer), ask.wants)
  }

  /** The open request of the key if it asks for the same, else a new one. */
  async #request(peer: PeerId, manifest: Manifest, wants: readonly Grant[], from: string): Promise<RequestRow> {
    const { requests } = this.#book
    const texts = wants.map(formatGrant)
    const open = requests.openOf(peer)
    if (open !== undefined && this.#book.isOver(open)) await this.#book.endNow(open, 'expired')
    else if (open !== undefined && open.ask === askKey(manifest, texts)) return open.row
    this.#takeToken()
    while (requests.openOf(peer) === undefined && requests.size >= limits.maxParkedRequests) await this.#evict()
    const nonce = Buffer.from(this.#init.random(nonceBytes)).toString('hex')
    const createdAtMs = this.#init.clock.nowMs()
    const row: RequestRow = {
      code: newCode(this.#init.random, (code) => requests.has(code)),
      digest: requestDigest({ peer, manifest, wants: texts, nonce }),
      peer,
      manifest,
      wants: texts,
      nonce,
      from: from.slice(0, maxFromChars),
      state: 'pending',
      createdAtMs,
      expiresAtMs: createdAtMs + limits.requestTtlMs,
    }
    await this.#book.putRequest(row)
    const name = requests.openOf(peer)?.name
    this.#init.log.info({ peer, name, request: row.code, from: row.from }, 'a request waits for the operator')
    return row
  }

  /** The oldest goes, of unapproved keys first: strangers do not push out what an approved plugin asks for. */
  async #evict(): Promise<void> {
    const { requests, peers } = this.#book
    const open = requests.list()
    const oldest = open.find(({ row }) => peers.row(row.peer)?.state !== 'approved') ?? open[0]
    if (oldest !== undefined) await this.#book.endNow(oldest, 'expired', 'lobby-full')
  }

  #takeToken(): void {
    const nowMs = this.#init.clock.monotonicMs()
    const gained = ((nowMs - this.#tokensAtMs) * newRequestsPerSecond) / 1_000
    this.#tokens = Math.min(limits.maxParkedRequests, this.#tokens + gained)
    this.#tokensAtMs = nowMs
    if (this.#tokens < 1) throw lobbyFull()
    this.#tokens -= 1
  }

  /**
   * Uses the invite if it still means something for the key: unused, not expired, and made after the last decision about
   * the key, so that the operator's later word stands. An approved key needs none: one that means nothing is ignored,
   * since a plugin keeps its ticket for good.
   */
  async #tryInvite(peer: PeerId, ask: Ask, secret: Uint8Array): Promise<void> {
    const hash = hashSecret(secret)
    const wasApproved = this.#book.peers.grantOf(peer) !== undefined
    try {
      const row = await this.#init.storage.invite(hash)
      // Read after the wait: a cut may have been made meanwhile.
      const known = this.#book.peers.row(peer)
      const isUsable =
        row !== undefined &&
        row.claimedBy === undefined &&
        this.#init.clock.nowMs() < row.expiresAtMs &&
        (known === undefined || madeAtMs(secret) > known.decidedAtMs)
      if (isUsable) await this.#claim(peer, ask, row, known)
      else if (known?.state === 'revoked') throw new MooringError('revoked')
      else if (known?.state !== 'approved') throw new MooringError('invite-invalid')
    } catch (error) {
      if (!wasApproved) throw error
      this.#init.log.warn({ peer, error: asError(error).message }, 'the invite of an approved plugin was not used')
    }
  }

  async #claim(peer: PeerId, ask: Ask, invite: InviteRow, known: PeerRow | undefined): Promise<void> {
    const { peers, requests, listeners } = this.#book
    const given = invite.grants.map(parseGrant)
    const held = peers.grantOf(peer)
    const open = requests.openOf(peer)
    if (open !== undefined && this.#book.isOver(open)) await this.#book.endNow(open, 'expired')
    const replaced = requests.openOf(peer)
    const cuts = peers.cuts(peer)
    const row: PeerRow = {
      peer,
      // Nobody is there to choose another name: a taken one gets a number.
      name: held?.name ?? freeName(invite.name ?? ask.manifest.name, (name) => peers.isNameTaken(name, peer)),
      state: 'approved',
      grantVersion: peers.nextVersion(peer),
      grants: uniteGrants(held?.grants ?? [], given).map(formatGrant),
      asked: uniteAsked(peers.asked(peer), given).map(formatGrant),
      manifest: ask.manifest,
      decidedAtMs: this.#book.stamp(),
    }
    await this.#book.decide({
      invite: { hash: invite.hash, claimedBy: peer },
      ...(replaced && { request: { code: replaced.row.code, digest: replaced.row.digest, to: 'superseded' } }),
      peer: { row, expectGrantVersion: peers.stored(peer)?.grantVersion ?? 0 },
    })
    peers.settle(row, cuts)
    this.#init.log.info({ peer, name: row.name, invite: invite.hash.slice(0, 8) }, 'an invite was claimed')
    const grant = peers.grantOf(peer)
    if (grant !== undefined && peers.cuts(peer) === cuts) {
      listeners.emit(peer, { kind: known?.state === 'approved' ? 'granted' : 'approved', grant })
    }
    if (replaced !== undefined) this.#book.end(replaced.row.code, 'superseded')
  }
}

const lobbyFull = (): MooringError => new MooringError('lobby-full', { retryAfterMs: limits.lobbyRetryMs })
