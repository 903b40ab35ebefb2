/**
 * What is really loaded by each door and each thread, in a process of its own: an import that hides behind three others
 * shows here. What an import costs is memory and start-up time of every plugin and every thread.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { root } from './sources.ts'

const run = promisify(execFile)
const loader = fileURLToPath(new URL('./loaded-by.ts', import.meta.url))

interface Loaded {
  /** Names of the packages. */
  readonly packages: readonly string[]
  /** Files of the project. */
  readonly files: readonly string[]
  readonly failure: string
}

async function loadedBy(file: string): Promise<Loaded> {
  const { stdout } = await run(process.execPath, [loader, root + file], {
    maxBuffer: 16 * 1024 * 1024,
    timeout: 60_000,
  })
  const { loaded, failure } = JSON.parse(stdout) as { loaded: string[]; failure: string }
  const packages = new Set<string>()
  const files = new Set<string>()
  for (const url of loaded) {
    if (!url.startsWith('file:')) continue
    const path = fileURLToPath(url)
    const name = [...path.matchAll(/node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/g)].at(-1)?.[1]
    if (name !== undefined) packages.add(name.replaceAll('\\', '/'))
    else if (path.startsWith(root)) files.add(path.slice(root.length).replaceAll('\\', '/'))
  }
  return { packages: [...packages].sort(), files: [...files].sort(), failure }
}

/** Doors whose packages are all named. */
const doors = [
  { door: 'protocol/index.ts', packages: ['zod'] },
  { door: 'protocol/sync/index.ts', packages: ['zod'] },
  { door: 'plugin-sdk/index.ts', packages: ['zod'] },
  { door: 'plugin-sdk/testing.ts', packages: ['zod'] },
  { door: 'plugin-sdk/memory/index.ts', packages: ['@automerge/automerge', 'zod'] },
  // A command that prints a list must not wait for a network library or a database to load.
  { door: 'daemon/cli/main.ts', packages: ['commander', 'zod'] },
  { door: 'daemon/storage/index.ts', packages: [] },
  { door: 'plugin-sdk/memory/sqlite-store.ts', packages: [] },
]

/** Threads: each loads its own engine, and none of what only the main thread needs. */
const threads = [
  { entry: 'daemon/storage/sqlite-worker.ts', packages: ['better-sqlite3'] },
  { entry: 'daemon/views/view-worker.ts', packages: ['@automerge/automerge'] },
  { entry: 'plugin-sdk/memory/sqlite-store-worker.ts', packages: ['better-sqlite3'] },
  { entry: 'plugin-sdk/memory/fold-worker.ts', packages: ['@automerge/automerge'] },
]

describe('what is loaded', () => {
  it.each(doors)('by $door', async ({ door, packages }) => {
    const loaded = await loadedBy(door)
    expect(loaded.failure).toBe('')
    expect(loaded.files).toContain(door)
    expect(loaded.packages).toEqual(packages)
  })

  it.each(threads)('by the thread $entry', async ({ entry, packages }) => {
    const loaded = await loadedBy(entry)
    expect(loaded.failure).toMatch(/entry of a worker thread/)
    expect(loaded.packages).toEqual(packages)
    expect(loaded.files.filter((file) => /^protocol\/(?:index|define|shapes|codec|cbor-)/.test(file))).toEqual([])
  })

  it('by the daemon, on its main thread: the network, but no database and no document engine', async () => {
    const loaded = await loadedBy('daemon/index.ts')
    expect(loaded.failure).toBe('')
    expect(loaded.packages).toContain('libp2p')
    expect(loaded.packages).not.toContain('better-sqlite3')
    expect(loaded.packages).not.toContain('@automerge/automerge')
    expect(loaded.files.filter((file) => file.startsWith('plugin-sdk/'))).toEqual([])
  })

  it('by the network of the SDK: nothing of the daemon', async () => {
    const loaded = await loadedBy('plugin-sdk/node.ts')
    expect(loaded.packages).toContain('libp2p')
    expect(loaded.files.filter((file) => file.startsWith('daemon/'))).toEqual([])
  })
})
