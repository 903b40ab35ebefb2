/** What happens while a plugin is away, with real processes: it comes back to what everyone else has, and nothing of its own is lost. */
import { expect, it, vi } from 'vitest'
import { begin, converge, enter, notes, witness, write } from '../fixtures/plugin-hosts.ts'
import type { PluginHost } from '../soak/plugin-host.ts'
import type { World } from '../soak/world.ts'

/** Two plugins with 20 edits of the first. */
async function scene() {
  const world = await begin()
  const [ada, ben] = [world.host(), world.host()]
  const home = world.scene.folder('ada')
  await enter(world, ada, 'ada', home, true)
  await enter(world, ben, 'ben', world.scene.folder('ben'), true)
  await write(ada, 'ada', 'before')
  await converge(20, [ben, 'ben'], [ada, 'ada'])
  return { world, ada, ben, home }
}

const rowsIn = (world: World): unknown =>
  world.inspect((database) => database.prepare('SELECT count(*) FROM change').pluck().get())

it('two plugins that set the same key while both are away come to one value, and the other can still be read', async () => {
  const { world, ada, ben } = await scene()
  await world.kill()
  await ada.ask({ to: 'ada', do: 'set', key: 'title', value: 1 }, 'set')
  await ben.ask({ to: 'ben', do: 'set', key: 'title', value: 2 }, 'set')
  await world.start()
  await ada.ask({ to: 'ada', do: 'flush' }, 'flushed')
  await ben.ask({ to: 'ben', do: 'flush' }, 'flushed')
  const all: [PluginHost, string][] = [[ada, 'ada'], [ben, 'ben'], await witness(world)]
  const values = async (): Promise<unknown[]> => {
    const answers = []
    for (const [host, to] of all) answers.push(await host.ask({ to, do: 'values', key: 'title' }, 'values'))
    for (const answer of answers) expect(answer.all.toSorted()).toEqual([1, 2])
    return answers.map(({ shown }) => shown)
  }
  const shown = await vi.waitFor(values, { timeout: 60_000, interval: 100 })
  expect(new Set(shown).size).toBe(1)
  await converge(21, ...(all as [[PluginHost, string]]))
}, 240_000)

it('a plugin that was away for longer than the log goes back gets the snapshot and what came after it, without a gap', async () => {
  const { world, ada, ben, home } = await scene()
  await ada.ask({ to: 'ada', do: 'put', key: 'last', count: 5, bytes: 64, keys: 5 }, 'put')
  await ada.ask({ to: 'ada', do: 'stop' }, 'stopped')
  await write(ben, 'ben', 'meanwhile', 40)
  const { rows } = await world.control.block.compact({ address: notes as never, dryRun: false })
  expect(rows).toBe(65)
  expect(rowsIn(world)).toBe(0)
  await write(ben, 'ben', 'after', 10)
  expect(rowsIn(world)).toBe(10)
  await enter(world, ada, 'ada', home)
  await write(ada, 'ada', 'back', 3)
  await converge(78, await witness(world), [ada, 'ada'], [ben, 'ben'])
  expect(rowsIn(world)).toBe(13)
}, 240_000)

it('a block that is begun anew while a plugin edits the old one stays as it is, and the edits are kept aside for their author', async () => {
  const { world, ada, ben, home } = await scene()
  await ada.ask({ to: 'ada', do: 'stop' }, 'stopped')
  await world.kill()
  const away = world.host()
  await enter(world, away, 'ada', home)
  await away.ask({ to: 'ada', do: 'put', key: 'for the old one', count: 5, bytes: 64, keys: 5 }, 'put')
  await away.ask({ to: 'ada', do: 'stop' }, 'stopped')
  await world.start()
  const { generation } = await world.control.block['reset-history']({ address: notes as never })
  expect(generation).toBeGreaterThan(1)
  for (const life of [1, 2]) {
    const { digest } = await ben.ask({ to: 'ben', do: 'show' }, 'shown')
    await enter(world, away, 'ada', home)
    await away.ask({ to: 'ada', do: 'await', digest }, 'same')
    // Once more after a restart: what is kept aside outlives the process.
    expect(await away.ask({ to: 'ada', do: 'show' }, 'shown')).toMatchObject({ refused: 1, pending: 0 })
    await write(away, 'ada', `life ${life}`, 1)
    await ben.ask({ to: 'ben', do: 'await', keys: 20 + life }, 'same')
    await away.ask({ to: 'ada', do: 'stop' }, 'stopped')
  }
}, 240_000)
