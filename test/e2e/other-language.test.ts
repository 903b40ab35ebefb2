/** The specification read by somebody else: a client in another language, with nothing of this project in it. */
import { execFile, execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { Home } from '../fixtures/command-line.ts'

const client = fileURLToPath(new URL('../../examples/other-language/blocks.py', import.meta.url))
const run = promisify(execFile)

/** Present on most machines, and not asked for by anything else here. */
function hasPython(): boolean {
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

it.skipIf(!hasPython())('python3 lists blocks, shows one and edits it', async () => {
  const home = new Home()
  await home.json('up')
  // Its compiled form would stay in the folder.
  const env = { ...home.env, PYTHONDONTWRITEBYTECODE: '1' }
  const python = async (...args: string[]): Promise<string> =>
    (await run('python3', [client, join(home.path, 'run'), ...args], { env, timeout: 30_000 })).stdout
  expect(await python('list')).toBe('')

  const notes = 'space:home/notes'
  await home.json('block', 'create', notes, 'text')
  expect(await python('append', notes, 'from Python: ü and 😀')).toMatch(/^[0-9a-f]{64}\n$/)
  await python('append', notes, 'behind it')
  expect(await python('list')).toBe(`${notes}  text  2 changes\n`)
  const text = 'from Python: ü and 😀\nbehind it\n'
  expect(await python('show', notes)).toBe(text)
  expect(await home.json('block', 'show', notes)).toMatchObject({ text })

  await expect(python('show', 'space:home/none')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('block-not-found'),
  })
})
