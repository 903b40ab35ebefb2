/**
 * The state of all approvals and the one way to change it. Keeps true: what permits more is in the store before it is
 * in memory, the store's comparison is the last word, and after a failed write memory is what the store says.
 */
import {
  asError,
  type Clock,
  type ErrorCode,
  isPeerId,
  limits,
  MooringError,
  type PeerId,
} from '../../protocol/index.ts'
import type { Logger } from '../log.ts'
import type { Decision, PeerRow, RequestRow, RequestState, Storage } from '../storage/storage.ts'
import { askKey, requestDigest, storableManifest } from './digest.ts'
import { Listeners } from './events.ts'
import { freeName } from './names.ts'
import { Peers } from './peers.ts'
import { Queue } from './queue.ts'
import { type OpenRequest, Requests } from './requests.ts'

/** Ended rows are removed from the store in groups: one write for many. */
const pruneEvery = 64

export interface BookInit {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Logger
}

export class Book {
  readonly peers: Peers
  readonly requests = new Requests()
  readonly listeners: Listeners
  readonly queue = new Queue()
  readonly #init: BookInit
  /** When each denied key may ask again, on the monotonic clock: a wall clock that jumps neither frees nor locks one. */
  readonly #deniedUntil = new Map<PeerId, number>()
  #lastStampMs = 0
  #ended = 0
  #isStopped = false

  constructor(init: BookInit) {
    this.#init = init
    this.peers = new Peers(init.log)
    this.listeners = new Listeners(init.log)
  }

  async load(): Promise<void> {
    const { storage, clock } = this.#init
    const [peers, requests] = await Promise.all([storage.peers(), storage.requests()])
    for (const row of peers) {
      if (row.isDamaged) {
        this.#distrust(row)
        continue
      }
      this.peers.setStored(row)
      this.#lastStampMs = Math.max(this.#lastStampMs, row.decidedAtMs)
      if (row.state === 'denied') {
        const leftMs = row.decidedAtMs + limits.deniedRetryMs - clock.nowMs()
        this.holdOff(row.peer, Math.min(leftMs, limits.deniedRetryMs))
      }
    }
    for (const row of [...requests].sort((a, b) => a.createdAtMs - b.createdAtMs)) await this.#takeOver(row)
    await this.#prune()
  }

  /** What was decided about the key is not known any more: until it is decided anew it is as if it had been denied now. */
  #distrust(row: PeerRow): void {
    const { clock, log } = this.#init
    const { name, peer } = row
    log.error({ peer, name }, 'what was decided about a plugin is damaged: it is not let in, and may ask again')
    if (isPeerId(peer)) this.peers.setStored({ ...row, decidedAtMs: clock.nowMs() })
  }

  stop(): Promise<void> {
    this.#isStopped = true
    this.requests.stopTimers()
    return this.queue.idle()
  }

  /** @throws `daemon-stopping` */
  checkRunning(): void {
    if (this.#isStopped) throw new MooringError('daemon-stopping')
  }

  /**
   * Wall-clock milliseconds that never repeat and never go back, so that of two decisions the later one is known. May be
   * ahead of the clock; never used to tell whether something has expired.
   */
  stamp(): number {
    this.#lastStampMs = Math.max(this.#init.clock.nowMs(), this.#lastStampMs + 1)
    return this.#lastStampMs
  }

  /** Milliseconds until a denied key may ask again; 0 when it may. */
  deniedForMs(peer: PeerId): number {
    return Math.max(0, (this.#deniedUntil.get(peer) ?? 0) - this.#init.clock.monotonicMs())
  }

  holdOff(peer: PeerId, ms: number): void {
    this.#deniedUntil.set(peer, this.#init.clock.monotonicMs() + ms)
  }

  /** At the boundary expiry wins. */
  isOver(open: OpenRequest): boolean {
    return this.#init.clock.nowMs() >= open.row.expiresAtMs
  }

  isNameTaken(name: string, peer: PeerId, code?: string): boolean {
    return this.peers.isNameTaken(name, peer) || this.requests.isNameReserved(name, code)
  }

  /** Writes a decision. @throws what the store throws; memory then is what the store says */
  async decide(decision: Omit<Decision, 'atMs'>, options?: { readonly urgent: boolean }): Promise<void> {
    try {
      await this.#init.storage.decide({ atMs: this.#init.clock.nowMs(), ...decision }, options)
    } catch (error) {
      await this.#reload()
      throw error
    }
  }

  /** Stores a new request; it takes the place of an open one of the same key. */
  async putRequest(row: RequestRow): Promise<void> {
    const before = this.requests.openOf(row.peer)
    try {
      await this.#init.storage.putRequest(row)
    } catch (error) {
      await this.#reload()
      throw error
    }
    if (before !== undefined) this.end(before.row.code, 'superseded')
    this.#open(row)
  }

  /** Ends an open request in the store and then here. `because`: what those who wait for it are told. */
  async endNow(open: OpenRequest, to: 'denied' | 'expired', because?: ErrorCode): Promise<void> {
    const { code, digest } = open.row
    await this.decide({ request: { code, digest, to } })
    this.end(code, to, because)
  }

  /** Ends a request that the store has ended, and tells who waits for it. */
  end(code: string, to: RequestState, because: ErrorCode = endCodes[to]): RequestRow | undefined {
    const peer = this.requests.row(code)?.peer
    const name = peer === undefined ? undefined : this.requests.openOf(peer)?.name
    const row = this.requests.end(code, to)
    if (row === undefined) return undefined
    const message = to === 'denied' ? 'a request was denied' : 'a request ended'
    this.#init.log.info({ peer: row.peer, name, request: code, state: to }, message)
    if (to === 'denied' || to === 'expired' || to === 'superseded') {
      const retryAfterMs =
        because === 'lobby-full' ? limits.lobbyRetryMs : to === 'denied' ? limits.deniedRetryMs : undefined
      const event = { kind: to, code: because, request: code, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
      this.listeners.emit(row.peer, event)
    }
    this.#ended += 1
    if (this.#ended % pruneEvery === 0) void this.queue.run(() => this.#prune())
    return row
  }

  #open(row: RequestRow): OpenRequest {
    const manifest = storableManifest(row.manifest)
    const name = this.peers.row(row.peer)?.state === 'approved' ? this.peers.row(row.peer)?.name : undefined
    const open: OpenRequest = {
      row,
      manifest,
      ask: askKey(manifest, row.wants),
      name: name ?? freeName(manifest.name, (other) => this.isNameTaken(other, row.peer)),
    }
    this.requests.add(open, this.#expireLater(row))
    return open
  }

  #expireLater(row: RequestRow): () => void {
    const { clock, log } = this.#init
    // A clock that was set back must not make a request live longer than it was meant to.
    let leftMs = Math.min(Math.max(row.expiresAtMs - clock.nowMs(), 0), limits.requestTtlMs)
    let stop = (): void => {}
    const arm = (): void => {
      stop = clock.after(leftMs, () => {
        const expire = async (): Promise<void> => {
          const open = this.requests.openOf(row.peer)
          if (open?.row.code === row.code) await this.endNow(open, 'expired')
        }
        this.queue.run(expire).catch((error: unknown) => {
          log.warn({ request: row.code, error: asError(error).message }, 'a request could not be expired')
          // It cannot be approved any more; its row follows when the store writes again.
          leftMs = limits.lobbyRetryMs
          if (!this.#isStopped && this.requests.openOf(row.peer)?.row.code === row.code) arm()
        })
      })
    }
    arm()
    return () => stop()
  }

  /** A row from the store. One that does not fit its own digest, or is over, ends here. */
  async #takeOver(row: RequestRow): Promise<void> {
    if (row.state !== 'pending') return this.requests.remember(row)
    const now = this.#init.clock.nowMs()
    if (now < row.expiresAtMs && isIntact(row)) {
      this.#open(row)
      return
    }
    await this.#init.storage.decide({ atMs: now, request: { code: row.code, digest: row.digest, to: 'expired' } })
    this.requests.remember({ ...row, state: 'expired' })
  }

  /** After a write that failed or whose outcome is unknown. */
  async #reload(): Promise<void> {
    const { storage, log } = this.#init
    try {
      const [peers, requests] = await Promise.all([storage.peers(), storage.requests()])
      for (const row of peers) {
        if (row.isDamaged) this.#distrust(row)
        else this.#reconcile(row.peer, () => this.peers.setStored(row))
      }
      const stored = new Map(requests.map((row) => [row.code, row]))
      for (const { row } of this.requests.list()) {
        const state = stored.get(row.code)?.state ?? 'expired'
        if (state !== 'pending') this.end(row.code, state)
      }
      for (const row of requests) {
        if (row.state === 'pending' && !this.requests.has(row.code)) await this.#takeOver(row)
      }
    } catch (error) {
      // Nothing is granted on a guess: what memory permits was durable before.
      log.error({ error: asError(error).message }, 'approvals could not be read again after a failed write')
    }
  }

  /** Tells what a row from the store changed. */
  #reconcile(peer: PeerId, change: () => void): void {
    const before = this.peers.grantOf(peer)
    change()
    const grant = this.peers.grantOf(peer)
    if (grant === undefined || grant.grantVersion === before?.grantVersion) return
    this.listeners.emit(peer, { kind: before === undefined ? 'approved' : 'granted', grant })
  }

  /** Ended requests stay for as long as they could have been open, so that their number is bounded by the rate. */
  async #prune(): Promise<void> {
    try {
      await this.#init.storage.prune(this.#init.clock.nowMs())
    } catch (error) {
      this.#init.log.warn({ error: asError(error).message }, 'ended requests could not be removed')
    }
  }
}

const endCodes: Record<RequestState, ErrorCode> = {
  pending: 'approval-pending',
  approved: 'request-decided',
  denied: 'approval-denied',
  expired: 'request-expired',
  superseded: 'request-superseded',
}

function isIntact(row: RequestRow): boolean {
  try {
    return requestDigest({ ...row, manifest: storableManifest(row.manifest) }) === row.digest
  } catch {
    return false
  }
}
