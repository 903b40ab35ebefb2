/** A value that turned in any column of a row that says what holds is noticed when the row is read, and not built on. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openSqlite } from '../../../../daemon/storage/sqlite.ts'
import { Reader } from '../../../../daemon/storage/sqlite-reads.ts'
import type { DamagedRow } from '../../../../daemon/storage/storage.ts'
import type { ArchiveId, Scope } from '../../../../protocol/ids.ts'
import {
  alice,
  approve,
  bob,
  change,
  createBlock,
  daemon,
  inviteRow,
  recordingLog,
  requestRow,
  self,
  sha256,
} from '../../../fixtures/storage-entries.ts'
import { tempDir } from '../../../fixtures/temp-dir.ts'

/** Something in every table. */
async function makeFile(): Promise<Buffer> {
  const dir = tempDir()
  const storage = await openSqlite({ dir, log: recordingLog(), self })
  await approve(storage, alice)
  await approve(storage, bob)
  await storage.putRequest(requestRow(bob, 'CODE'))
  await storage.putInvite(inviteRow('invite', { name: 'guest' }))
  await storage.openEpoch()
  const block = await createBlock(storage)
  await storage.append([change(block, 'a', 1), change(block, 'a', 2)])
  await storage.putVerified({ block, seq: 2, heads: [] })
  const { hash, actor, actorSeq } = change(block, 'a', 2)
  const aside = { hash, seq: 3, actor, actorSeq, peer: bob.peer, cause: undefined, reason: 'it fails' }
  const suspend = [{ peer: bob.peer, reason: 'it fails' }]
  const entry = { kind: 'quarantine', origin: daemon, grantVersion: 0, block, changes: [aside], suspend } as const
  await storage.append([{ ...entry, atMs: 1 }])
  const kept = { id: 'entry' as ArchiveId, scope: 'space:home' as Scope, owner: alice.peer, createdAtMs: 1 }
  await storage.archive.insert({ ...kept, metadata: {}, text: 'kept as it is' }, 1)
  await storage.openEpoch()
  await storage.close()
  return readFileSync(join(dir, 'mooring.db'))
}

let file: Promise<Buffer> | undefined

async function openCopy(alter: (db: Database.Database) => void) {
  file ??= makeFile()
  const copy = Buffer.from(await file)
  // What is in memory has no write-ahead log.
  copy.fill(1, 18, 20)
  const db = new Database(copy)
  onTestFinished(() => void db.close())
  db.pragma('foreign_keys = OFF')
  db.pragma('ignore_check_constraints = ON')
  alter(db)
  const damage: DamagedRow[] = []
  const reader = new Reader(db, (row) => damage.push(row))
  return { reader, damage, db }
}

/** Reads what there is in each table that has checksums. */
function readFacts({ checker, facts }: Reader): void {
  checker.check({ part: 'archive', after: 0 })
  facts.blocks()
  facts.epochs()
  facts.quarantined()
  facts.suspensions()
  facts.usage()
  facts.verified()
  facts.peers()
  facts.requests()
  facts.invite(sha256('invite'))
}

const readBlock = (reader: Reader): void => {
  try {
    reader.blockState(1)
  } catch {
    // Said by its code; what counts here is that it was noticed.
  }
}

/** Tables whose rows are summed, each with its columns but for the one that rows are found by. */
const tables: Readonly<Record<string, readonly string[]>> = {
  epoch: ['id', 'start_seq', 'sum'],
  peer: ['peer', 'name', 'state', 'grant_version', 'asked', 'manifest', 'decided_at_ms', 'sum'],
  request: [
    'n',
    'code',
    'digest',
    'peer',
    'manifest',
    'wants',
    'nonce',
    'from_address',
    'state',
    'created_at_ms',
    'sum',
  ],
  invite: ['grants', 'name', 'expires_at_ms', 'claimed_by', 'sum'],
  replica: ['peer', 'replica', 'sum'],
  block: [
    'address',
    'scope',
    'label',
    'generation',
    'schema',
    'meta',
    'owner',
    'created_at_ms',
    'created_seq',
    'meta_seq',
    'visible_seq',
    'deleted_seq',
    'max_op',
    'ops',
    'gaps',
    'changes',
    'heads',
    'horizon_seq',
    'meta_at_ms',
    'sum',
  ],
  clock: ['actor', 'seq', 'hash', 'max_op', 'signature', 'sum'],
  object: ['id', 'type', 'depth', 'sum'],
  verified: ['seq', 'sum'],
  quarantine: ['hash', 'seq', 'event_seq', 'actor', 'actor_seq', 'peer', 'cause', 'reason', 'at_ms', 'sum'],
  suspension: ['peer', 'reason', 'at_ms', 'sum'],
  usage: ['peer', 'disk', 'content', 'sum'],
  archive: ['n', 'id', 'scope', 'owner', 'created_at_ms', 'disk', 'metadata', 'text', 'sum'],
}

/** Another value of the same kind, as little different as can be. */
function turned(value: unknown): unknown {
  if (typeof value === 'number') return value + 1
  if (typeof value === 'string') return `${value.slice(0, -1)}${value.endsWith('x') ? 'y' : 'x'}`
  if (!(value instanceof Uint8Array)) return 'something'
  const bytes = Buffer.from(value)
  if (bytes.length === 0) return Buffer.alloc(32)
  bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1)
  return bytes
}

describe('a row that says what holds', () => {
  it('is sound as it was written', async () => {
    const { reader, damage } = await openCopy(() => {})
    readFacts(reader)
    readBlock(reader)
    expect(reader.facts.origin(1)).toEqual(daemon)
    expect(damage).toEqual([])
    expect(reader.facts.peers().map(({ isDamaged }) => isDamaged)).toEqual([undefined, undefined])
  })

  it.each(Object.entries(tables).flatMap(([table, columns]) => columns.map((column) => [table, column] as const)))(
    'is noticed when %s.%s turned',
    async (table, column) => {
      const { reader, damage } = await openCopy((db) => {
        const where = table === 'peer' ? `peer = '${alice.peer}'` : 'rowid > 0'
        const hasRowid = !/WITHOUT ROWID/.test(
          String(db.prepare('SELECT sql FROM sqlite_schema WHERE name = ?').pluck().get(table)),
        )
        const filter = hasRowid || table === 'peer' ? where : '1'
        const value = db.prepare(`SELECT ${column} FROM ${table} WHERE ${filter} LIMIT 1`).pluck().get()
        const sql = `UPDATE ${table} SET ${column} = ? WHERE ${filter} AND ${column} IS ?`
        expect(db.prepare(sql).run(turned(value), value).changes).toBeGreaterThan(0)
      })
      readFacts(reader)
      readBlock(reader)
      reader.facts.origin(1)
      expect(damage.map((row) => row.table)).toContain(table)
    },
  )

  it('permits nothing once one of its grants was lost, altered or added', async () => {
    for (const sql of [
      "UPDATE grant_ SET text = 'blocks:read:space:*' WHERE peer = ? AND n = 0",
      'DELETE FROM grant_ WHERE peer = ? AND n = 1',
      "INSERT INTO grant_ (peer, n, text) VALUES (?, 9, 'daemon:admin')",
    ]) {
      const { reader } = await openCopy((db) => void db.prepare(sql).run(alice.peer))
      const [row, other] = reader.facts.peers()
      expect(row).toMatchObject({ peer: alice.peer, state: 'denied', grants: [], asked: [], isDamaged: true })
      expect(other).toMatchObject({ peer: bob.peer, state: 'approved' })
    }
  })

  it('does not let a revoked key ask again', async () => {
    const { reader } = await openCopy((db) => {
      db.prepare("UPDATE peer SET state = 'revoked' WHERE peer = ?").run(alice.peer)
    })
    expect(reader.facts.peers()[0]).toMatchObject({ state: 'revoked', isDamaged: true })
  })

  it('is left out, so that nothing is built on it', async () => {
    const { reader } = await openCopy((db) => {
      db.exec("UPDATE block SET ops = ops + 1; UPDATE invite SET grants = '[]'; UPDATE request SET nonce = 'another'")
      db.exec('UPDATE verified SET seq = 9; UPDATE epoch SET start_seq = 9 WHERE n = 2')
    })
    expect(reader.facts.blocks()).toEqual([])
    expect(reader.facts.invite(sha256('invite'))).toBeUndefined()
    expect(reader.facts.requests()).toEqual([])
    expect(reader.facts.verified()).toEqual([])
    // Where the first one ends is not known either.
    expect(reader.facts.epochs()).toEqual([])
    expect(() => reader.blockState(1)).toThrow(expect.objectContaining({ code: 'block-damaged' }))
  })

  it('does not make a position be used twice', async () => {
    const { reader } = await openCopy((db) => {
      db.exec('UPDATE block SET visible_seq = 1; DELETE FROM event WHERE seq > 1; DELETE FROM epoch')
    })
    expect(reader.facts.lastSeq()).toBe(3)
  })
})
