/**
 * Who may do what, as it is stored: keys that were decided about, requests, invites, and the decision that changes them. A
 * part of the storage port, as its own file; imported through `storage.ts`.
 */
import type { PeerId } from '../../protocol/ids.ts'

export type PeerState = 'approved' | 'denied' | 'revoked'

export interface PeerRow {
  readonly peer: PeerId
  /** Unique among approved peers. */
  readonly name: string
  readonly state: PeerState
  /** Raised by every decision about the peer; work checked under an older version is discarded. */
  readonly grantVersion: number
  readonly grants: readonly string[]
  /** Every grant that was ever shown to the operator for this peer and decided; what is beyond it is a new request. */
  readonly asked: readonly string[]
  /** The manifest at the last decision, as JSON-safe value. */
  readonly manifest: unknown
  readonly decidedAtMs: number
  /**
   * The row did not fit its checksum: of what the operator decided nothing is believed, so nothing is granted until it
   * is decided anew. Name and version are as they were found.
   */
  readonly isDamaged?: true
}

export type RequestState = 'pending' | 'approved' | 'denied' | 'expired' | 'superseded'

export interface RequestRow {
  /** Short id that people type. */
  readonly code: string
  /** SHA-256 over (peer, manifest, wants, nonce), 64 hex digits. */
  readonly digest: string
  readonly peer: PeerId
  readonly manifest: unknown
  readonly wants: readonly string[]
  readonly nonce: string
  /** Where the connection came from, as a multiaddr. */
  readonly from: string
  readonly state: RequestState
  readonly createdAtMs: number
  readonly expiresAtMs: number
}

export interface InviteRow {
  /** SHA-256 of the secret, 64 hex digits; the secret itself is never stored. */
  readonly hash: string
  readonly grants: readonly string[]
  /** Name for the plugin that claims it, if the operator chose one. */
  readonly name: string | undefined
  readonly expiresAtMs: number
  readonly claimedBy: PeerId | undefined
}

/**
 * One decision, compared and written in one transaction. Every part present must still hold, or nothing is written:
 * - `request`: exists (`request-not-found`), is pending (`request-superseded`, `request-expired`, otherwise
 *   `request-decided`), has this digest (`digest-mismatch`), and `atMs` < its expiry (`request-expired`; not checked when `to` is `expired`).
 * - `invite`: exists, `atMs` < its expiry, unclaimed or claimed by the same peer (`invite-invalid`).
 * - `peer`: the stored grant version is `expectGrantVersion`, 0 for a peer without a row (`wrong-state`); the name is
 *   not that of another approved peer (`name-taken`, only checked when the new state is `approved`).
 */
export interface Decision {
  readonly atMs: number
  readonly request?: { readonly code: string; readonly digest: string; readonly to: RequestState }
  readonly invite?: { readonly hash: string; readonly claimedBy: PeerId }
  readonly peer?: { readonly row: PeerRow; readonly expectGrantVersion: number }
}
