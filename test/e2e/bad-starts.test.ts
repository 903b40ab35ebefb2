/** What the operator and the plugin author are told when something is wrong from the start; and that nothing is lost. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect, it, onTestFinished, vi } from 'vitest'
import { errorTable } from '../../protocol/errors.ts'
import { formatTicket, parseTicket } from '../../protocol/index.ts'
import { mallory } from '../fixtures/cast.ts'
import { Home } from '../fixtures/command-line.ts'
import { Scene } from '../soak/scene.ts'
import { World } from '../soak/world.ts'

interface Failure {
  readonly code: string
  readonly message: string
  readonly next: string
}

async function failureOf(home: Home, ...args: string[]): Promise<Failure & { exit: number }> {
  const { code, stdout } = await home.moor(...args, '--json')
  return { exit: code, ...(JSON.parse(stdout) as { data: Failure }).data }
}

it('leaves a damaged database alone and says how to go on', async () => {
  const home = new Home()
  const file = join(home.path, 'mooring.db')
  writeFileSync(file, 'this is not a database, but somebody may still need it')
  expect(await failureOf(home, 'up')).toMatchObject({ exit: 1, code: 'database-corrupt' })
  expect(readFileSync(file, 'utf8')).toBe('this is not a database, but somebody may still need it')
})

it('leaves a database of a newer version alone', async () => {
  const home = new Home()
  await home.json('up')
  await home.json('down')
  const file = join(home.path, 'mooring.db')
  const db = new Database(file)
  db.pragma('user_version = 999')
  db.pragma('journal_mode = DELETE')
  db.close()
  const before = readFileSync(file)
  expect(await failureOf(home, 'up')).toMatchObject({ exit: 6, code: 'database-newer' })
  expect(readFileSync(file).equals(before)).toBe(true)
})

it('finds a running daemon instead of starting a second one', async () => {
  const home = new Home()
  const first = await home.json<{ started: boolean; daemon: { pid: number } }>('up')
  const second = await home.json<{ started: boolean; daemon: { pid: number } }>('up')
  expect([first.started, second.started]).toEqual([true, false])
  expect(second.daemon.pid).toBe(first.daemon.pid)
})

it('ends a second daemon in one directory with a failure, and the first one goes on', async () => {
  const scene = new Scene()
  onTestFinished(() => scene.close())
  const world = new World(scene)
  await world.start()
  const { pid } = await world.control.daemon.status({})
  const second = scene.start({ script: new URL('../../daemon/main.ts', import.meta.url), env: world.env })
  expect(await second.exitCode()).toBe(errorTable['state-in-use'].exit)
  expect(await world.control.daemon.status({})).toMatchObject({ pid })
  expect(world.daemon.hasExited).toBe(false)
})

it('names the port that is taken', async () => {
  const home = new Home()
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
  })
  const address = server.address()
  home.env.MOORING_LISTEN_PORT = String(typeof address === 'object' ? address?.port : 0)
  expect(await failureOf(home, 'up')).toMatchObject({ exit: 6, code: 'address-in-use' })
})

it('warns of an unknown configuration key with a suggestion, and refuses a value that cannot be used', async () => {
  const home = new Home()
  const file = join(home.path, 'config.toml')
  const text = '[listen]\nprot = 4410\n'
  writeFileSync(file, text)
  await home.json('up')
  expect(readFileSync(file, 'utf8')).toBe(text)
  await vi.waitFor(
    async () => {
      const { stdout } = await home.moor('logs')
      expect(stdout).toContain('listen.prot')
      expect(stdout).toContain('port')
    },
    { timeout: 20_000, interval: 200 },
  )
  await home.json('down')
  writeFileSync(file, '[listen]\ntcp = "perhaps"\n')
  const failure = await failureOf(home, 'up')
  expect(failure).toMatchObject({ exit: 2, code: 'config-invalid' })
  expect(failure.message).toContain('listen.tcp')
})

it('tells that no daemon answers', async () => {
  const home = new Home()
  expect(await failureOf(home, 'status')).toMatchObject({ exit: 3, code: 'daemon-unreachable', next: 'moor up' })
})

it('never continues with a daemon that has another key, and never tries a damaged ticket', async () => {
  const home = new Home()
  await home.json('up')
  const { ticket } = await home.json<{ ticket: string }>('invite', '--grant', 'blocks:read:space:home/*')
  const { addresses, invite } = parseTicket(ticket)
  const forged = formatTicket({
    daemon: mallory.peer,
    addresses: [...addresses],
    ...(invite === undefined ? {} : { invite }),
  })
  const wrong = home.plugin('examples/echo/plugin.ts', '--as', 'wrong', '--ticket', forged)
  await wrong.tells('key-mismatch')

  const last = ticket.at(-1) === 'q' ? 'p' : 'q'
  const damaged = home.plugin('examples/echo/plugin.ts', '--as', 'damaged', '--ticket', ticket.slice(0, -1) + last)
  await damaged.tells('ticket-invalid')
  // The secret was never used: the ticket itself still works, once.
  const right = home.plugin('examples/echo/plugin.ts', '--as', 'right', '--ticket', ticket)
  await right.tells('the daemon answered ahoy')
  const again = home.plugin('examples/echo/plugin.ts', '--as', 'again', '--ticket', ticket)
  await again.tells('invite-invalid')
})
