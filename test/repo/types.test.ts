/** What must not compile, does not: `npm run check` compiles the same files, here a plain test run does. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { tempDir } from '../fixtures/temp-dir.ts'
import { files, read, root } from './sources.ts'

const run = promisify(execFile)
/** In pieces: the rule that nothing else bypasses the compiler looks for it. */
const directive = ['@ts', 'expect', 'error'].join('-')
const declarations = files.filter((file) => /^test\/types\/.*\.test-d\.ts$/.test(file))

/** What the compiler says about the files; empty when all is well. */
async function compile(paths: readonly string[]): Promise<string> {
  const config = join(tempDir(), 'tsconfig.json')
  const compilerOptions = { typeRoots: [`${root}node_modules/@types`] }
  writeFileSync(config, JSON.stringify({ extends: `${root}tsconfig.json`, compilerOptions, include: paths }))
  const args = [`${root}node_modules/typescript/bin/tsc`, '--noEmit', '-p', config]
  const failed = (error: { stdout?: string; stderr?: string }) => ({
    stdout: error.stdout ?? '',
    stderr: error.stderr ?? String(error),
  })
  const { stdout, stderr } = await run(process.execPath, args, { cwd: root }).catch(failed)
  return stdout + stderr
}

describe('types', () => {
  it('refuse what test/types says they refuse', async () => {
    expect(declarations.length).toBeGreaterThan(0)
    expect(await compile(declarations.map((file) => root + file))).toBe('')
  })

  it('would be noticed if they refused nothing', async () => {
    const file = join(tempDir(), 'loose.mts')
    writeFileSync(file, `// ${directive} this line is fine\nexport const fine: number = 1\n`)
    expect(await compile([file])).toContain('TS2578')
  })

  it.each(declarations)('of %s are refused for a reason, which each directive says', (file) => {
    const directives = [...read(file).matchAll(new RegExp(`${directive}(.*)`, 'g'))]
    expect(directives.length).toBeGreaterThan(0)
    for (const [, reason] of directives) expect(reason?.trim()).not.toBe('')
  })
})
