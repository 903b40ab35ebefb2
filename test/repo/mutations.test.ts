/** The gate that switches defences off: that it finds what it should, and that its table has not come apart from the code. */
import { spawnSync } from 'node:child_process'
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { tempDir } from '../fixtures/temp-dir.ts'
import { type Mutation, runGate, whatMoved } from '../mutation/gate.ts'
import { mutations, quickMutations } from '../mutation/index.ts'
import { files, root } from './sources.ts'

describe('the table of mutations', () => {
  it.each(mutations.map((mutation) => [mutation.name, mutation] as const))(
    'fits the sources: %s',
    (_name, mutation) => {
      expect(whatMoved(root, mutation)).toBeUndefined()
      for (const { find, replace } of mutation.edits) expect(replace).not.toBe(find)
      for (const { file } of mutation.tests) expect(files).toContain(file)
      expect(mutation.tests).not.toEqual([])
    },
  )

  it('names each one once', () => {
    const names = mutations.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/)
  })
})

/** A project of one file and its test, mutated in every way that has a verdict of its own. */
function project(): { dir: string; mutations: Mutation[] } {
  const dir = tempDir()
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'))
  writeFileSync(join(dir, 'vitest.config.mjs'), 'export default {}')
  writeFileSync(join(dir, 'sign.ts'), 'export const sign = (n: number): string => (n < 0 ? "-" : n > 0 ? "+" : "")')
  const test = "import { expect, it } from 'vitest'\nimport { sign } from './sign.ts'\n"
  const cases = "it('is minus', () => expect(sign(-1)).toBe('-'))\nit('is wrong', () => expect(sign(1)).toBe('-'))\n"
  writeFileSync(join(dir, 'sign.test.ts'), `${test}${cases}`)
  const mutate = (name: string, find: string, replace: string, title = 'is minus'): Mutation => ({
    name,
    promise: '',
    edits: [{ file: 'sign.ts', find, replace }],
    tests: [{ file: 'sign.test.ts', title }],
  })
  return {
    dir,
    mutations: [
      mutate('caught', 'n < 0', 'n < -1'),
      mutate('survived', '"+"', '"plus"'),
      mutate('moved', '=== 0', '!== 0'),
      mutate('moved-twice', 'n', 'm'),
      mutate('red-before', 'n < 0', 'n < -1', 'is wrong'),
      mutate('missing', 'n < 0', 'n < -1', 'is nowhere'),
      mutate('broken', 'n < 0 ?', 'n < 0'),
    ],
  }
}

describe('the gate', () => {
  it('tells what is caught from what survives, moved, was red before or breaks', async () => {
    const { dir, mutations: all } = project()
    const parent = tempDir()
    const outcomes = await runGate({ root: dir, mutations: all, parent })
    expect(outcomes.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['caught', 'caught'],
      ['survived', 'survived'],
      ['moved', 'moved'],
      ['moved-twice', 'moved'],
      ['red-before', 'red-before'],
      ['missing', 'red-before'],
      ['broken', 'broken'],
    ])
    expect(readdirSync(parent)).toEqual([])
    expect(whatMoved(dir, all[0] as Mutation)).toBeUndefined()
  })

  it('leaves nothing behind when it is interrupted', async () => {
    const { dir, mutations: all } = project()
    const parent = tempDir()
    const interrupted = new AbortController()
    const onOutcome = (): void => interrupted.abort(new Error('enough'))
    const { signal } = interrupted
    await expect(runGate({ root: dir, mutations: all, parent, signal, onOutcome })).rejects.toThrow('enough')
    expect(readdirSync(parent)).toEqual([])
  })

  it('runs from the command line, and finds that nothing has rotted', () => {
    const parent = tempDir()
    const only = quickMutations.flatMap((name) => ['--only', name])
    const env = { ...process.env, TMPDIR: parent, TMP: parent, TEMP: parent }
    const ran = spawnSync(process.execPath, ['scripts/mutate.ts', ...only], { cwd: root, encoding: 'utf8', env })
    expect(ran.stdout).toContain(`${quickMutations.length} of ${quickMutations.length} defences`)
    expect([ran.status, ran.stderr]).toEqual([0, ''])
    expect(readdirSync(parent)).toEqual([])
    expect(spawnSync(process.execPath, ['scripts/mutate.ts', '--only', 'nothing'], { cwd: root }).status).toBe(2)
  })
})
