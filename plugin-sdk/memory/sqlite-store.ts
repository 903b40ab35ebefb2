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
  readonly #onWarning: (error: MooringError) => void
  #lastId = 0
  #failure: MooringError | undefined

  constructor(init: StoreInit, onWarning: (error: MooringError) => void) {
    this.#onWarning = onWarning
    this.#worker = new Worker(entry, { workerData: init, name: 'mooring replica' })
    this.#ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()))
    this.#worker.on('message', (reply: StoreReply) => this.#answer(reply))
    this.#worker.on('error', (cause) => this.#fail(cause))
    void this.#ended.then(() => this.#fail(undefined))
  }

  /** The first answer, which the thread gives without being asked. */
  async opened(): Promise<StoreState> {
    try {
      const reply = await new Promise<StoreReply>((resolve, reject) => this.#waiting.set(0, { resolve, reject }))
      if (reply.kind !== 'open') throw new MooringError('internal')
      return reply.state
    } catch (error) {
      await this.#worker.terminate()
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
    await this.#worker.terminate()
    await this.#ended
  }

  #answer(reply: StoreReply): void {
    if (reply.kind === 'warn') {
      this.#onWarning(fromThreadError(reply.error))
      return
    }
    const id = reply.kind === 'open' ? 0 : reply.id
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
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

/**
 * Opens the file, or makes it.
 *
 * @throws `replica-in-use` while another process has it, `database-corrupt`, `database-newer`, `storage-full`,
 * `storage-failed`; `wrong-state` when it belongs to another daemon
 */
export async function openSqliteStore(
  init: StoreInit,
  onWarning: (error: MooringError) => void = () => {},
): Promise<ReplicaStore> {
  const thread = new Thread(init, onWarning)
  return new SqliteStore(thread, await thread.opened())
}
