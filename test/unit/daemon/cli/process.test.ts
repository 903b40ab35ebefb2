import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'

const bin = fileURLToPath(new URL('../../../../bin/moor.js', import.meta.url))
/** Makes the runtime say that it is an old one. */
const pretendOld = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'20.20.2'}})`

async function home(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'moor-bin-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function start(argv: readonly string[], folder: string, env: Record<string, string> = {}) {
  const child = spawn(process.execPath, argv, { env: { PATH: process.env.PATH, MOORING_HOME: folder, ...env } })
  onTestFinished(() => void child.kill('SIGKILL'))
  const written = { stdout: '', stderr: '' }
  child.stdout.on('data', (data) => (written.stdout += data))
  child.stderr.on('data', (data) => (written.stderr += data))
  const ended = once(child, 'close').then(([code]) => ({ code: Number(code), ...written }))
  return { child, written, ended }
}

describe('bin/moor.js', () => {
  it('runs a command in a process of its own, and ends by itself', async () => {
    const { ended } = await start([bin, 'explain', 'timeout', '--json'], await home())
    const { code, stdout, stderr } = await ended
    expect([code, stderr]).toEqual([0, ''])
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'explain', data: { exit: 124 } })
  })

  it('passes the exit code on', async () => {
    const { ended } = await start([bin, 'status'], await home())
    expect(await ended).toMatchObject({ code: 3, stdout: '' })
  })

  it('puts npx before its hints in a clone, unless it was called by a name that the shell knows', async () => {
    const folder = await home()
    const next = async (script: string, env: Record<string, string> = {}): Promise<string> =>
      /next: (.*)/.exec((await (await start([script, 'status'], folder, env)).ended).stderr)?.[1] ?? ''
    expect(await next(bin)).toBe('npx moor up')
    await symlink(bin, join(folder, 'moor'))
    expect(await next(join(folder, 'moor'))).toBe('moor up')
    expect(await next(join(folder, 'moor'), { npm_command: 'exec' })).toBe('npx moor up')
  })

  it('runs the daemon in the foreground until Ctrl-C, and only one of them', async () => {
    const folder = await home()
    const env = { MOORING_LISTEN_PORT: '0' }
    const first = await start([bin, 'up', '--foreground'], folder, env)
    await expect.poll(() => first.written.stderr, { timeout: 20_000 }).toContain('runs until Ctrl-C')
    // Not a terminal: the log is for a machine.
    const lines = first.written.stderr.split('\n').filter((line) => line.startsWith('{'))
    expect(lines.map((line) => JSON.parse(line).msg)).toContain('the daemon is ready')
    const second = await (await start([bin, 'up', '--foreground'], folder, env)).ended
    expect(second).toMatchObject({
      code: 6,
      stdout: '',
      stderr: expect.stringMatching(/^error state-in-use: .*\nnext: .*\n$/),
    })
    first.child.kill('SIGINT')
    expect((await first.ended).code).toBe(0)
  })

  it('follows a log until Ctrl-C, and ends with 130', async () => {
    const folder = await home()
    await writeFile(join(folder, 'daemon.log'), 'hello\n')
    const { child, written, ended } = await start([bin, 'logs', '-f'], folder)
    await expect.poll(() => written.stdout, { timeout: 10_000 }).toBe('hello\n')
    await appendFile(join(folder, 'daemon.log'), 'added\n')
    await expect.poll(() => written.stdout, { timeout: 10_000 }).toBe('hello\nadded\n')
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 130, stderr: '' })
  })

  it('ends quietly when the reader of its output leaves', async () => {
    const folder = await home()
    await writeFile(join(folder, 'daemon.log'), 'hello\n'.repeat(50_000))
    const { child, ended } = await start([bin, 'logs', '-n', '50000'], folder)
    child.stdout.once('data', () => child.stdout.destroy())
    expect(await ended).toMatchObject({ code: 0, stderr: '' })
  })

  it('says one sentence on a runtime that is too old', async () => {
    const folder = await home()
    await mkdir(join(folder, 'bin'))
    await copyFile(bin, join(folder, 'bin', 'moor.mjs'))
    const { ended } = await start(['--import', pretendOld, join(folder, 'bin', 'moor.mjs'), 'status'], folder)
    expect(await ended).toEqual({
      code: 1,
      stdout: '',
      stderr: 'moor needs Node.js 22.18 or newer; this is 20.20.2.\n',
    })
  })

  it('goes on with the runtime that is installed beside it when its own is too old', async () => {
    const { ended } = await start(['--import', pretendOld, bin, 'explain', 'timeout'], await home())
    expect(await ended).toMatchObject({ code: 0, stdout: expect.stringContaining('The deadline passed.') })
  })

  it('passes the exit code of that runtime on', async () => {
    const { ended } = await start(['--import', pretendOld, bin, 'status'], await home())
    expect((await ended).code).toBe(3)
  })
})
