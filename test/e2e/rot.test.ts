/** Bits that rot in the middle of the daemon's write-ahead log: SQLite takes that for the end of it, and says nothing. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { begin, converge, enter, notes, witness, write } from '../fixtures/plugin-hosts.ts'

it('bits that rot in the middle of the log file lose what comes after them: the daemon says so and gets it back from its plugins', async () => {
  const world = await begin()
  const [ada, ben] = [world.host(), world.host()]
  await enter(world, ada, 'ada', world.scene.folder('ada'), true)
  await enter(world, ben, 'ben', world.scene.folder('ben'), true)
  await write(ada, 'ada', 'one')
  await write(ben, 'ben', 'two')
  await converge(40, [ada, 'ada'], [ben, 'ben'])
  const rows = (): unknown => world.inspect((database) => database.prepare('SELECT count(*) FROM change').pluck().get())
  await world.kill()
  const log = join(world.places.stateDir, 'mooring.db-wal')
  const bytes = readFileSync(log)
  // As near the end as a change is lost by it.
  for (let at = 0.9; rows() === 40; at -= 0.1) {
    expect(at).toBeGreaterThan(0)
    const place = Math.floor(bytes.length * at)
    writeFileSync(log, bytes.with(place, (bytes[place] ?? 0) ^ 0x5a))
  }
  expect(rows()).toBeGreaterThan(0)
  await world.start()
  for (const [host, name] of [
    [ada, 'ada'],
    [ben, 'ben'],
  ] as const)
    await write(host, name, `after ${name}`, 5)
  await converge(50, await witness(world), [ada, 'ada'], [ben, 'ben'])
  expect(world.daemon.said).toContain('the store lost its end, or is an older copy')
  expect(await world.control.block.list({ after: '', limit: 10 })).toMatchObject({ blocks: [{ address: notes }] })
}, 240_000)
