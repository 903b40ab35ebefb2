import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

/** The public names stand for the sources here, as `exports` of package.json does for the compiled files. */
const alias = {
  'mooring/protocol/sync': at('./protocol/sync/index.ts'),
  'mooring/protocol': at('./protocol/index.ts'),
  'mooring/plugin-sdk/memory': at('./plugin-sdk/memory/index.ts'),
  'mooring/plugin-sdk/testing': at('./plugin-sdk/testing.ts'),
  'mooring/plugin-sdk': at('./plugin-sdk/index.ts'),
  'mooring/daemon': at('./daemon/index.ts'),
}

/** A busy machine is not a wrong answer: what is waited for has as long as everything else. */
const expect = { poll: { timeout: 10_000 } }

const project = (name: string, options: object = {}) => ({
  resolve: { alias },
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    pool: 'forks' as const,
    testTimeout: 30_000,
    expect,
    ...options,
  },
})

const realProcesses = {
  testTimeout: 120_000,
  hookTimeout: 60_000,
  // Hundreds of processes are started, each over the same sources: they are compiled once.
  env: { NODE_COMPILE_CACHE: at('./node_modules/.cache/node') },
}
const alone = ['campaigns', 'join-at-once'].map((name) => `test/e2e/${name}.test.ts`)

export default defineConfig({
  test: {
    // As many as the smallest machine that it is meant for has cores; by itself it would leave one of two idle.
    maxWorkers: 2,
    projects: [
      project('unit'),
      project('compliance'),
      project('network', { testTimeout: 120_000 }),
      project('repo', { testTimeout: 120_000 }),
      // Real processes and sockets, after what needs the processors for itself: a deadline should mean something.
      project('e2e', { ...realProcesses, exclude: alone, sequence: { groupOrder: 1 } }),
      // These take all that there is.
      project('alone', { ...realProcesses, include: alone, fileParallelism: false }),
    ],
    reporters: ['default', './scripts/closing-line-reporter.ts'],
  },
})
