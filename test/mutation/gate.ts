/**
 * Switches one defence off at a time and demands that a test notices. Keeps: the working tree is never written to, a
 * mutation counts as caught only if one of its own tests was green before and is red with it, and the copy is gone at
 * the end whatever happened.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'

export interface Edit {
  /** Path from the root. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
}

export interface NamedTest {
  /** Path from the root. */
  readonly file: string
  /** Of the test itself, without those of the groups around it. */
  readonly title: string
}

/** One defence switched off. */
export interface Mutation {
  readonly name: string
  /** What is not true any more with it. */
  readonly promise: string
  readonly edits: readonly Edit[]
  /** At least one of them turns red. */
  readonly tests: readonly NamedTest[]
}

/**
 * `survived`: no test noticed. `red-before`: a test of it fails, or is missing, without the mutation. `moved`: the text
 * is not where it was. `broken`: the mutated sources do not load, which proves nothing.
 */
export type Verdict = 'caught' | 'survived' | 'red-before' | 'moved' | 'broken'

export interface Outcome {
  readonly name: string
  readonly verdict: Verdict
  /** The test that noticed, or what is wrong. */
  readonly detail: string
}

export interface GateInit {
  /** Of the project; only read. */
  readonly root: string
  readonly mutations: readonly Mutation[]
  /** Where the copy is made. @default the system's folder for such files */
  readonly parent?: string
  /** Ends the run; everything that was started and made is gone when it rejects. */
  readonly signal?: AbortSignal
  onOutcome?(outcome: Outcome): void
}

/** One run of vitest: far above what the slowest of the tests needs on a busy machine. */
const runTimeoutMs = 300_000
/** Neither needed nor cheap to copy; the packages are linked. */
const notCopied = new Set(['node_modules', '.git', 'dist', 'coverage'])

/** What became of each mutation, in order. @throws the reason of the signal */
export async function runGate(init: GateInit): Promise<Outcome[]> {
  const copy = mkdtempSync(join(init.parent ?? tmpdir(), 'mooring-mutate-'))
  try {
    copyProject(init.root, copy)
    const before = await runTests(
      copy,
      init.mutations.flatMap(({ tests }) => tests),
      init.signal,
    )
    const outcomes: Outcome[] = []
    for (const mutation of init.mutations) {
      const outcome = await tryMutation(copy, mutation, before, init.signal)
      outcomes.push(outcome)
      init.onOutcome?.(outcome)
    }
    return outcomes
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

/** Why the edits cannot be made; undefined when each text occurs exactly once. */
export function whatMoved(root: string, { edits }: Mutation): string | undefined {
  for (const { file, find } of edits) {
    const times = textOf(join(root, file)).split(find).length - 1
    if (times !== 1) return `${file}: the source moved, the text occurs ${times} times`
  }
  return undefined
}

async function tryMutation(
  copy: string,
  mutation: Mutation,
  before: TestResults,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const { name, edits, tests } = mutation
  const moved = whatMoved(copy, mutation)
  if (moved !== undefined) return { name, verdict: 'moved', detail: moved }
  const notGreen = tests.find((test) => before.stateOf(test) !== 'passed')
  if (notGreen !== undefined) {
    return { name, verdict: 'red-before', detail: `${before.stateOf(notGreen)} unmutated: ${nameOf(notGreen)}` }
  }
  const originals = new Map(edits.map(({ file }) => [file, textOf(join(copy, file))]))
  try {
    // As a function: what `replace` makes of dollar signs is not what was declared.
    for (const { file, find, replace } of edits) {
      writeFileSync(
        join(copy, file),
        textOf(join(copy, file)).replace(find, () => replace),
      )
    }
    const after = await runTests(copy, tests, signal, true)
    const red = tests.find((test) => after.stateOf(test) === 'failed')
    if (red !== undefined) return { name, verdict: 'caught', detail: nameOf(red) }
    if (after.unloaded !== undefined) return { name, verdict: 'broken', detail: after.unloaded }
    return { name, verdict: 'survived', detail: `all green: ${tests.map(nameOf).join(', ')}` }
  } finally {
    for (const [file, text] of originals) writeFileSync(join(copy, file), text)
  }
}

/** The sources as they are, also uncommitted; the packages are linked one by one, so that caches beside them stay apart. */
function copyProject(root: string, copy: string): void {
  cpSync(root, copy, { recursive: true, filter: (path) => path === root || !notCopied.has(basename(path)) })
  mkdirSync(join(copy, 'node_modules'))
  for (const entry of readdirSync(join(root, 'node_modules'))) {
    if (entry.startsWith('.vite')) continue
    symlinkSync(join(root, 'node_modules', entry), join(copy, 'node_modules', entry))
  }
}

type State = 'passed' | 'failed' | 'missing'

interface TestResults {
  stateOf(test: NamedTest): State
  /** Why a test file could not be loaded. */
  readonly unloaded: string | undefined
}

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[]
  }[]
}

/** Runs the named tests and no others. */
async function runTests(
  copy: string,
  tests: readonly NamedTest[],
  signal: AbortSignal | undefined,
  stopsAtFirst = false,
): Promise<TestResults> {
  const report = join(copy, 'report.json')
  rmSync(report, { force: true })
  const files = [...new Set(tests.map(({ file }) => file))]
  const titles = [...new Set(tests.map(({ title }) => title))].map((title) => title.replace(/[^\w\s]/g, '\\$&'))
  const names = ['-t', `(?:${titles.join('|')})$`]
  const bail = stopsAtFirst ? ['--bail', '1'] : []
  const options = ['--reporter=json', `--outputFile=${report}`, ...bail]
  const output = await runVitest(copy, ['run', ...options, ...names, ...files], signal)
  let results: Report['testResults']
  try {
    results = (JSON.parse(textOf(report)) as Report).testResults
  } catch {
    return { stateOf: () => 'missing', unloaded: `vitest left no report: ${output.trim().slice(-500)}` }
  }
  const unloaded = results.find(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0)
  const stateOf = ({ file, title }: NamedTest): State => {
    const all = results.filter(({ name }) => relative(copy, name) === file).flatMap((each) => each.assertionResults)
    const states = all.filter((each) => each.title === title).map(({ status }) => status)
    if (states.includes('failed')) return 'failed'
    return states.length > 0 && states.every((state) => state === 'passed') ? 'passed' : 'missing'
  }
  return { stateOf, unloaded: unloaded?.message }
}

/** What it printed. A process group of its own: its workers end with it. @throws the reason of the signal */
async function runVitest(copy: string, args: readonly string[], signal: AbortSignal | undefined): Promise<string> {
  signal?.throwIfAborted()
  // A run inside a run must not take itself for a worker of the outer one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(VITEST|TEST$|NODE_ENV$)/.test(key)))
  const entry = join(copy, 'node_modules/vitest/vitest.mjs')
  const child = spawn(process.execPath, [entry, ...args], { cwd: copy, env, detached: true })
  let output = ''
  child.stdout.on('data', (bytes) => {
    output += bytes
  })
  child.stderr.on('data', (bytes) => {
    output += bytes
  })
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  const deadline = setTimeout(end, runTimeoutMs)
  signal?.addEventListener('abort', end, { once: true })
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', () => resolve())
    })
  } finally {
    clearTimeout(deadline)
    signal?.removeEventListener('abort', end)
  }
  signal?.throwIfAborted()
  return output
}

const nameOf = ({ file, title }: NamedTest): string => `${file}: ${title}`

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
