/** Peers, requests and invites of the memory backend. Keeps: rows are copied both ways. */
import type { PeerId } from '../../protocol/ids.ts'
import type { DecisionTables } from './decision.ts'
import { checkDecision } from './decision.ts'
import type { Decision, InviteRow, PeerRow, RequestRow } from './storage.ts'
import { duplicateRow } from './storage-errors.ts'

export class MemoryPeers {
  readonly #peers = new Map<PeerId, PeerRow>()
  readonly #requests = new Map<string, RequestRow>()
  readonly #invites = new Map<string, InviteRow>()
  readonly #tables: DecisionTables = {
    request: (code) => this.#requests.get(code),
    invite: (hash) => this.#invites.get(hash),
    grantVersion: (peer) => this.#peers.get(peer)?.grantVersion ?? 0,
    approvedByName: (name) => this.#peers.values().find((row) => row.state === 'approved' && row.name === name)?.peer,
  }

  /** Undefined for a peer that is unknown or not approved. */
  approvedVersion(peer: PeerId): number | undefined {
    const row = this.#peers.get(peer)
    return row?.state === 'approved' ? row.grantVersion : undefined
  }

  peers(): PeerRow[] {
    return structuredClone([...this.#peers.values()])
  }

  requests(): RequestRow[] {
    return structuredClone([...this.#requests.values()])
  }

  /** @throws `wrong-state` when the code is in use */
  putRequest(request: RequestRow): void {
    if (this.#requests.has(request.code)) throw duplicateRow('the request code')
    for (const [code, open] of this.#requests) {
      if (open.peer === request.peer && open.state === 'pending') {
        this.#requests.set(code, { ...open, state: 'superseded' })
      }
    }
    this.#requests.set(request.code, structuredClone({ ...request, state: 'pending' as const }))
  }

  /** @throws `wrong-state` when the hash is stored already */
  putInvite(invite: InviteRow): void {
    if (this.#invites.has(invite.hash)) throw duplicateRow('the invite')
    this.#invites.set(invite.hash, structuredClone(invite))
  }

  invite(hash: string): InviteRow | undefined {
    return structuredClone(this.#invites.get(hash))
  }

  /** @throws the codes of {@link Decision} */
  decide(decision: Decision): void {
    checkDecision(decision, this.#tables)
    const { request, invite, peer } = structuredClone(decision)
    const open = request && this.#requests.get(request.code)
    if (request && open) this.#requests.set(request.code, { ...open, state: request.to })
    const offered = invite && this.#invites.get(invite.hash)
    if (invite && offered) this.#invites.set(invite.hash, { ...offered, claimedBy: invite.claimedBy })
    if (peer) this.#peers.set(peer.row.peer, peer.row)
  }

  prune(beforeMs: number): void {
    for (const [code, { state, expiresAtMs }] of this.#requests) {
      if (state !== 'pending' && expiresAtMs < beforeMs) this.#requests.delete(code)
    }
    for (const [hash, { expiresAtMs }] of this.#invites) if (expiresAtMs < beforeMs) this.#invites.delete(hash)
  }
}
