/**
 * Requests in memory: the open ones with their timers and names, and the last ended ones, so that a late answer is told
 * what became of it. Keeps true: at most one open request per key, and what a card shows never changes under its code.
 */
import { type Manifest, MooringError, type PeerId } from '../../protocol/index.ts'
import type { RequestRow, RequestState } from '../storage/storage.ts'

/** Enough to tell what became of a code that someone still has on the screen. */
const maxEnded = 256

export interface OpenRequest {
  readonly row: RequestRow
  readonly manifest: Manifest
  /** Equal for two hellos that ask for the same. */
  readonly ask: string
  /** What the plugin will be called unless the operator chooses another name. */
  name: string
}

export class Requests {
  readonly #open = new Map<string, OpenRequest & { readonly stopTimer: () => void }>()
  readonly #byPeer = new Map<PeerId, string>()
  readonly #ended = new Map<string, RequestRow>()

  get size(): number {
    return this.#open.size
  }

  /** Oldest first. */
  list(): OpenRequest[] {
    return [...this.#open.values()]
  }

  has(code: string): boolean {
    return this.#open.has(code) || this.#ended.has(code)
  }

  /** The row of an open or recently ended request. */
  row(code: string): RequestRow | undefined {
    return this.#open.get(code)?.row ?? this.#ended.get(code)
  }

  openOf(peer: PeerId): OpenRequest | undefined {
    const code = this.#byPeer.get(peer)
    return code === undefined ? undefined : this.#open.get(code)
  }

  /**
   * An open request by its code.
   * @throws `request-not-found`, `request-expired`, `request-superseded`, `request-decided`
   */
  get(code: string): OpenRequest {
    const open = this.#open.get(code)
    if (open !== undefined) return open
    const state = this.#ended.get(code)?.state
    if (state === undefined) throw new MooringError('request-not-found')
    if (state === 'expired') throw new MooringError('request-expired')
    if (state === 'superseded') throw new MooringError('request-superseded')
    throw new MooringError('request-decided', { detail: `it is ${state}` })
  }

  isNameReserved(name: string, except?: string): boolean {
    return this.#open.values().some((open) => open.name === name && open.row.code !== except)
  }

  add(request: OpenRequest, stopTimer: () => void): void {
    this.#open.set(request.row.code, { ...request, stopTimer })
    this.#byPeer.set(request.row.peer, request.row.code)
  }

  /** Ends a request; undefined when it was not open. */
  end(code: string, state: RequestState): RequestRow | undefined {
    const open = this.#open.get(code)
    if (open === undefined) return undefined
    open.stopTimer()
    this.#open.delete(code)
    if (this.#byPeer.get(open.row.peer) === code) this.#byPeer.delete(open.row.peer)
    const row = { ...open.row, state }
    this.remember(row)
    return row
  }

  remember(row: RequestRow): void {
    this.#ended.set(row.code, row)
    for (const code of this.#ended.keys()) {
      if (this.#ended.size <= maxEnded) break
      this.#ended.delete(code)
    }
  }

  stopTimers(): void {
    for (const open of this.#open.values()) open.stopTimer()
  }
}
