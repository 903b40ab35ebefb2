/**
 * The thread that reads. It has the database open read-only, so nothing that it does can change a byte of it.
 */
import { join } from 'node:path'
import type Database from 'better-sqlite3'
import type { ActorId, ArchiveId } from '../../protocol/ids.ts'
import { ArchiveReader } from './sqlite-archive-rows.ts'
import { databaseName, openReader } from './sqlite-open.ts'
import { Reader } from './sqlite-reads.ts'
import type { ReaderRole, ThreadReply } from './sqlite-thread.ts'
import type { ArchiveNumber, ArchiveQuery, BlockId, CheckPosition, LogQuery, Seq } from './storage.ts'

export type ReaderOps = ReturnType<typeof readerOps>

export const openReaderThread = ({ dir }: ReaderRole, post: (reply: ThreadReply) => void): ReaderOps =>
  readerOps(openReader(join(dir, databaseName)), post)

export function readerOps(db: Database.Database, post: (reply: ThreadReply) => void) {
  const reader = new Reader(db, (row) => post({ kind: 'damaged', row }))
  const { facts, remains } = reader
  const archive = new ArchiveReader(db, facts)
  return {
    lastSeq: () => facts.lastSeq(),
    epochs: () => facts.epochs(),
    blocks: () => facts.blocks(),
    clock: (block: BlockId, actors?: readonly ActorId[]) => reader.clock(block, actors),
    blockState: (block: BlockId) => reader.blockState(block),
    readLog: (query: LogQuery) => reader.readLog(query),
    snapshot: (block: BlockId) => reader.snapshot(block),
    snapshots: () => reader.snapshots(),
    foldable: (block: BlockId, until: Seq) => reader.foldable(block, until),
    firstAfter: (block: BlockId, after: Seq) => reader.firstAfter(block, after),
    quarantined: () => facts.quarantined(),
    suspensions: () => facts.suspensions(),
    verified: () => facts.verified(),
    usage: () => facts.usage(),
    lookThrough: (position: CheckPosition) => reader.checker.check(position),
    remains: (block: BlockId) => remains.remains(block),
    setBacks: () => remains.setBacks(),
    waiting: () => remains.waiting(),
    readWaiting: (query: { block: BlockId; after: Seq; maxBytes: number }) => remains.readWaiting(query),
    lost: () => remains.lost(),
    peers: () => facts.peers(),
    requests: () => facts.requests(),
    invite: (hash: string) => facts.invite(hash),
    archiveEntry: (id: ArchiveId) => archive.get(id),
    archivePage: (query: ArchiveQuery) => archive.list(query),
    archiveNumbered: (after: ArchiveNumber, limit: number) => archive.numbered(after, limit),
    archiveLast: () => archive.last(),
    archiveExisting: (numbers: readonly ArchiveNumber[]) => archive.existing(numbers),
    close: () => {
      db.close()
    },
  }
}
