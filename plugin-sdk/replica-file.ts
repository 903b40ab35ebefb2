/**
 * Where the replica of a plugin for one daemon is. Apart from the store, so that a plugin that never opened a block is
 * known as one without loading a database.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isPeerId, type PeerId } from '../protocol/index.ts'
import type { StoredMemoryInit } from './memory/index.ts'
import type { PreparedStore } from './memory/sqlite-store.ts'

/** The replicas of one plugin. */
export interface Replicas {
  path(daemon: PeerId): string
  exists(daemon: PeerId): boolean
  /** What opens the file. @default a thread that is started when it is needed */
  readonly opener?: Pick<StoredMemoryInit, 'openStore'>
}

const folder = 'replica'
const extension = '.db'

/** One file for each daemon: what was approved and written there is nobody else's business. */
const replicaFile = (home: string, daemon: PeerId): string => join(home, folder, `${daemon}${extension}`)

export const replicasIn = (home: string, store: PreparedStore | undefined): Replicas => ({
  path: (daemon) => replicaFile(home, daemon),
  exists: (daemon) => existsSync(replicaFile(home, daemon)),
  ...(store === undefined ? {} : { opener: { openStore: store.open } }),
})

/** The daemon of the only replica in a home; undefined when there is none, or more than one to choose from. */
export function onlyReplica(home: string): PeerId | undefined {
  const found = namesIn(join(home, folder))
    .filter((name) => name.endsWith(extension))
    .map((name) => name.slice(0, -extension.length))
    .filter((name) => isPeerId(name))
  return found.length === 1 ? found[0] : undefined
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
