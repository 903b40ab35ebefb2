/**
 * The environment that a daemon is started with: what its memory depends on and only who starts a process can say. Keeps
 * true: whatever the operator has set is theirs.
 */

/**
 * Young objects of each thread. The runtime lets them grow with the memory of the machine, up to 128 MB on the main thread
 * of a daemon that does next to nothing; a daemon's die young, and this is plenty for them.
 */
const youngMb = 4
/**
 * Areas of the C library's allocator, which takes one for each of a dozen threads and gives hardly anything of one back.
 * Only glibc knows the variable.
 */
const mallocAreas = 2

type Env = Readonly<Record<string, string | undefined>>

export const daemonEnv = (env: Env): Env => ({
  MALLOC_ARENA_MAX: String(mallocAreas),
  ...env,
  // The last one counts.
  NODE_OPTIONS: [`--max-semi-space-size=${youngMb}`, env.NODE_OPTIONS].filter(Boolean).join(' '),
})
