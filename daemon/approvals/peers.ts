/**
 * The keys that were decided about, in memory: what the store has, and what holds. The two differ only after a cut
 * (revocation, narrowing) that is not durable yet, and then what holds permits less. Keeps true: a cut stands until a
 * later decision about the same key is durable, and no version is ever given out twice.
 */
import {
  asError,
  fingerprintWords,
  type Grant,
  isPeerId,
  MooringError,
  type PeerId,
  parseGrant,
} from '../../protocol/index.ts'
import type { Logger } from '../log.ts'
import type { PeerRow } from '../storage/storage.ts'
import type { PeerGrant } from './events.ts'

interface Entry {
  readonly words: string
  /** As the store has it. */
  stored: PeerRow
  /** What holds. */
  row: PeerRow
  /** Of `row`; only while it is approved. */
  grant: PeerGrant | undefined
  /** The highest version given out, whether or not it came to be stored. */
  version: number
  /** Cuts so far. A decision that was asked for before a cut has no effect after it. */
  cuts: number
  /** True while a cut is not durable. */
  isCut: boolean
}

export class Peers {
  readonly #log: Logger
  readonly #entries = new Map<PeerId, Entry>()

  constructor(log: Logger) {
    this.#log = log
  }

  /** What holds about a peer; undefined for one that was never decided about. */
  row(peer: PeerId): PeerRow | undefined {
    return this.#entries.get(peer)?.row
  }

  stored(peer: PeerId): PeerRow | undefined {
    return this.#entries.get(peer)?.stored
  }

  grantOf(peer: PeerId): PeerGrant | undefined {
    return this.#entries.get(peer)?.grant
  }

  asked(peer: PeerId): Grant[] {
    return this.#parse(this.#entries.get(peer)?.stored, 'asked')
  }

  cuts(peer: PeerId): number {
    return this.#entries.get(peer)?.cuts ?? 0
  }

  nextVersion(peer: PeerId): number {
    const entry = this.#entries.get(peer)
    if (entry === undefined) return 1
    entry.version += 1
    return entry.version
  }

  /** Takes over what the store has. What holds follows, unless a cut is on its way there. */
  setStored(row: PeerRow): void {
    const entry = this.#entries.get(row.peer)
    if (entry === undefined) {
      const words = fingerprintWords(row.peer)
      const grant = this.#grant(row)
      this.#entries.set(row.peer, { words, stored: row, row, grant, version: row.grantVersion, cuts: 0, isCut: false })
      return
    }
    entry.stored = row
    entry.version = Math.max(entry.version, row.grantVersion)
    if (!entry.isCut) this.#hold(entry, row)
  }

  /** A decision became durable that was asked for when there had been `cuts` cuts; it holds unless there are more now. */
  settle(row: PeerRow, cuts: number): void {
    const entry = this.#entries.get(row.peer)
    if (entry !== undefined && entry.cuts === cuts) entry.isCut = false
    this.setStored(row)
  }

  /** Makes less hold at once, before it is durable. */
  cut(row: PeerRow): void {
    const entry = this.#entries.get(row.peer)
    if (entry === undefined) throw new MooringError('peer-not-found')
    entry.cuts += 1
    entry.isCut = true
    this.#hold(entry, row)
  }

  /** By name, then by peer id, as what holds. */
  list(): PeerRow[] {
    const rows = [...this.#entries.values()].map((entry) => entry.row)
    return rows.sort((a, b) => compare(a.name, b.name) || compare(a.peer, b.peer))
  }

  /**
   * Whether an approved peer other than `except` has the name, here or in the store, where a revoked peer has it until
   * the revocation is durable.
   */
  isNameTaken(name: string, except?: PeerId): boolean {
    return this.#entries
      .values()
      .some(
        ({ row, stored }) =>
          row.peer !== except && [row, stored].some((it) => it.state === 'approved' && it.name === name),
      )
  }

  /**
   * By whole peer id, by name (of an approved peer first), or by the words of the key. A plugin chooses its name and
   * could choose the words of another's key: what fits two keys is refused.
   * @throws `peer-not-found`, `wrong-state` when it fits more than one key
   */
  find(who: string): PeerRow {
    if (isPeerId(who)) return this.#found(this.row(who))
    const entries = [...this.#entries.values()]
    const named = entries.filter(({ row }) => row.name === who)
    const approved = named.filter(({ row }) => row.state === 'approved')
    const spoken = entries.filter(({ words }) => words === who)
    const fits = new Set([...(approved.length > 0 ? approved : named), ...spoken])
    if (fits.size > 1) {
      throw new MooringError('wrong-state', { detail: 'more than one key fits; name it by its whole peer id' })
    }
    return this.#found([...fits][0]?.row)
  }

  #found(row: PeerRow | undefined): PeerRow {
    if (row === undefined) throw new MooringError('peer-not-found')
    return row
  }

  #hold(entry: Entry, row: PeerRow): void {
    entry.row = row
    entry.grant = this.#grant(row)
  }

  #grant(row: PeerRow): PeerGrant | undefined {
    if (row.state !== 'approved') return undefined
    const grants = this.#parse(row, 'grants')
    return { name: row.name, grants, texts: [...row.grants], grantVersion: row.grantVersion }
  }

  /** Half of a list could permit more than the whole, since a deny may be in the other half: all or nothing. */
  #parse(row: PeerRow | undefined, list: 'grants' | 'asked'): Grant[] {
    try {
      return (row?.[list] ?? []).map(parseGrant)
    } catch (error) {
      this.#log.error(
        { peer: row?.peer, list, error: asError(error).message },
        'stored grants cannot be read; none hold',
      )
      return []
    }
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
