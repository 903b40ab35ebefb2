/** Who is told of decisions. Keeps true: one listener that fails never keeps the others from hearing of it. */
import { asError, type ErrorCode, type Grant, type PeerId } from '../../protocol/index.ts'
import type { Logger } from '../log.ts'

/** What an approved peer may do. Never changed: a decision makes a new one. */
export interface PeerGrant {
  /** The name that the operator knows the plugin by. */
  readonly name: string
  readonly grants: readonly Grant[]
  /** The same grants as text. */
  readonly texts: readonly string[]
  /** 1 for the first decision about the peer. */
  readonly grantVersion: number
}

/**
 * A decision about a peer. `request` is the code of the request that ended: who waits for another one is not meant.
 * `expired` with the code `lobby-full`: others took the place of the request. `granted`: a peer that was approved may
 * do more. `narrowed`: it may do less, and its connections were cut before this is told.
 */
export type DecisionEvent =
  | { readonly kind: 'approved' | 'granted'; readonly grant: PeerGrant }
  | { readonly kind: 'narrowed'; readonly code: 'grant-changed'; readonly grant: PeerGrant }
  | { readonly kind: 'revoked'; readonly code: 'revoked' }
  | {
      readonly kind: 'denied' | 'expired' | 'superseded'
      readonly code: ErrorCode
      readonly request: string
      /** When asking again makes sense. */
      readonly retryAfterMs?: number
    }

export type DecisionListener = (event: DecisionEvent) => void

export class Listeners {
  readonly #log: Logger
  readonly #byPeer = new Map<PeerId, Set<DecisionListener>>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** The returned function ends it. */
  add(peer: PeerId, listener: DecisionListener): () => void {
    const listeners = this.#byPeer.get(peer) ?? new Set()
    this.#byPeer.set(peer, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#byPeer.get(peer) === listeners) this.#byPeer.delete(peer)
    }
  }

  emit(peer: PeerId, event: DecisionEvent): void {
    for (const listener of [...(this.#byPeer.get(peer) ?? [])]) {
      try {
        listener(event)
      } catch (error) {
        this.#log.error({ peer, kind: event.kind, error: asError(error).message }, 'a listener for decisions failed')
      }
    }
  }
}
