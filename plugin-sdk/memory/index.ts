/**
 * Door `mooring/plugin-sdk/memory`: replicated blocks. The only part of the SDK that loads Automerge; the SDK loads it
 * when the first block is opened.
 */
import {
  asError,
  type BlockMeta,
  type MooringError,
  type PeerId,
  type ReplicaId,
  type SchemaName,
} from '../../protocol/index.ts'
import type { BlockWatch } from './block-watch.ts'
import type { BlockHandle } from './handle.ts'
import { Journal } from './journal.ts'
import { Replica } from './replica.ts'
import type { MemoryConnection, ReplicaInit } from './replica-init.ts'
import type { ReplicaStore, StoredWelcome, StoreInit } from './store.ts'

export { Counter, deleteAt, getConflicts, insertAt, splice, updateText } from '@automerge/automerge'
export type { Problem, SchemaOptions } from '../../protocol/index.ts'
export { BlockWatch, type BlockWatchEvents, type WatchedBlock } from './block-watch.ts'
export { appendEntry, sectionOf } from './content.ts'
export { type BlockEvents, BlockHandle, type BlockState, type RefusedChanges } from './handle.ts'
export type { CatchUpProgress } from './replica-init.ts'

export interface Memory {
  /** What the daemon said when it last let this plugin in; undefined when it never did, or nothing is stored. */
  readonly lastWelcome: StoredWelcome | undefined
  /** The id that is stored with the replica. */
  readonly replica: ReplicaId | undefined
  /** The replica has another id from now on. */
  useReplica(replica: ReplicaId): void
  /** Reads a block that is stored; before {@link open}. @throws `database-corrupt`, `storage-full`, `storage-failed` */
  prepare(address: string): Promise<void>
  open<Name extends SchemaName>(address: string, schema: Name, wanted?: BlockMeta): BlockHandle<Name>
  /** Follows every block that a pattern covers. @throws `invalid-input`, `quota-exceeded` */
  watch(pattern: string): BlockWatch
  /** A new connection was welcomed. */
  onConnection(connection: MemoryConnection & { readonly welcome?: StoredWelcome }): void
  /** Changes made here, in all blocks, that the daemon has not settled. */
  readonly pending: number
  /** Resolves when nothing would be lost: all is stored here, or else settled at the daemon. */
  beforeStop(): Promise<void>
  stop(): Promise<void>
}

export interface MemoryInit extends ReplicaInit {
  /** Actor ids are made for one daemon. */
  readonly daemon: PeerId
}

export interface StoredMemoryInit extends MemoryInit, Pick<StoreInit, 'path' | 'replica' | 'maxPages'> {
  /** @default a SQLite file at `path` */
  readonly openStore?: (init: StoreInit, onWarning: (error: MooringError) => void) => Promise<ReplicaStore>
}

/** With an end: a daemon that takes nothing now takes it after the next start. */
const deliverMs = 3_000

/** Replicated blocks for as long as the process lives. */
export function createMemory(init: MemoryInit): Memory {
  const replica = new Replica(init, init.daemon)
  return {
    lastWelcome: undefined,
    replica: undefined,
    useReplica: () => {},
    prepare: async () => {},
    get pending() {
      return replica.entries.pending
    },
    open: (address, schema, wanted) => replica.open(address, schema, wanted),
    watch: (pattern) => replica.watch(pattern),
    onConnection: converser(replica, init),
    beforeStop: () => replica.entries.flushed(),
    stop: () => replica.stop(),
  }
}

/**
 * Replicated blocks that outlive the process.
 *
 * @throws `replica-in-use` while another process has the file, `database-corrupt`, `database-newer`, `storage-full`,
 * `storage-failed`; `wrong-state` when it belongs to another daemon
 */
export async function openMemory(init: StoredMemoryInit): Promise<Memory> {
  // Loaded here: a plugin that wants none needs no database.
  const openStore = init.openStore ?? (await import('./sqlite-store.ts')).openSqliteStore
  const warn = (message: string) => (error: MooringError) =>
    init.log.warn({ err: error }, `${message}: ${error.message}`)
  const { path, daemon, maxPages } = init
  const limit = maxPages === undefined ? {} : { maxPages }
  const store = await openStore(
    { path, daemon, replica: init.replica, ...limit },
    warn('changes could not be folded into a snapshot and stay as they are'),
  )
  const journal = new Journal({ store, clock: init.clock, onTrouble: warn('the replica cannot be written') })
  const replica = new Replica(init, daemon, { store, journal })
  const converse = converser(replica, init)
  try {
    await replica.entries.resume()
  } catch (error) {
    await journal.close()
    throw error
  }
  return {
    lastWelcome: store.state.welcome,
    replica: store.state.replica,
    useReplica: (id) => journal.add({ kind: 'replica', replica: id }),
    prepare: (address) => replica.entries.prepare(address),
    get pending() {
      return replica.entries.pending
    },
    open: (address, schema, wanted) => replica.open(address, schema, wanted),
    watch: (pattern) => replica.watch(pattern),
    onConnection: (connection) => {
      const { welcome } = connection
      if (welcome !== undefined) {
        const { name, grants, grantVersion } = welcome
        journal.add({ kind: 'welcome', welcome: { name, grants: [...grants], grantVersion } })
      }
      converse(connection)
    },
    async beforeStop() {
      if (replica.isConversing) await atMost(deliverMs, replica.entries.flushed(), init)
      await journal.saved()
    },
    async stop() {
      await replica.stop()
      await journal.close()
    },
  }
}

async function atMost(ms: number, work: Promise<void>, { clock }: MemoryInit): Promise<void> {
  let cancel = (): void => {}
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(ms, resolve)
  })
  await Promise.race([work, late])
  cancel()
}

/** Longest wait before a stream that ended is opened again on a connection that still stands. */
const maxReopenMs = 10_000
const minReopenMs = 250

function converser(replica: Replica, init: MemoryInit): (connection: MemoryConnection) => void {
  let newest: MemoryConnection | undefined
  return (connection) => {
    newest = connection
    void keepConversing(replica, connection, { ...init, isNewest: () => newest === connection && !replica.isStopped })
  }
}

/** Two connections of one replica would take the stream from each other for ever: the older one gives way. */
async function keepConversing(
  replica: Replica,
  connection: MemoryConnection,
  init: MemoryInit & { isNewest(): boolean },
): Promise<void> {
  let waitMs = minReopenMs
  while (!connection.signal.aborted && init.isNewest()) {
    const beganMs = init.clock.monotonicMs()
    try {
      await replica.converse(connection)
    } catch (error) {
      if (connection.signal.aborted) return
      init.log.warn({ err: asError(error) }, 'the sync stream ended')
    }
    // A stream that held for long ended for a new reason.
    if (init.clock.monotonicMs() - beganMs > maxReopenMs) waitMs = minReopenMs
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        cancel()
        connection.signal.removeEventListener('abort', finish)
        resolve()
      }
      const cancel = init.clock.after(waitMs, finish)
      connection.signal.addEventListener('abort', finish, { once: true })
    })
    waitMs = Math.min(waitMs * 2, maxReopenMs)
  }
}
