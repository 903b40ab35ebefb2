/** The examples and the README as a newcomer runs them. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished, vi } from 'vitest'
import { Home } from '../fixtures/command-line.ts'

/** Each try is a command of its own. */
const soon = (check: () => Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 200 })

const root = fileURLToPath(new URL('../..', import.meta.url))

it('lets two notes plugins write one text, across the death of the daemon', async () => {
  const home = new Home()
  const { daemon } = await home.json<{ daemon: { pid: number } }>('up')
  const alice = home.plugin('examples/notes/plugin.ts')
  await alice.tells('moor approve ')
  await home.approveNext()
  await alice.tells('notes: live')

  const grants = ['read', 'write'].flatMap((right) => ['--grant', `blocks:${right}:space:home/notes`])
  const { ticket } = await home.json<{ ticket: string }>('invite', ...grants)
  const bob = home.plugin('examples/notes/plugin.ts', '--as', 'bob', '--ticket', ticket)
  await bob.tells('notes: live')

  alice.type('from alice')
  await bob.prints('from alice')
  bob.type('from bob')
  await alice.prints('from alice\nfrom bob')
  const text = 'from alice\nfrom bob\n'
  expect(await home.json('block', 'show', 'space:home/notes')).toMatchObject({ text })

  process.kill(daemon.pid, 'SIGKILL')
  await Promise.all([alice.tells('notes: offline'), bob.tells('notes: offline')])
  alice.type('while it was away')
  // The fixed port is what a daemon has outside of tests; here the new one is found through the local ticket.
  await home.json('up')
  // Alice may be back before the question is asked: what both had seen leads, whatever she adds behind it.
  const { text: kept } = await home.json<{ text: string }>('block', 'show', 'space:home/notes')
  expect(kept.startsWith(text)).toBe(true)
  await alice.tells('live\nnotes: catching-up (connected; receiving what was missed)\nnotes: live')
  await soon(async () => {
    const { text: now } = await home.json<{ text: string }>('block', 'show', 'space:home/notes')
    expect(now).toBe(`${text}while it was away\n`)
  })
  expect(await alice.stop()).toBe(0)
})

it('runs the echo plugin, which needs no document engine', async () => {
  const home = new Home()
  await home.json('up')
  const echo = home.plugin('examples/echo/plugin.ts')
  await home.approveNext()
  await echo.tells('the daemon answered ahoy')
  await soon(async () => {
    const { stdout } = await home.moor('logs', '--plugin', 'echo')
    expect(stdout).toContain('the daemon answered ahoy')
  })
  expect(await echo.stop()).toBe(0)
})

it('runs the first plugin of the README as it stands there', async () => {
  const home = new Home()
  await home.json('up')
  const [, source = ''] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? []
  // Inside the project, where its public name means something.
  const folder = join(root, `.mooring-readme-${process.pid}`)
  mkdirSync(folder)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'greeter.ts'), source)
  const greeter = home.plugin(join(`.mooring-readme-${process.pid}`, 'greeter.ts'))
  await home.approveNext()
  // It prints what it has; that the daemon has it too is said a moment later.
  await greeter.prints('hello')
  await soon(async () => {
    expect(await home.json('block', 'show', 'space:home/greetings')).toMatchObject({ text: 'hello\n' })
  })
})

it('tells a plugin that the operator denied it, and ends it with the exit code for that', async () => {
  const home = new Home()
  await home.json('up')
  const echo = home.plugin('examples/echo/plugin.ts')
  await echo.tells('moor approve ')
  const { requests } = await home.json<{ requests: { code: string }[] }>('requests')
  await home.json('deny', requests[0]?.code ?? '')
  await echo.tells('approval-denied')
})

it('cuts a live plugin off when it is revoked', async () => {
  const home = new Home()
  await home.json('up')
  const notes = home.plugin('examples/notes/plugin.ts')
  await home.approveNext()
  await notes.tells('notes: live')
  notes.type('before')
  await soon(async () => {
    expect(await home.json('block', 'show', 'space:home/notes')).toMatchObject({ text: 'before\n' })
  })
  await home.json('revoke', 'notes', '--yes')
  await notes.tells('revoked')
  notes.type('after')
  const { peers } = await home.json<{ peers: { state: string; sessions: unknown[] }[] }>('peers')
  expect(peers).toMatchObject([{ state: 'revoked', sessions: [] }])
  expect(await home.json('block', 'show', 'space:home/notes')).toMatchObject({ text: 'before\n' })
})
