/**
 * The store of the daemon under a campaign: what is written to it, and what must be found in it afterwards. Keeps: every
 * row says which part of which call it is, so that a lost, doubled or half-written call shows.
 */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { DamageReports } from '../../daemon/storage/damage-reports.ts'
import { openSqlite, SqliteStorage } from '../../daemon/storage/sqlite.ts'
import { migrationsDir } from '../../daemon/storage/sqlite-migrate-dir.ts'
import { openReaderThread } from '../../daemon/storage/sqlite-reader-thread.ts'
import { openStoreThread } from '../../daemon/storage/sqlite-store-thread.ts'
import type { StorageThread, ThreadReply } from '../../daemon/storage/sqlite-thread.ts'
import type { ChangeEntry } from '../../daemon/storage/storage.ts'
import { alice, approve, change, create, peerRow, recordingLog, self } from '../fixtures/storage-entries.ts'
import { checkWritten, writtenBytes } from '../fixtures/storage-writer.ts'
import { mustHold } from './campaign.ts'
import { codeOf, type StoreWriter, say, walOptions } from './store-writer.ts'

/** So that a test decides when the write-ahead log is folded back. */
const idleMs = 3_600_000

const open = (dir: string): Promise<SqliteStorage> =>
  openSqlite({ dir, log: recordingLog(), self, idleMs, ...walOptions() })

/** The same store with what its threads run in this one: starting two threads takes longer than reading what is there. */
export function openHere(dir: string, damage = new DamageReports(recordingLog())): SqliteStorage {
  const post = (reply: ThreadReply): void => {
    if (reply.kind === 'damaged') damage.report(reply.row)
  }
  const fail = (error: unknown): void => {
    throw error
  }
  const role = { kind: 'store', dir, self, migrationsDir, idleMs, maxPages: undefined, walPages: undefined } as const
  const store = openStoreThread(role, post, fail)
  const reader = openReaderThread({ kind: 'reader', dir }, post)
  return new SqliteStorage({
    store: threadOf(store),
    reader: threadOf(reader),
    failed: new AbortController().signal,
    damage,
  })
}

function threadOf<Ops extends Record<string, (...args: never[]) => unknown>>(ops: Ops): StorageThread<Ops> {
  const call = async (op: string, args: readonly unknown[]): Promise<unknown> =>
    Reflect.apply(ops[op] as (...args: unknown[]) => unknown, undefined, args)
  return { call, close: () => call('close', []) } as unknown as StorageThread<Ops>
}

export class DaemonStoreWriter implements StoreWriter {
  readonly failed: AbortSignal
  readonly commands: StoreWriter['commands']
  readonly #storage: SqliteStorage
  #count: number
  #checked = 0

  private constructor(storage: SqliteStorage, count: number) {
    this.#storage = storage
    this.#count = count
    this.failed = storage.failed
    this.commands = {
      write: (calls) => this.#write(calls),
      overlap: async (calls) => {
        await Promise.all([0, 1, 2].map(() => this.#write(Math.ceil(calls / 3))))
      },
      read: async () => {
        // What was read once is read again at the end: the cost of a look must not grow with the run.
        const found = await checkWritten(storage, this.#checked).catch(codeOf)
        if (typeof found === 'number') this.#checked = found
        say(`count ${found}`)
      },
      revoke: async (version) => {
        const row = peerRow(alice, { state: 'revoked', grantVersion: version + 1, grants: [] })
        const decision = { atMs: 1, peer: { row, expectGrantVersion: version } }
        say(await storage.decide(decision, { urgent: true }).then(() => 'revoked', codeOf))
      },
    }
  }

  static async open(folder: string): Promise<DaemonStoreWriter> {
    const storage = await open(folder)
    await storage.append([create('space:home/notes')])
    if ((await storage.peers()).length === 0) await approve(storage, alice)
    return new DaemonStoreWriter(storage, await checkWritten(storage, 0))
  }

  async #write(calls: number): Promise<void> {
    for (let call = 0; call < calls; call++) {
      const size = 1 + ((this.#count * 31) % 12)
      const first = this.#count + 1
      this.#count += size
      const entries: ChangeEntry[] = Array.from({ length: size }, (_, index) =>
        change(1, 'writer', first + index, { bytes: writtenBytes(first + index, index, size) }),
      )
      try {
        await this.#storage.append(entries)
        say(`ack ${first + size - 1}`)
      } catch (error) {
        say(`refused ${codeOf(error)}`)
        // The next call takes its place: the changes of an actor have no gaps.
        this.#count = first - 1
      }
    }
  }
}

/**
 * Opens what is left of a store as the daemon does, and takes one more change.
 * @returns how many changes were there. @throws when it is not a number of whole calls
 */
export async function recoverDaemonStore(folder: string, withThreads = true): Promise<number> {
  const storage = withThreads ? await open(folder) : openHere(folder)
  try {
    const blocks = await storage.blocks()
    const count = blocks.length === 0 ? 0 : await checkWritten(storage, 0)
    await storage.openEpoch()
    if (count > 0) await storage.append([change(1, 'writer', count + 1)])
    return count
  } finally {
    await storage.close()
    checkIntegrity(join(folder, 'mooring.db'))
  }
}

/** How many changes there are, whatever the store thinks of them. */
export function countDaemonRows(folder: string): number {
  const db = new Database(join(folder, 'mooring.db'))
  try {
    const has = db.prepare("SELECT count(*) FROM sqlite_schema WHERE name = 'change'").pluck().get()
    return has === 0 ? 0 : Number(db.prepare('SELECT count(*) FROM change').pluck().get())
  } finally {
    db.close()
  }
}

export function checkIntegrity(file: string): void {
  const db = new Database(file)
  try {
    const found = db.pragma('integrity_check', { simple: true })
    mustHold(found === 'ok', 'the database must be sound:', found)
    const foreign = db.pragma('foreign_key_check')
    mustHold(Array.isArray(foreign) && foreign.length === 0, 'every reference must lead somewhere:', foreign)
  } finally {
    db.close()
  }
}
