/**
 * The door of the storage folder: backends by the name that the configuration uses. Adding one is a line here and a
 * run of the compliance suite.
 */
import { join } from 'node:path'
import type { BackendInit } from './backend.ts'
import { openMemory } from './memory.ts'
import type { SearchIndex } from './search-index.ts'
import { openSqlite } from './sqlite.ts'
import { SqliteSearchIndex, searchFileName } from './sqlite-search.ts'
import type { Storage } from './storage.ts'

export type { BackendInit, StorageLog } from './backend.ts'
export type * from './storage.ts'

const backends = {
  /** One database file in the state directory. */
  sqlite: openSqlite,
  /** Nothing outlives the process: for tests and trials. */
  memory: openMemory,
} as const satisfies Record<string, (init: BackendInit) => Promise<Storage>>

export type StorageBackend = keyof typeof backends

/** All names, for the configuration. */
export const storageBackends = Object.keys(backends) as StorageBackend[]

export interface StorageInit extends BackendInit {
  readonly backend: StorageBackend
}

/**
 * Opens the store of a state directory, migrating it if needed.
 * @throws `state-in-use`, `database-corrupt`, `database-newer`, `storage-full`, `storage-failed`
 */
export const openStorage = ({ backend, ...init }: StorageInit): Promise<Storage> => backends[backend](init)

/** The search index beside a store: nothing is opened before it is used. */
export const openSearchIndex = ({ backend, dir, log }: Omit<StorageInit, 'self'>): SearchIndex =>
  new SqliteSearchIndex({ file: backend === 'memory' ? undefined : join(dir, searchFileName), log })
