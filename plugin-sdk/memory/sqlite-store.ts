/**
 * The store of a replica in a SQLite file, as the main thread sees it. Keeps: every call ends, with the answer or with
 * the end of the thread, whichever comes first; the main thread itself loads no database.
 */
import { Worker } from 'node:worker_threads'
import { MooringError } from '../../protocol/errors.ts'
import type { BlockAddress } from '../../protocol/ids.ts'
import { fromThreadError } from './sqlite-errors.ts'
import type { StoreCall, StoreReply } from './sqlite-store-worker.ts'
import type { ReplicaStore, StoredContent, StoreInit, StoreState, StoreWrite } from './store.ts'

// The sources run as they are and also compiled: the entry has the extension that this file has.
const entry = new URL(`./sqlite-store-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

interface Waiting {
  resolve(reply: StoreReply): void
  reject(error: MooringError): void
}

type CallInit = StoreCall extends infer Call ? (Call extends { id: number } ? Omit<Call, 'id'> : never) : never

class SqliteStore implements ReplicaStore {
  readonly state: StoreState
  readonly #thread: Thread

  constructor(thread: Thread, state: StoreState) {
    this.#thread = thread
    this.state = state
  }

  async write(writes: readonly StoreWrite[]): Promise<void> {
    await this.#thread.call({ op: 'write', writes })
  }

  async read(address: BlockAddress): Promise<StoredContent> {
    const { content } = (await this.#thread.call({ op: 'read', address })) as { content: StoredContent }
    return content
  }

  async close(): Promise<void> {
    await this.#thread.close()
  }
}

class Thread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #ended: Promise<void>
  #onWarning: (error: MooringError) => void = () => {}
  #lastId = 0
  #failure: MooringError | undefined

  constructor() {
    this.#worker = new Worker(entry, { name: 'mooring replica' })
    // While it has no file there is nothing to wait for at the end of the process.
    this.#worker.unref()
    this.#ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()))
    this.#worker.on('message', (reply: StoreReply) => this.#answer(reply))
    this.#worker.on('error', (cause) => this.#fail(cause))
    void this.#ended.then(() => this.#fail(undefined))
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  async open(init: StoreInit, onWarning: (error: MooringError) => void): Promise<StoreState> {
    this.#onWarning = onWarning
    this.#worker.ref()
    try {
      const reply = await this.call({ op: 'open', init })
      if (reply.kind !== 'open') throw new MooringError('internal')
      return reply.state
    } catch (error) {
      await this.end()
      throw error
    }
  }

  call(call: CallInit): Promise<StoreReply> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure)
        return
      }
      this.#lastId++
      this.#waiting.set(this.#lastId, { resolve, reject })
      this.#worker.postMessage({ ...call, id: this.#lastId })
    })
  }

  async close(): Promise<void> {
    await this.call({ op: 'close' }).catch(() => {})
    await this.end()
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
    await this.#ended
  }

  #answer(reply: StoreReply): void {
    if (reply.kind === 'warn') {
      this.#onWarning(fromThreadError(reply.error))
      return
    }
    const waiting = this.#waiting.get(reply.id)
    this.#waiting.delete(reply.id)
    if (reply.kind === 'error') waiting?.reject(fromThreadError(reply.error))
    else waiting?.resolve(reply)
  }

  #fail(cause: unknown): void {
    const detail = 'the thread of the replica ended'
    this.#failure ??= new MooringError('storage-failed', { detail, cause })
    for (const { reject } of this.#waiting.values()) reject(this.#failure)
    this.#waiting.clear()
  }
}

/** Opens a store in a thread that may have been started before it was needed. */
export interface PreparedStore {
  /**
   * Opens the file, or makes it.
   *
   * @throws `replica-in-use` while another process has it, `database-corrupt`, `database-newer`, `storage-full`,
   * `storage-failed`; `wrong-state` when it belongs to another daemon
   */
  open(init: StoreInit, onWarning?: (error: MooringError) => void): Promise<ReplicaStore>
  /** Ends the thread if nothing was opened in it; a store that was opened is closed by itself. */
  stop(): Promise<void>
}

/**
 * Starts a thread that loads what it needs and waits for a file: it takes longer to start than a daemon to answer, and
 * costs no waiting when it starts while the daemon is dialled.
 */
export function prepareSqliteStore(): PreparedStore {
  let spare: Thread | undefined = new Thread()
  return {
    async open(init, onWarning = () => {}) {
      const thread = spare === undefined || spare.hasFailed ? new Thread() : spare
      spare = undefined
      return new SqliteStore(thread, await thread.open(init, onWarning))
    },
    async stop() {
      const thread = spare
      spare = undefined
      await thread?.end()
    },
  }
}

/** {@link PreparedStore.open} in a thread that starts now. */
export const openSqliteStore: PreparedStore['open'] = (init, onWarning) => prepareSqliteStore().open(init, onWarning)
