/**
 * What the operator decides. Keeps true: an approval grants at most what its digest showed and holds only once it is
 * durable; a revocation or narrowing holds before anything else happens, and also when it cannot be written.
 */
import {
  asError,
  covers,
  type ErrorCode,
  formatGrant,
  type Grant,
  limits,
  MooringError,
  type PeerId,
  parseGrant,
  parseGrants,
} from '../../protocol/index.ts'
import type { Logger } from '../log.ts'
import type { PeerRow, RequestRow } from '../storage/storage.ts'
import type { Book } from './book.ts'
import { readCode } from './codes.ts'
import { uniteAsked, uniteGrants } from './grant-sets.ts'
import { freeName } from './names.ts'
import type { OpenRequest } from './requests.ts'

/** Far above what people and their scripts ask at once; a bound all the same. */
const maxWaiting = 1_024

export interface Approval {
  /** In either case. */
  readonly code: string
  /** Of the card that the operator looked at. */
  readonly digest: string
  /** Absent: everything that the request wants. */
  readonly grants?: readonly string[] | undefined
  /** Absent: the name on the card. */
  readonly name?: string | undefined
}

export interface DecisionsInit {
  readonly log: Logger
  /** Aborts every connection of the peer before it returns. */
  onCut(peer: PeerId, code: ErrorCode): void
}

export class Decisions {
  readonly #init: DecisionsInit
  readonly #book: Book

  constructor(init: DecisionsInit, book: Book) {
    this.#init = init
    this.#book = book
  }

  async approve(approval: Approval): Promise<PeerRow> {
    const code = readCode(approval.code)
    const cutsAtCall = this.#cutsOf(code)
    return this.#run(async () => {
      const { peers, listeners } = this.#book
      const open = await this.#decidable(code)
      const { row: request } = open
      if (approval.digest !== request.digest) throw new MooringError('digest-mismatch')
      const given = approval.grants === undefined ? request.wants.map(parseGrant) : parseGrants(approval.grants)
      if (!covers(request.wants.map(parseGrant), given)) throw new MooringError('grant-not-requested')
      const known = peers.row(request.peer)
      if (known?.state === 'revoked') throw new MooringError('wrong-state', { detail: 'the key is revoked' })
      if (peers.cuts(request.peer) !== cutsAtCall) {
        throw new MooringError('wrong-state', { detail: 'the key was narrowed meanwhile; look at the request again' })
      }
      const held = peers.grantOf(request.peer)
      const row: PeerRow = {
        peer: request.peer,
        name: this.#nameFor(open, approval.name),
        state: 'approved',
        grantVersion: peers.nextVersion(request.peer),
        grants: (held === undefined ? given : uniteGrants(held.grants, given)).map(formatGrant),
        asked: this.#askedAfter(request),
        manifest: request.manifest,
        decidedAtMs: this.#book.stamp(),
      }
      await this.#book.decide({
        request: { code, digest: approval.digest, to: 'approved' },
        peer: { row, expectGrantVersion: peers.stored(request.peer)?.grantVersion ?? 0 },
      })
      peers.settle(row, cutsAtCall)
      this.#book.end(code, 'approved')
      this.#init.log.info({ peer: row.peer, name: row.name, request: code, grants: row.grants }, 'a peer was approved')
      const grant = peers.grantOf(row.peer)
      // A cut that was made while this was written has told its own story already.
      if (grant !== undefined && peers.cuts(row.peer) === cutsAtCall) {
        listeners.emit(row.peer, { kind: held === undefined ? 'approved' : 'granted', grant })
      }
      return row
    })
  }

  async deny(text: string): Promise<RequestRow> {
    const code = readCode(text)
    return this.#run(async () => {
      const { peers } = this.#book
      const open = await this.#decidable(code)
      const { digest, peer, manifest } = open.row
      const stored = peers.stored(peer)
      const isFirst = peers.row(peer)?.state !== 'approved'
      const decidedAtMs = this.#book.stamp()
      const cuts = peers.cuts(peer)
      if (peers.row(peer)?.state === 'revoked') {
        await this.#book.decide({ request: { code, digest, to: 'denied' } })
      } else {
        const asked = this.#askedAfter(open.row)
        // A key that is approved stays exactly as it is, its version too: work that is under way is not discarded.
        const row: PeerRow =
          isFirst || stored === undefined
            ? {
                peer,
                name: open.name,
                state: 'denied',
                grantVersion: peers.nextVersion(peer),
                grants: [],
                asked,
                manifest,
                decidedAtMs,
              }
            : { ...stored, asked, decidedAtMs }
        await this.#book.decide({
          request: { code, digest, to: 'denied' },
          peer: { row, expectGrantVersion: stored?.grantVersion ?? 0 },
        })
        if (isFirst) this.#book.holdOff(peer, limits.deniedRetryMs)
        if (isFirst) peers.settle(row, cuts)
        else peers.setStored(row)
      }
      return this.#book.end(code, 'denied') ?? { ...open.row, state: 'denied' }
    })
  }

  async revoke(who: string): Promise<PeerRow> {
    const known = this.#book.peers.find(who)
    const stored = this.#book.peers.stored(known.peer)
    if (known.state === 'revoked' && stored?.state === 'approved') return this.#makeDurable(known)
    if (known.state !== 'approved') throw new MooringError('wrong-state', { detail: `it is ${known.state}` })
    const row = this.#cut({ ...known, state: 'revoked', grants: [] }, 'revoked')
    this.#book.listeners.emit(row.peer, { kind: 'revoked', code: 'revoked' })
    return this.#makeDurable(row)
  }

  async narrow(who: string, grants: readonly string[]): Promise<PeerRow> {
    const known = this.#book.peers.find(who)
    const held = this.#book.peers.grantOf(known.peer)
    if (held === undefined) throw new MooringError('wrong-state', { detail: `it is ${known.state}` })
    const given = parseGrants(grants)
    if (!covers(held.grants, given)) throw new MooringError('grant-not-requested')
    const row = this.#cut({ ...known, grants: given.map(formatGrant) }, 'grant-changed')
    const grant = this.#book.peers.grantOf(row.peer)
    if (grant !== undefined) this.#book.listeners.emit(row.peer, { kind: 'narrowed', code: 'grant-changed', grant })
    return this.#makeDurable(row)
  }

  /** In this order: memory, so that nothing new is let in; connections, so that nothing goes on. No await in between. */
  #cut(next: PeerRow, code: ErrorCode): PeerRow {
    const { peers } = this.#book
    const row = { ...next, grantVersion: peers.nextVersion(next.peer), decidedAtMs: this.#book.stamp() }
    peers.cut(row)
    try {
      this.#init.onCut(row.peer, code)
    } catch (error) {
      // The cut in memory holds: every further frame is checked against it.
      this.#init.log.error(
        { peer: row.peer, name: row.name, error: asError(error).message },
        'connections could not be cut',
      )
    }
    const { peer, name, grants } = row
    this.#init.log.info({ peer, name, grants }, row.state === 'revoked' ? 'a peer was revoked' : 'a peer was narrowed')
    return row
  }

  async #makeDurable(cut: PeerRow): Promise<PeerRow> {
    const { peers } = this.#book
    const cuts = peers.cuts(cut.peer)
    try {
      return await this.#run(async () => {
        // Once more if the store had another version than memory: memory has been read again by then.
        const row = (await this.#writeCut(cut, cuts, true)) ?? (await this.#writeCut(cut, cuts, false)) ?? cut
        if (row.state === 'revoked') await this.#endRequestOf(row.peer)
        return row
      })
    } catch (error) {
      const { peer, name, state } = cut
      this.#init.log.error(
        { peer, name, state, error: asError(error).message },
        'a cut holds only until the next start: not stored',
      )
      throw error
    }
  }

  /** Undefined: the comparison failed and another try may succeed. */
  async #writeCut(cut: PeerRow, cuts: number, mayRetry: boolean): Promise<PeerRow | undefined> {
    const { peers } = this.#book
    const stored = peers.stored(cut.peer) ?? cut
    const row = { ...cut, asked: stored.asked, manifest: stored.manifest }
    const hasLanded = (): boolean => {
      const now = peers.stored(cut.peer)
      return now?.grantVersion === row.grantVersion && now.state === row.state
    }
    try {
      const peer = { row, expectGrantVersion: stored.grantVersion }
      if (!hasLanded()) await this.#book.decide({ peer }, { urgent: true })
    } catch (error) {
      const isStale = error instanceof MooringError && error.code === 'wrong-state'
      if (isStale && mayRetry) return undefined
      // The answer got lost and the write did not.
      if (!hasLanded()) throw error
    }
    peers.settle(row, cuts)
    return row
  }

  /** A revoked key waits for nothing. That the revocation holds does not depend on this. */
  async #endRequestOf(peer: PeerId): Promise<void> {
    const open = this.#book.requests.openOf(peer)
    if (open === undefined) return
    try {
      await this.#book.endNow(open, this.#book.isOver(open) ? 'expired' : 'denied')
    } catch (error) {
      const request = open.row.code
      this.#init.log.warn({ peer, request, error: asError(error).message }, 'the request of a revoked key stays open')
    }
  }

  /** An open request that is not over. One that is over ends here, whoever came first to its timer. */
  async #decidable(code: string): Promise<OpenRequest> {
    const open = this.#book.requests.get(code)
    if (!this.#book.isOver(open)) return open
    await this.#book.endNow(open, 'expired')
    throw new MooringError('request-expired')
  }

  /** @throws `name-taken`: also when the name on the card went to another key; the card then shows a new one */
  #nameFor(open: OpenRequest, chosen: string | undefined): string {
    const { peers } = this.#book
    const { peer, code } = open.row
    const name = chosen ?? open.name
    if (!peers.isNameTaken(name, peer)) return name
    if (chosen === undefined)
      open.name = freeName(open.manifest.name, (other) => this.#book.isNameTaken(other, peer, code))
    throw new MooringError('name-taken')
  }

  #askedAfter(request: RequestRow): string[] {
    const shown: Grant[] = request.wants.map(parseGrant)
    return uniteAsked(this.#book.peers.asked(request.peer), shown).map(formatGrant)
  }

  #cutsOf(code: string): number {
    const peer = this.#book.requests.row(code)?.peer
    return peer === undefined ? 0 : this.#book.peers.cuts(peer)
  }

  #run<Result>(task: () => Promise<Result>): Promise<Result> {
    this.#book.checkRunning()
    if (this.#book.queue.waiting >= maxWaiting) throw new MooringError('too-many-calls')
    return this.#book.queue.run(task)
  }
}
