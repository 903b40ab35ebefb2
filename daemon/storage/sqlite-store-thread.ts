/**
 * The thread that writes: it holds the lock of the state directory and the only connection that may change the
 * database. Keeps: ordinary writes never use up the space that is held back for decisions, and the write-ahead log
 * is folded back whenever nothing is going on.
 */
import { join } from 'node:path'
import type Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import type { ArchiveId, ChangeHash, PeerId } from '../../protocol/ids.ts'
import { ArchiveWriter } from './sqlite-archive-rows.ts'
import { Checkpoints } from './sqlite-checkpoint.ts'
import { PeerWriter } from './sqlite-decisions.ts'
import { isFull } from './sqlite-errors.ts'
import { migrate, readMigrations } from './sqlite-migrate.ts'
import {
  databaseName,
  inspectDatabase,
  lockDirectory,
  makeShrinkable,
  openWriter,
  readSettings,
  shrink,
} from './sqlite-open.ts'
import type { PackedBatch } from './sqlite-pack.ts'
import { Reserve, reserveBytes } from './sqlite-reserve.ts'
import type { StoreRole, ThreadReply } from './sqlite-thread.ts'
import { createTransact } from './sqlite-transaction.ts'
import { LogWriter } from './sqlite-writes.ts'
import type {
  ArchiveActor,
  ArchiveRow,
  BlockId,
  Decision,
  FoldQuery,
  InviteRow,
  LostChanges,
  RequestRow,
  Seq,
  Snapshot,
  VerifiedRow,
} from './storage.ts'

export type StoreOps = ReturnType<typeof openStoreThread>

/** How often a full disk is tried again at most: each try writes a megabyte if it can. */
const fillEveryMs = 1_000

type Post = (reply: ThreadReply) => void

export function openStoreThread(role: StoreRole, post: Post, onFailure: (error: unknown) => void) {
  const lock = lockDirectory(role.dir)
  try {
    const reserve = new Reserve(role.dir)
    return createOps(role, openDatabase(role, reserve, post), lock, reserve, post, onFailure)
  } catch (error) {
    lock.close()
    throw error
  }
}

function openDatabase(role: StoreRole, reserve: Reserve, post: Post): Database.Database {
  const open = (): Database.Database => {
    const path = join(role.dir, databaseName)
    const migrations = readMigrations(role.migrationsDir)
    inspectDatabase(path, migrations.length)
    const db = openWriter(path)
    try {
      migrate(db, role.dir, migrations, createLog(post))
      if (!makeShrinkable(db)) createLog(post).warn({}, 'the disk is full: the database stays as large as it is')
      return db
    } catch (error) {
      db.close()
      throw error
    }
  }
  try {
    return open()
  } catch (error) {
    // Even opening takes a few pages. A daemon that cannot start cannot revoke anything either.
    if (!isFull(error) || !reserve.free()) throw error
    return open()
  }
}

function createOps(
  role: StoreRole,
  db: Database.Database,
  lock: Database.Database,
  reserve: Reserve,
  post: Post,
  onFailure: (error: unknown) => void,
) {
  const log = createLog(post)
  const transact = createTransact(db)
  const logWriter = new LogWriter(db, transact, role.self)
  const peerWriter = new PeerWriter(db, transact)
  const archive = new ArchiveWriter(db, transact, role.self)
  const onFull = (): void => log.warn({}, 'the disk is full: the write-ahead log stays as it is')
  const checkpoints = new Checkpoints({ db, onFailure, onFull, maxPages: role.walPages })
  const pageSize = Number(db.pragma('page_size', { simple: true }))
  let hasReserve = false
  let nextFillMs = 0

  const limitPages = (extraBytes: number): void => {
    if (role.maxPages !== undefined) db.pragma(`max_page_count = ${role.maxPages + Math.floor(extraBytes / pageSize)}`)
  }

  const fillReserve = (): void => {
    const nowMs = performance.now()
    if (nowMs < nextFillMs) return
    nextFillMs = nowMs + fillEveryMs
    hasReserve = reserve.fill()
    if (hasReserve) limitPages(0)
  }

  const foldBack = (): void => {
    try {
      // A piece at a time: a write that comes meanwhile waits for one of them at most.
      if (shrink(db)) {
        checkpoints.written()
        idle.refresh()
        return
      }
    } catch (error) {
      if (isFull(error)) onFull()
      else onFailure(error)
      return
    }
    // A reader is in the middle of something: try again when it is quiet the next time.
    if (!checkpoints.all()) idle.refresh()
  }
  const idle = setTimeout(foldBack, role.idleMs)

  const wrote = <Result>(write: () => Result): Result => {
    idle.refresh()
    const result = write()
    checkpoints.written()
    return result
  }

  /** A write that must leave the reserve alone. */
  const ordinary = <Args extends unknown[], Result>(write: (...args: Args) => Result) => {
    return (...args: Args): Result => {
      // Without the reserve, what little space there is belongs to decisions.
      if (!hasReserve) fillReserve()
      if (!hasReserve) throw new MooringError('storage-full')
      return wrote(() => write(...args))
    }
  }

  /** A write that may use the reserve: it is small, and the operator or the start of the daemon waits for it. */
  const urgent = <Result>(write: () => Result): Result => {
    try {
      return wrote(write)
    } catch (error) {
      if (!isFull(error) || !reserve.free()) throw error
      hasReserve = false
      nextFillMs = performance.now() + fillEveryMs
      limitPages(reserveBytes)
      log.warn({}, 'the disk is full: the reserve was freed for a decision')
      return wrote(write)
    }
  }

  const decide = ordinary((decision: Decision) => peerWriter.decide(decision))

  limitPages(0)
  fillReserve()
  // A migration may have written everything anew.
  checkpoints.written()
  if (!hasReserve) log.warn({}, 'the disk is full: nothing but decisions is stored until there is space again')

  return {
    append: ordinary((batch: PackedBatch) => logWriter.append(batch)),
    putSnapshot: ordinary((snapshot: Snapshot) => logWriter.putSnapshot(snapshot)),
    fold: ordinary((query: FoldQuery) => logWriter.fold(query)),
    putVerified: ordinary((verified: VerifiedRow & { readonly heads: readonly ChangeHash[] }) =>
      logWriter.putVerified(verified),
    ),
    endWaiting: ordinary((block: BlockId, seqs: readonly Seq[]) => logWriter.endWaiting(block, seqs)),
    endLost: ordinary((lost: Pick<LostChanges, 'block' | 'actor' | 'to'>) => logWriter.endLost(lost)),
    insertArchive: ordinary((row: ArchiveRow, grantVersion: number) => archive.insert(row, grantVersion)),
    removeArchive: ordinary((id: ArchiveId, by: ArchiveActor) => archive.remove(id, by)),
    unsuspend: ordinary((peer: PeerId) => logWriter.unsuspend(peer)),
    putRequest: ordinary((request: RequestRow) => peerWriter.putRequest(request)),
    putInvite: ordinary((invite: InviteRow) => peerWriter.putInvite(invite)),
    decide: (decision: Decision, isUrgent: boolean) =>
      isUrgent ? urgent(() => peerWriter.decide(decision)) : decide(decision),
    prune: ordinary((beforeMs: number) => peerWriter.prune(beforeMs)),
    openEpoch: () => urgent(() => logWriter.openEpoch()),
    settings: () => readSettings(db),
    close: () => {
      clearTimeout(idle)
      checkpoints.stop()
      // Here, because SQLite says nothing of what fails when it closes.
      checkpoints.all()
      db.close()
      lock.close()
    },
  }
}

function createLog(post: Post) {
  const line =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: Readonly<Record<string, unknown>>, message: string): void =>
      post({ kind: 'log', level, fields, message })
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
}
