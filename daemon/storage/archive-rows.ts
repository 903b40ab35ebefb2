/** The part of the port that keeps the archive: texts by scope, each as it was put in. */
import type { ArchiveId, PeerId, Scope } from '../../protocol/ids.ts'
import type { PeerUsage } from './storage.ts'

export interface ArchiveRow {
  readonly id: ArchiveId
  readonly scope: Scope
  readonly owner: PeerId
  readonly createdAtMs: number
  readonly metadata: Readonly<Record<string, string>>
  readonly text: string
}

/** Row number in the order in which entries were stored: 1, 2, 3 …; never used twice. */
export type ArchiveNumber = number

export interface NumberedEntry extends ArchiveRow {
  readonly n: ArchiveNumber
}

export interface ArchiveQuery {
  /** All scopes when absent. */
  readonly scope?: Scope | undefined
  /** Ids behind this one. */
  readonly after: string
  readonly limit: number
  /** The entry that brings the texts to this sum, in characters, or above it is the last one; so there is at least one. */
  readonly maxChars: number
}

export interface ArchivePage {
  readonly rows: readonly ArchiveRow[]
  /** Whether more may follow. */
  readonly more: boolean
}

/** On whose behalf something is done; compared with what holds in the transaction. */
export interface ArchiveActor {
  readonly peer: PeerId
  readonly grantVersion: number
}

export interface RemovedEntry {
  readonly n: ArchiveNumber
  readonly usage: PeerUsage
}

export interface ArchiveStorage {
  /**
   * Puts an entry in for its owner. Answers its number.
   * @throws `grant-changed`; `wrong-state` when the id is in use
   */
  insert(row: ArchiveRow, grantVersion: number): Promise<ArchiveNumber>
  /** Undefined for one that is not there or damaged. */
  get(id: ArchiveId): Promise<ArchiveRow | undefined>
  /** By id; damaged ones are reported and passed over. */
  list(query: ArchiveQuery): Promise<ArchivePage>
  /** Entries by number behind one; damaged ones are passed over, so a page may be shorter. Empty at the end. */
  numbered(after: ArchiveNumber, limit: number): Promise<readonly NumberedEntry[]>
  /** The last number that was used; 0 before the first. */
  last(): Promise<ArchiveNumber>
  /** Which of these are there, in their order. */
  existing(numbers: readonly ArchiveNumber[]): Promise<readonly ArchiveNumber[]>
  /**
   * Removes an entry. Answers its number, and what its owner takes up less.
   * @throws `archive-not-found`, `grant-changed`
   */
  remove(id: ArchiveId, by: ArchiveActor): Promise<RemovedEntry>
}

/** Beside text and metadata: the row with its places in the indexes. */
const entryBytes = 400

/** What an entry takes up on the disk. */
export const archiveDisk = ({ text, metadata }: Pick<ArchiveRow, 'text' | 'metadata'>): number =>
  entryBytes + Buffer.byteLength(text) + Buffer.byteLength(JSON.stringify(metadata))
