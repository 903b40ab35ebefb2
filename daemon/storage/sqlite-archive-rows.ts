/** The archive in SQLite, from inside the two threads. Keeps: an entry that does not fit its checksum is never served. */
import type Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import type { ArchiveId, PeerId } from '../../protocol/ids.ts'
import {
  type ArchiveActor,
  type ArchiveNumber,
  type ArchivePage,
  type ArchiveQuery,
  type ArchiveRow,
  archiveDisk,
  type NumberedEntry,
  type RemovedEntry,
} from './archive-rows.ts'
import type { FactReader } from './sqlite-facts.ts'
import { sealed } from './sqlite-row-sum.ts'
import { json } from './sqlite-rows.ts'
import type { Transact } from './sqlite-transaction.ts'
import { duplicateRow } from './storage-errors.ts'

export interface ArchiveColumns {
  readonly n: ArchiveNumber
  readonly id: string
  readonly scope: string
  readonly owner: string
  readonly created_at_ms: number
  readonly disk: number
  readonly metadata: string
  readonly text: string
  readonly sum: number
}

export class ArchiveWriter {
  readonly #transact: Transact
  readonly #self: PeerId | undefined
  readonly #sql: ReturnType<typeof prepareWriter>

  constructor(db: Database.Database, transact: Transact, self: PeerId | undefined) {
    this.#transact = transact
    this.#self = self
    this.#sql = prepareWriter(db)
  }

  insert(row: ArchiveRow, grantVersion: number): ArchiveNumber {
    return this.#transact(() => {
      this.#check(row.owner, grantVersion)
      if (this.#sql.one.get(row.id) !== undefined) throw duplicateRow('the entry')
      // Numbered here and not by SQLite: the checksum covers the number.
      const n = 1 + Number(this.#sql.last.get())
      const { id, scope, owner, createdAtMs, text } = row
      const columns = { n, id, scope, owner, created_at_ms: createdAtMs, disk: archiveDisk(row), text }
      this.#sql.insert.run(sealed('archive', { ...columns, metadata: json(row.metadata) }))
      this.#sql.setLast.run(n)
      return n
    })
  }

  remove(id: ArchiveId, { peer, grantVersion }: ArchiveActor): RemovedEntry {
    return this.#transact(() => {
      this.#check(peer, grantVersion)
      const row = this.#sql.one.get(id) as Pick<ArchiveColumns, 'n' | 'owner' | 'disk'> | undefined
      if (row === undefined) throw new MooringError('archive-not-found')
      this.#sql.remove.run(id)
      return { n: row.n, usage: { peer: row.owner as PeerId, disk: -row.disk } }
    })
  }

  #check(peer: PeerId, grantVersion: number): void {
    if (peer === this.#self || this.#sql.approvedVersion.get(peer) === grantVersion) return
    throw new MooringError('grant-changed')
  }
}

export class ArchiveReader {
  readonly #sql: ReturnType<typeof prepareReader>
  readonly #facts: FactReader

  constructor(db: Database.Database, facts: FactReader) {
    this.#sql = prepareReader(db)
    this.#facts = facts
  }

  get(id: ArchiveId): ArchiveRow | undefined {
    const columns = this.#sql.one.get(id) as ArchiveColumns | undefined
    return columns !== undefined && this.#isSound(columns) ? archiveRow(columns) : undefined
  }

  list({ scope, after, limit, maxChars }: ArchiveQuery): ArchivePage {
    const found = scope === undefined ? this.#sql.all.iterate(after) : this.#sql.ofScope.iterate(scope, after)
    const rows: ArchiveRow[] = []
    let chars = 0
    for (const columns of found as IterableIterator<ArchiveColumns>) {
      if (rows.length === limit || (rows.length > 0 && chars >= maxChars)) return { rows, more: true }
      if (!this.#isSound(columns)) continue
      rows.push(archiveRow(columns))
      chars += columns.text.length
    }
    return { rows, more: false }
  }

  numbered(after: ArchiveNumber, limit: number): NumberedEntry[] {
    const rows: NumberedEntry[] = []
    for (const columns of this.#sql.numbered.iterate(after) as IterableIterator<ArchiveColumns>) {
      if (this.#isSound(columns)) rows.push({ ...archiveRow(columns), n: columns.n })
      if (rows.length === limit) break
    }
    return rows
  }

  last(): ArchiveNumber {
    return Number(this.#sql.last.get())
  }

  existing(numbers: readonly ArchiveNumber[]): ArchiveNumber[] {
    return numbers.filter((n) => this.#sql.exists.get(n) !== undefined)
  }

  #isSound(columns: ArchiveColumns): boolean {
    return this.#facts.isSound('archive', columns, columns.id)
  }
}

const archiveRow = ({ id, scope, owner, created_at_ms: createdAtMs, metadata, text }: ArchiveColumns): ArchiveRow => ({
  id: id as ArchiveRow['id'],
  scope: scope as ArchiveRow['scope'],
  owner: owner as PeerId,
  createdAtMs,
  metadata: JSON.parse(metadata) as ArchiveRow['metadata'],
  text,
})

function prepareWriter(db: Database.Database) {
  return {
    approvedVersion: db.prepare("SELECT grant_version FROM peer WHERE peer = ? AND state = 'approved'").pluck(),
    one: db.prepare('SELECT n, owner, disk FROM archive WHERE id = ?'),
    last: db.prepare('SELECT n FROM archive_last').pluck(),
    setLast: db.prepare('UPDATE archive_last SET n = ?'),
    insert: db.prepare(
      `INSERT INTO archive (n, id, scope, owner, created_at_ms, disk, metadata, text, sum)
       VALUES (@n, @id, @scope, @owner, @created_at_ms, @disk, @metadata, @text, @sum)`,
    ),
    remove: db.prepare('DELETE FROM archive WHERE id = ?'),
  }
}

function prepareReader(db: Database.Database) {
  return {
    one: db.prepare('SELECT * FROM archive WHERE id = ?'),
    all: db.prepare('SELECT * FROM archive WHERE id > ? ORDER BY id'),
    ofScope: db.prepare('SELECT * FROM archive WHERE scope = ? AND id > ? ORDER BY id'),
    numbered: db.prepare('SELECT * FROM archive WHERE n > ? ORDER BY n'),
    last: db.prepare('SELECT n FROM archive_last').pluck(),
    exists: db.prepare('SELECT 1 FROM archive WHERE n = ?').pluck(),
  }
}
