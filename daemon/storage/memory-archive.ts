/** The archive of the memory backend. Keeps: entries are copied both ways. */
import { MooringError } from '../../protocol/errors.ts'
import type { ArchiveId, PeerId } from '../../protocol/ids.ts'
import {
  type ArchiveActor,
  type ArchiveNumber,
  type ArchivePage,
  type ArchiveQuery,
  type ArchiveRow,
  type ArchiveStorage,
  archiveDisk,
  type NumberedEntry,
  type RemovedEntry,
} from './archive-rows.ts'
import { duplicateRow } from './storage-errors.ts'
import type { UsageRow } from './usage-rows.ts'

export interface MemoryArchiveInit {
  /** @throws `daemon-stopping` after the store was closed */
  check(): void
  isAllowed(peer: PeerId, grantVersion: number): boolean
}

export class MemoryArchive implements ArchiveStorage {
  readonly #init: MemoryArchiveInit
  readonly #rows = new Map<ArchiveId, NumberedEntry>()
  #last: ArchiveNumber = 0

  constructor(init: MemoryArchiveInit) {
    this.#init = init
  }

  async insert(row: ArchiveRow, grantVersion: number): Promise<ArchiveNumber> {
    this.#init.check()
    if (!this.#init.isAllowed(row.owner, grantVersion)) throw new MooringError('grant-changed')
    if (this.#rows.has(row.id)) throw duplicateRow('the entry')
    this.#last += 1
    this.#rows.set(row.id, { ...structuredClone(row), n: this.#last })
    return this.#last
  }

  async get(id: ArchiveId): Promise<ArchiveRow | undefined> {
    this.#init.check()
    const row = this.#rows.get(id)
    return row === undefined ? undefined : withoutNumber(row)
  }

  async list({ scope, after, limit, maxChars }: ArchiveQuery): Promise<ArchivePage> {
    this.#init.check()
    const found = [...this.#rows.values()]
      .filter((row) => row.id > after && (scope === undefined || row.scope === scope))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
    const rows: ArchiveRow[] = []
    let chars = 0
    for (const row of found) {
      if (rows.length === limit || (rows.length > 0 && chars >= maxChars)) return { rows, more: true }
      rows.push(withoutNumber(row))
      chars += row.text.length
    }
    return { rows, more: false }
  }

  async numbered(after: ArchiveNumber, limit: number): Promise<readonly NumberedEntry[]> {
    this.#init.check()
    const rows = [...this.#rows.values()].filter(({ n }) => n > after).sort((a, b) => a.n - b.n)
    return structuredClone(rows.slice(0, limit))
  }

  async last(): Promise<ArchiveNumber> {
    this.#init.check()
    return this.#last
  }

  async existing(numbers: readonly ArchiveNumber[]): Promise<readonly ArchiveNumber[]> {
    this.#init.check()
    const all = new Set([...this.#rows.values()].map(({ n }) => n))
    return numbers.filter((n) => all.has(n))
  }

  async remove(id: ArchiveId, { peer, grantVersion }: ArchiveActor): Promise<RemovedEntry> {
    this.#init.check()
    if (!this.#init.isAllowed(peer, grantVersion)) throw new MooringError('grant-changed')
    const row = this.#rows.get(id)
    if (row === undefined) throw new MooringError('archive-not-found')
    this.#rows.delete(id)
    return { n: row.n, usage: { peer: row.owner, disk: -archiveDisk(row) } }
  }

  /** Of no block. */
  usage(): UsageRow[] {
    return [...this.#rows.values()].map((row) => ({ block: 0, peer: row.owner, disk: archiveDisk(row), content: 0 }))
  }
}

const withoutNumber = ({ n: _n, ...row }: NumberedEntry): ArchiveRow => structuredClone(row)
