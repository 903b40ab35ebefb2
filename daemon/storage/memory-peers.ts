/** The part of the memory backend that knows who may do what. Keeps: rows are copied both ways. */
import type { PeerId } from '../../protocol/ids.ts'
import type { DecisionTables } from './decision.ts'
import { checkDecision } from './decision.ts'
import { MemoryArchive } from './memory-archive.ts'
import type { Decision, InviteRow, PeerRow, RequestRow, Storage } from './storage.ts'
import { duplicateRow } from './storage-errors.ts'

export abstract class MemoryPeers
  implements
    Pick<Storage, 'peers' | 'requests' | 'putRequest' | 'putInvite' | 'invite' | 'decide' | 'prune' | 'archive'>
{
  readonly archive: MemoryArchive
  readonly #peers = new Map<PeerId, PeerRow>()
  readonly #requests = new Map<string, RequestRow>()
  readonly #invites = new Map<string, InviteRow>()
  readonly #tables: DecisionTables = {
    request: (code) => this.#requests.get(code),
    invite: (hash) => this.#invites.get(hash),
    grantVersion: (peer) => this.#peers.get(peer)?.grantVersion ?? 0,
    approvedByName: (name) => this.#peers.values().find((row) => row.state === 'approved' && row.name === name)?.peer,
  }

  constructor(self: PeerId | undefined) {
    this.archive = new MemoryArchive({
      check: () => this.check(),
      isAllowed: (peer, grantVersion) => peer === self || this.approvedVersion(peer) === grantVersion,
    })
  }

  /** @throws `daemon-stopping` after it was closed */
  protected abstract check(): void

  /** Undefined for a peer that is unknown or not approved. */
  protected approvedVersion(peer: PeerId): number | undefined {
    const row = this.#peers.get(peer)
    return row?.state === 'approved' ? row.grantVersion : undefined
  }

  async peers(): Promise<readonly PeerRow[]> {
    this.check()
    return structuredClone([...this.#peers.values()])
  }

  async requests(): Promise<readonly RequestRow[]> {
    this.check()
    return structuredClone([...this.#requests.values()])
  }

  /** @throws `wrong-state` when the code is in use */
  async putRequest(request: RequestRow): Promise<void> {
    this.check()
    if (this.#requests.has(request.code)) throw duplicateRow('the request code')
    for (const [code, open] of this.#requests) {
      if (open.peer === request.peer && open.state === 'pending') {
        this.#requests.set(code, { ...open, state: 'superseded' })
      }
    }
    this.#requests.set(request.code, structuredClone({ ...request, state: 'pending' as const }))
  }

  /** @throws `wrong-state` when the hash is stored already */
  async putInvite(invite: InviteRow): Promise<void> {
    this.check()
    if (this.#invites.has(invite.hash)) throw duplicateRow('the invite')
    this.#invites.set(invite.hash, structuredClone(invite))
  }

  async invite(hash: string): Promise<InviteRow | undefined> {
    this.check()
    return structuredClone(this.#invites.get(hash))
  }

  /** @throws the codes of {@link Decision} */
  async decide(decision: Decision): Promise<void> {
    this.check()
    checkDecision(decision, this.#tables)
    const { request, invite, peer } = structuredClone(decision)
    const open = request && this.#requests.get(request.code)
    if (request && open) this.#requests.set(request.code, { ...open, state: request.to })
    const offered = invite && this.#invites.get(invite.hash)
    if (invite && offered) this.#invites.set(invite.hash, { ...offered, claimedBy: invite.claimedBy })
    if (peer) this.#peers.set(peer.row.peer, peer.row)
  }

  async prune(beforeMs: number): Promise<void> {
    this.check()
    for (const [code, { state, expiresAtMs }] of this.#requests) {
      if (state !== 'pending' && expiresAtMs < beforeMs) this.#requests.delete(code)
    }
    for (const [hash, { expiresAtMs }] of this.#invites) if (expiresAtMs < beforeMs) this.#invites.delete(hash)
  }
}
