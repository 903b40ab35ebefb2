/**
 * One worker thread as the main thread sees it: calls that are answered in their order. Keeps: every call ends, with
 * the answer or with the end of the thread, whichever comes first.
 */
import { Worker } from 'node:worker_threads'
import type { MooringError } from '../../protocol/errors.ts'
import type { PeerId } from '../../protocol/ids.ts'
import type { StorageLog } from './backend.ts'
import type { ThreadError } from './sqlite-errors.ts'
import { fromThreadError } from './sqlite-errors.ts'
import type { DamagedRow } from './storage.ts'
import { storageFailed } from './storage-errors.ts'

/** What a thread is started as. */
export type ThreadRole = StoreRole | ReaderRole | SearchRole

export interface StoreRole {
  readonly kind: 'store'
  readonly dir: string
  readonly self: PeerId | undefined
  readonly migrationsDir: string
  readonly idleMs: number
  readonly walPages: number | undefined
  readonly maxPages: number | undefined
}

export interface ReaderRole {
  readonly kind: 'reader'
  readonly dir: string
}

export interface SearchRole {
  readonly kind: 'search'
  /** In memory when absent. */
  readonly file: string | undefined
}

export interface ThreadMessage {
  readonly id: number
  readonly op: string
  readonly args: readonly unknown[]
}

export type ThreadReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  /** The answer to a call; id 0: to no call in particular. */
  | { readonly kind: 'error'; readonly id: number; readonly error: ThreadError }
  | { readonly kind: 'damaged'; readonly row: DamagedRow }
  | {
      readonly kind: 'log'
      readonly level: keyof StorageLog
      readonly fields: Readonly<Record<string, unknown>>
      readonly message: string
    }

/** The operations of a thread, by name. `never`: any argument list fits. */
type Ops = Record<string, (...args: never[]) => unknown>

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: MooringError) => void
}

// The sources run as they are and also compiled: the entry has the extension that this file has.
const entry = new URL(`./sqlite-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

/** What asks: a thread, or its double in a test. */
export type ThreadCalls<Available extends Ops> = Pick<StorageThread<Available>, 'call' | 'close'>

/** What a thread says without being asked. */
export interface ThreadListener {
  readonly log: StorageLog
  /** Durability is in doubt, or the thread ended by itself. */
  onFail(cause: unknown): void
  onDamage(row: DamagedRow): void
}

export class StorageThread<Available extends Ops> {
  readonly #worker: Worker
  readonly #listener: ThreadListener
  readonly #pending = new Map<number, Pending>()
  readonly #exited: Promise<void>
  #lastId = 0
  #isClosing = false
  #isReady = false

  private constructor(role: ThreadRole, listener: ThreadListener) {
    this.#listener = listener
    this.#worker = new Worker(entry, { workerData: role, name: `mooring ${role.kind}` })
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        if (!this.#isClosing) this.#end(new Error(`the ${role.kind} thread ended with code ${code}`))
        else this.#rejectAll(storageFailed())
        resolve()
      })
    })
    this.#worker.on('error', (error) => this.#end(error))
    this.#worker.on('messageerror', (error) => this.#end(error))
    this.#worker.on('message', (reply: ThreadReply) => this.#onReply(reply))
  }

  /**
   * Starts the thread and waits until it has the database open.
   * @throws `state-in-use`, `database-corrupt`, `database-newer`, `storage-full`, `storage-failed`
   */
  static async start<Available extends Ops>(
    role: ThreadRole,
    listener: ThreadListener,
  ): Promise<StorageThread<Available>> {
    const thread = new StorageThread<Available>(role, listener)
    try {
      // 0 is the call that every thread answers first, without being asked.
      await new Promise<unknown>((resolve, reject) => thread.#pending.set(0, { resolve, reject }))
      thread.#isReady = true
      return thread
    } catch (error) {
      await thread.terminate()
      throw error
    }
  }

  /** Arguments are copied before this returns; buffers in `transfer` are given away. */
  call<Op extends keyof Available & string>(
    op: Op,
    args: Parameters<Available[Op]>,
    transfer: ArrayBuffer[] = [],
  ): Promise<ReturnType<Available[Op]>> {
    return new Promise((resolve, reject) => {
      this.#lastId += 1
      const message: ThreadMessage = { id: this.#lastId, op, args }
      this.#worker.postMessage(message, transfer)
      this.#pending.set(message.id, { resolve: (value) => resolve(value as ReturnType<Available[Op]>), reject })
    })
  }

  /** Lets the calls made so far finish, then ends the thread. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#worker.postMessage({ id: -1, op: 'close', args: [] } satisfies ThreadMessage)
    await this.#exited
  }

  /** Ends the thread at once. */
  async terminate(): Promise<void> {
    this.#isClosing = true
    await this.#worker.terminate()
  }

  #onReply(reply: ThreadReply): void {
    if (reply.kind === 'log') {
      this.#listener.log[reply.level](reply.fields, reply.message)
      return
    }
    if (reply.kind === 'damaged') {
      this.#listener.onDamage(reply.row)
      return
    }
    const id = reply.kind === 'ready' ? 0 : reply.id
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    if (reply.kind !== 'error') {
      pending?.resolve(reply.kind === 'ready' ? undefined : reply.value)
      return
    }
    pending?.reject(fromThreadError(reply.error))
    if (reply.error.fatal && this.#isReady) this.#end(fromThreadError(reply.error))
  }

  #end(cause: unknown): void {
    this.#rejectAll(storageFailed(cause))
    if (!this.#isClosing && this.#isReady) this.#listener.onFail(cause)
  }

  #rejectAll(error: MooringError): void {
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
  }
}
