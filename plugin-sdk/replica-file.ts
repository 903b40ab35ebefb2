/**
 * Where the replica of a plugin for one daemon is. Apart from the store, so that a plugin that never opened a block is
 * known as one without loading a database.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isPeerId, type PeerId } from '../protocol/index.ts'

const folder = 'replica'
const extension = '.db'

/** One file for each daemon: what was approved and written there is nobody else's business. */
export const replicaFile = (home: string, daemon: PeerId): string => join(home, folder, `${daemon}${extension}`)

export const hasReplica = (home: string, daemon: PeerId): boolean => existsSync(replicaFile(home, daemon))

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
