/**
 * The search index as the main thread holds it. Its thread starts when it is first used. Keeps: a failure of it ends nothing
 * but what was asked of it, and the next call begins with a new thread.
 */
import { MooringError } from '../../protocol/errors.ts'
import type { StorageLog } from './backend.ts'
import type { SearchBatch, SearchIndex, SearchQuestion, SearchSource, SearchTerms } from './search-index.ts'
import type { SearchOps } from './sqlite-search-thread.ts'
import { StorageThread } from './sqlite-thread.ts'
import { closedError } from './storage-errors.ts'

/** In the state directory. */
export const searchFileName = 'search.db'

export interface SearchIndexInit {
  /** In memory when no file is named. */
  readonly file: string | undefined
  readonly log: StorageLog
}

export class SqliteSearchIndex implements SearchIndex {
  readonly #init: SearchIndexInit
  readonly #listeners = new Set<() => void>()
  #thread: Promise<StorageThread<SearchOps>> | undefined
  #closing: Promise<void> | undefined

  constructor(init: SearchIndexInit) {
    this.#init = init
  }

  positions() {
    return this.#call('positions', [])
  }

  entries(after: number, limit: number) {
    return this.#call('entries', [after, limit])
  }

  write(batch: SearchBatch): Promise<void> {
    return this.#call('write', [batch])
  }

  query(question: SearchQuestion) {
    return this.#call('query', [question])
  }

  excerpts(terms: SearchTerms, sources: readonly SearchSource[]) {
    return this.#call('excerpts', [terms, sources])
  }

  clear(): Promise<void> {
    return this.#call('clear', [])
  }

  onLost(listener: () => void): void {
    this.#listeners.add(listener)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const thread = await this.#thread?.catch(() => undefined)
    await thread?.close()
  }

  async #call<Op extends keyof SearchOps>(op: Op, args: Parameters<SearchOps[Op]>): Promise<ReturnType<SearchOps[Op]>> {
    if (this.#closing !== undefined) throw closedError()
    const thread = await this.#started()
    try {
      return await thread.call(op, args)
    } catch (error) {
      if (error instanceof MooringError && error.code === 'database-corrupt') {
        this.#init.log.warn({ err: error }, 'the search index was damaged and is begun anew')
        this.#lost()
        throw new MooringError('index-behind', { cause: error })
      }
      throw error
    }
  }

  #started(): Promise<StorageThread<SearchOps>> {
    if (this.#thread !== undefined) return this.#thread
    const starting = StorageThread.start<SearchOps>(
      { kind: 'search', file: this.#init.file },
      {
        log: this.#init.log,
        onDamage: () => {},
        onFail: (cause) => {
          this.#init.log.warn({ err: cause }, 'the search index failed and is opened again')
          if (this.#thread === starting) this.#thread = undefined
          void starting.then((thread) => thread.terminate())
          this.#lost()
        },
      },
    )
    this.#thread = starting
    starting.catch(() => {
      if (this.#thread === starting) this.#thread = undefined
    })
    return starting
  }

  #lost(): void {
    for (const listener of this.#listeners) listener()
  }
}
