import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
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

async function start(argv: readonly string[], folder: string) {
  const child = spawn(process.execPath, argv, { env: { PATH: process.env.PATH, MOORING_HOME: folder } })
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

  it('follows a log until Ctrl-C, and ends with 130', async () => {
    const folder = await home()
    await writeFile(join(folder, 'daemon.log'), 'hello\n')
    const { child, written, ended } = await start([bin, 'logs', '-f'], folder)
    await expect.poll(() => written.stdout, { timeout: 10_000 }).toBe('hello\n')
    await appendFile(join(folder, 'daemon.log'), 'added\n')
    await expect.poll(() => written.stdout, { timeout: 10_000 }).toBe('hello\nadded\n')
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 130, stderr: expect.stringContaining('error cancelled') })
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
