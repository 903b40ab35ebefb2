/**
 * Folders that were copied and restored, on either side: real processes, real QUIC, real databases. Whatever is started
 * twice or set back, all come together, nothing that somebody still holds is lost, and everyone can write on.
 */
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { placeOf } from '../../plugin-sdk/memory/sqlite-file.ts'
import { errorTable, type PeerId } from '../../protocol/index.ts'
import { Claimant } from '../fixtures/claimant.ts'
import { begin, converge, enter, load, notes, rest, witness, works, write } from '../fixtures/plugin-hosts.ts'
import type { PluginHost } from '../soak/plugin-host.ts'
import type { World } from '../soak/world.ts'

/** Stops the process, not the plugin: its files are those of one moment, as in a snapshot of a disk. */
function whileHalted(host: PluginHost, work: () => void): void {
  host.child.signal('SIGSTOP')
  try {
    work()
  } finally {
    host.child.signal('SIGCONT')
  }
}

interface Actor {
  readonly actor: string
  readonly rows: number
  readonly numbers: number
  readonly last: number
}

/** The log by actor, as a start would find it. */
const actorsIn = (world: World): Actor[] =>
  world.inspect((database) => database.prepare(actorsSql).all() as unknown as Actor[])

const actorsSql = `SELECT lower(hex(actor)) AS actor, count(*) AS rows, count(DISTINCT actor_seq) AS numbers,
  max(actor_seq) AS last FROM change GROUP BY block, actor ORDER BY actor`

/** No number of an actor is missing, and none is there twice. */
function expectEachOnce(world: World): void {
  const actors = actorsIn(world)
  expect(actors.length).toBeGreaterThan(0)
  expect(actors.filter(({ rows, numbers, last }) => rows !== numbers || rows !== last)).toEqual([])
}

/** Under how many replica ids a key has sent something. */
const replicasOf = (world: World, peer: string): number =>
  world.inspect((database) =>
    database.prepare('SELECT count(*) FROM replica WHERE peer = ?').pluck().get(peer),
  ) as number

/** What a plugin says when it has to take another replica id, and why. */
const saysInUse = { fits: ({ reason }: { reason: string }) => reason === errorTable['replica-in-use'].local }
const saysOlder = { fits: ({ reason }: { reason: string }) => reason.includes('the store was older') }

/**
 * A copied file is another file, and its replica is given another id when it is opened. One that came with its whole disk, as
 * the clone of a machine or by setting one back, looks as if it were where it always was.
 */
const ways: [string, (folder: string) => void][] = [
  ['file by file', () => {}],
  [
    'with its whole disk',
    (folder) => {
      const replica = join(folder, 'replica')
      for (const name of readdirSync(replica).filter((file) => file.endsWith('.db'))) {
        const database = new Database(join(replica, name))
        database.prepare("UPDATE meta SET value = ? WHERE key = 'place'").run(placeOf(join(replica, name)))
        database.close()
      }
    },
  ],
]

describe('a replica folder', () => {
  it.each(ways)(
    'that is copied %s while its plugin works, and started beside it, is another replica from then on',
    async (how, settle) => {
      const world = await begin()
      const [ada, copy] = [world.host(), world.host()]
      const [home, copied] = [world.scene.folder('ada'), join(world.scene.dir, 'copy')]
      const peer = await enter(world, ada, 'ada', home, true)
      await load(ada, 'ada', 'original')
      whileHalted(ada, () => cpSync(home, copied, { recursive: true }))
      settle(copied)
      expect(await enter(world, copy, 'ada', copied)).toBe(peer)
      if (how !== 'file by file') await copy.heard('ada', 'status', saysInUse)
      await load(copy, 'ada', 'copy')
      await works(ada, 'ada')
      await Promise.all([rest(ada, 'ada'), rest(copy, 'ada')])
      await converge(2, [ada, 'ada'], [copy, 'ada'], await witness(world))
      expectEachOnce(world)
      const replicas = replicasOf(world, peer)
      expect(replicas).toBeGreaterThan(1)

      // For good: in their next lives they are two from the beginning.
      await Promise.all([ada.ask({ to: 'ada', do: 'stop' }, 'stopped'), copy.ask({ to: 'ada', do: 'stop' }, 'stopped')])
      const [adaSaid, copySaid] = [ada.said('ada'), copy.said('ada')]
      await Promise.all([enter(world, ada, 'ada', home), enter(world, copy, 'ada', copied)])
      await write(ada, 'ada', 'later')
      await write(copy, 'ada', 'later copy')
      await converge(42, [copy, 'ada'], [ada, 'ada'])
      expect(replicasOf(world, peer)).toBe(replicas)
      await expect(ada.heard('ada', 'status', { from: adaSaid, timeoutMs: 1, ...saysInUse })).rejects.toThrow()
      await expect(copy.heard('ada', 'status', { from: copySaid, timeoutMs: 1, ...saysInUse })).rejects.toThrow()
    },
    240_000,
  )

  it('that is copied and started after the original has ended, again and again, loses and repeats nothing', async () => {
    const world = await begin()
    const host = world.host()
    const [home, copied] = [world.scene.folder('ada'), join(world.scene.dir, 'copy')]
    const peer = await enter(world, host, 'ada', home, true)
    await write(host, 'ada', 'before')
    await load(host, 'ada', 'unsent')
    whileHalted(host, () => cpSync(home, copied, { recursive: true }))
    await rest(host, 'ada')
    await host.ask({ to: 'ada', do: 'stop' }, 'stopped')
    for (const [n, at] of [copied, home, copied, home].entries()) {
      await enter(world, host, 'ada', at)
      await write(host, 'ada', `life ${n}`)
      await host.ask({ to: 'ada', do: 'stop' }, 'stopped')
    }
    const copy = world.host()
    await Promise.all([enter(world, host, 'ada', home), enter(world, copy, 'ada', copied)])
    await converge(101, await witness(world), [host, 'ada'], [copy, 'ada'])
    expectEachOnce(world)
    expect(replicasOf(world, peer)).toBeGreaterThan(1)
  }, 240_000)

  it.each(ways)(
    'that is set back to an old backup %s gets back all that came after it, and goes on',
    async (how, settle) => {
      const world = await begin()
      const [ada, ben] = [world.host(), world.host()]
      const [home, backup] = [world.scene.folder('ada'), join(world.scene.dir, 'backup')]
      const peer = await enter(world, ada, 'ada', home, true)
      await enter(world, ben, 'ben', world.scene.folder('ben'), true)
      await write(ada, 'ada', 'before')
      await load(ada, 'ada', 'unsent')
      whileHalted(ada, () => cpSync(home, backup, { recursive: true }))
      await rest(ada, 'ada')
      await write(ada, 'ada', 'after')
      await write(ben, 'ben', 'of another')
      await converge(61, [ben, 'ben'], [ada, 'ada'])
      await ada.child.kill()
      rmSync(home, { recursive: true })
      cpSync(backup, home, { recursive: true })
      settle(home)

      const restored = world.host()
      expect(await enter(world, restored, 'ada', home)).toBe(peer)
      // At once, while it does not know yet what it lost.
      await write(restored, 'ada', 'restored')
      await converge(81, await witness(world), [restored, 'ada'], [ben, 'ben'])
      if (how !== 'file by file') await restored.heard('ada', 'status', saysOlder)
      expectEachOnce(world)
      // One more where the daemon has not noticed yet that the process before it is gone.
      expect(replicasOf(world, peer)).toBeGreaterThan(1)
      await restored.child.kill()
      const again = world.host()
      await enter(world, again, 'ada', home)
      await write(again, 'ada', 'again')
      await converge(101, [again, 'ada'], [ben, 'ben'])
      expectEachOnce(world)
    },
    240_000,
  )
})

/** How a person saves what a daemon has, and what is there of it later. */
const backups: Record<string, (world: World, backup: string) => Promise<void>> = {
  'with VACUUM INTO while it runs': async (world, backup) => {
    const database = new Database(join(world.places.stateDir, 'mooring.db'), { readonly: true })
    database.prepare('VACUUM INTO ?').run(backup)
    database.close()
  },
  'by copying its folder while it is stopped': async (world, backup) => {
    world.daemon.signal('SIGTERM')
    await world.daemon.exitCode()
    expect(existsSync(join(world.places.stateDir, 'mooring.db-wal'))).toBe(false)
    cpSync(join(world.places.stateDir, 'mooring.db'), backup)
    await world.kill()
    await world.start()
  },
}

async function restore(world: World, backup: string, env = {}): Promise<void> {
  if (world.isRunning) await world.kill()
  for (const end of ['', '-wal', '-shm']) rmSync(join(world.places.stateDir, `mooring.db${end}`), { force: true })
  cpSync(backup, join(world.places.stateDir, 'mooring.db'))
  await world.start(env)
}

/** A process whose clock is ahead. */
const daysLater = (days: number): Readonly<Record<string, string>> => {
  const script = `const{now}=Date;Date.now=()=>now()+${days * 86_400_000}`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` }
}

it('seven days of edits offline come together with a daemon that was restored from an older backup, which says what it lost', async () => {
  const world = await begin()
  const [ada, ben] = [world.host(), world.host()]
  const home = world.scene.folder('ada')
  await enter(world, ada, 'ada', home, true)
  await enter(world, ben, 'ben', world.scene.folder('ben'), true)
  await write(ada, 'ada', 'before')
  const backup = join(world.scene.dir, 'backup.db')
  await backups['with VACUUM INTO while it runs']?.(world, backup)
  await write(ada, 'ada', 'lost')
  await write(ben, 'ben', 'lost too')
  await converge(60, [ada, 'ada'], [ben, 'ben'])
  await ada.ask({ to: 'ada', do: 'stop' }, 'stopped')
  await world.kill()
  for (let day = 1; day <= 7; day++) {
    const host = world.host(daysLater(day))
    await enter(world, host, 'ada', home)
    await host.ask({ to: 'ada', do: 'put', key: `day ${day}`, count: 10, bytes: 64, keys: 10 }, 'put')
    await host.ask({ to: 'ada', do: 'stop' }, 'stopped')
    await host.child.kill()
  }
  await ben.ask({ to: 'ben', do: 'put', key: 'meanwhile', count: 10, bytes: 64, keys: 10 }, 'put')

  await restore(world, backup, daysLater(7))
  const later = world.host(daysLater(7))
  await enter(world, later, 'ada', home)
  await Promise.all([later.ask({ to: 'ada', do: 'flush' }, 'flushed'), ben.ask({ to: 'ben', do: 'flush' }, 'flushed')])
  await converge(140, await witness(world), [later, 'ada'], [ben, 'ben'])
  expectEachOnce(world)
  expect(world.daemon.said).toContain('the store lost its end, or is an older copy')
}, 240_000)

describe('a daemon that was restored from a backup made', () => {
  it.each(Object.entries(backups))(
    '%s: what it lost of one plugin another supplies, and nobody can pass it off as their own',
    async (_how, save) => {
      const world = await begin()
      const [ada, ben] = [world.host(), world.host()]
      const home = world.scene.folder('ada')
      const author = (await enter(world, ada, 'ada', home, true)) as PeerId
      await enter(world, ben, 'ben', world.scene.folder('ben'), true)
      const mallory = await Claimant.create(notes)
      await mallory.enter(await world.invite(await world.port()))
      await write(ada, 'ada', 'before')
      const backup = join(world.scene.dir, 'backup.db')
      await save(world, backup)
      const [kept] = actorsIn(world)
      if (kept === undefined) throw new Error('nothing was written')

      await mallory.enter(await world.invite(await world.port()))
      await write(ada, 'ada', 'lost')
      await write(ben, 'ben', 'lost too')
      await converge(60, [ben, 'ben'], [ada, 'ada'])
      const lost = actorsIn(world)
      const { last = 0 } = lost.find(({ actor }) => actor === kept.actor) ?? {}
      expect(last).toBe(kept.last + 20)
      await mallory.reads(kept.actor, last)

      // Who wrote it is gone, who holds it does not answer, and who wants it is first.
      await ada.child.kill()
      ben.child.signal('SIGSTOP')
      await restore(world, backup)
      expect(actorsIn(world)).toEqual([kept])
      await mallory.enter(await world.invite(await world.port()), new TextEncoder().encode('of no daemon'))
      await mallory.offers(kept.actor)
      expect(await mallory.claims(kept.actor, author, kept.last)).toEqual({
        'as it is': 'actor-not-owned',
        'under its own name': 'actor-not-owned',
        'with its own signature': 'actor-not-owned',
        "in its author's name": 'bad-signature',
        'with the signature of another change': 'bad-signature',
        "something made up in the author's name": 'bad-signature',
        'something made up before what the author signed': 'bad-signature',
      })
      expect(actorsIn(world)).toEqual([kept])
      mallory.ends()

      const from = ben.said('ben')
      ben.child.signal('SIGCONT')
      await ben.heard('ben', 'status', { from, fits: ({ state }) => state === 'live' })
      const sawAll = await witness(world)
      const { digest } = await ben.ask({ to: 'ben', do: 'show' }, 'shown')
      await sawAll[0].ask({ to: sawAll[1], do: 'await', digest }, 'same')
      expect(actorsIn(world)).toEqual(lost)

      // Its author finds everything there and writes on; so does whoever tried to take it.
      const again = world.host()
      await enter(world, again, 'ada', home)
      await write(again, 'ada', 'on')
      await write(ben, 'ben', 'and on')
      await mallory.enter(await world.invite(await world.port()))
      expect(await mallory.writes()).toBe('taken')
      await converge(101, sawAll, [again, 'ada'], [ben, 'ben'])
      expectEachOnce(world)
    },
    240_000,
  )
})
