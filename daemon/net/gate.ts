/**
 * The lobby: how many connections of keys that nobody approved are kept, and which one goes when one more comes. Keeps
 * true: its size never passes the limits, one machine or one key never takes all of it, and an approved key is never
 * counted here, so that a full lobby cannot delay it. Pure accounting: it ends nothing itself.
 */
import { type ErrorCode, limits } from '../../protocol/index.ts'

export interface LobbyLimits {
  /** Connections that have not said hello. @default limits.maxLobbyConnections */
  readonly maxConnections: number
  /** Connections that wait for the operator. @default limits.maxParkedRequests */
  readonly maxParked: number
  /** Connections of either kind from one address. @default limits.maxParkedPerAddress */
  readonly maxPerAddress: number
}

/** A connection that has to go, and what its plugin is told. */
export interface Eviction {
  readonly connection: string
  readonly code: ErrorCode
  /** When there may be room for it again. */
  readonly retryAfterMs?: number
}

interface Guest {
  readonly peer: string
  readonly group: string
}

export class Lobby {
  readonly #limits: LobbyLimits
  // All in order of arrival: the first entry is the oldest.
  readonly #arriving = new Map<string, Guest>()
  /** Those whose hello is being answered: they take no room, since the queue of hellos is bounded by itself. */
  readonly #heard = new Map<string, Guest>()
  readonly #parked = new Map<string, Guest>()

  constructor(overrides: Partial<LobbyLimits> = {}) {
    this.#limits = {
      maxConnections: limits.maxLobbyConnections,
      maxParked: limits.maxParkedRequests,
      maxPerAddress: limits.maxParkedPerAddress,
      ...overrides,
    }
  }

  /** Connections that have not said hello, and those that wait for the operator. */
  get size(): { readonly arriving: number; readonly parked: number } {
    return { arriving: this.#arriving.size, parked: this.#parked.size }
  }

  /** Takes a new connection in; whoever is returned has been let go for it. `host` is an IP address without a port. */
  admit(connection: string, peer: string, host: string): Eviction[] {
    const guest = { peer, group: addressGroup(host) }
    const evicted = [...this.#evictKey(peer), ...this.#evictNeighbours(guest.group)]
    if (this.#arriving.size >= this.#limits.maxConnections) evicted.push(...this.#evictOldest(this.#arriving))
    this.#arriving.set(connection, guest)
    return evicted
  }

  /** It said hello, and gives its room to the next one at once. Nothing happens for one that is not in the lobby. */
  hear(connection: string): void {
    const guest = this.#arriving.get(connection)
    if (guest === undefined) return
    this.#arriving.delete(connection)
    this.#heard.set(connection, guest)
  }

  /** Its hello became a request that waits for the operator. Nothing happens for one that is not in the lobby. */
  park(connection: string): Eviction[] {
    const guest = this.#arriving.get(connection) ?? this.#heard.get(connection)
    if (guest === undefined) return []
    this.leave(connection)
    // Counted anew: nobody's neighbours are counted while their hellos are answered.
    const evicted = this.#evictNeighbours(guest.group)
    if (this.#parked.size >= this.#limits.maxParked) evicted.push(...this.#evictOldest(this.#parked))
    this.#parked.set(connection, guest)
    return evicted
  }

  /** It was welcomed, or its connection ended. */
  leave(connection: string): void {
    this.#arriving.delete(connection)
    this.#heard.delete(connection)
    this.#parked.delete(connection)
  }

  #evictKey(peer: string): Eviction[] {
    const evicted: Eviction[] = []
    for (const pool of [this.#arriving, this.#heard, this.#parked]) {
      for (const [connection, guest] of pool) {
        if (guest.peer !== peer) continue
        pool.delete(connection)
        evicted.push({ connection, code: 'superseded' })
      }
    }
    return evicted
  }

  #evictNeighbours(group: string): Eviction[] {
    // Those that wait for the operator have waited longer than any that has not even said hello.
    const neighbours = [...this.#parked, ...this.#arriving].filter(([, guest]) => guest.group === group)
    return neighbours.slice(0, Math.max(0, neighbours.length + 1 - this.#limits.maxPerAddress)).map(([connection]) => {
      return this.#evict(connection)
    })
  }

  #evictOldest(pool: Map<string, Guest>): Eviction[] {
    for (const connection of pool.keys()) return [this.#evict(connection)]
    return []
  }

  /** Who has not said hello yet makes room for a moment only: the others are gone as soon as they have said theirs. */
  #evict(connection: string): Eviction {
    const retryAfterMs = this.#parked.has(connection) ? limits.lobbyRetryMs : limits.arrivalRetryMs
    this.leave(connection)
    return { connection, code: 'lobby-full', retryAfterMs }
  }
}

/**
 * Who counts as one machine: an IPv4 address, or the first 64 bits of an IPv6 address, since whoever has one IPv6 address
 * usually has the 2^64 around it.
 */
export function addressGroup(host: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host)
  if (mapped?.[1] !== undefined) return mapped[1]
  if (!host.includes(':')) return host
  const [head = '', tail] = (host.split('%')[0] ?? '').toLowerCase().split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const end = tail === '' ? [] : tail.split(':')
    while (groups.length + end.length < 8) groups.push('0')
    groups.push(...end)
  }
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')
}
