/**
 * The index after a crash anywhere between the log and it: once it has caught up, it is what a new one would be. Repeats with
 * `SEARCH_CRASH_SEED=n SEARCH_CRASH_COUNT=200 npx vitest run test/network/search-crash.test.ts`.
 */
import { expect, it, vi } from 'vitest'
import { alice, daemonPerson } from '../fixtures/cast.ts'
import { SearchWorld, type WriteFate } from '../fixtures/search-world.ts'
import { SimRandom } from './sim-random.ts'

const count = Number(process.env.SEARCH_CRASH_COUNT ?? 50)
const seed = Number(process.env.SEARCH_CRASH_SEED ?? Math.floor(Math.random() * 1e9))

it(`is what a full rebuild makes of the same log, after ${count} crashes (seed ${seed})`, async () => {
  const random = new SimRandom(`search ${seed}`)
  const world = await SearchWorld.open()
  const { sync } = world.verified
  const own = { origin: { peer: daemonPerson.peer, replica: '0'.repeat(32) as never }, grantVersion: 0 }
  const copies: string[] = []
  const entries: Awaited<ReturnType<SearchWorld['insert']>>['id'][] = []
  const fates: readonly WriteFate[] = ['stored', 'stored', 'not stored', 'stored, and the answer is lost']
  let generation = 0
  let found = 0
  for (let round = 0; round < count; round++) {
    world.fate = () => random.pick(fates)
    for (let n = random.int(0, 2); n >= 0; n--) {
      const act = random.int(0, 9)
      const label = `block-${random.int(0, 2)}-${generation}`
      if (act < 6) await world.write(alice, `space:home/${label}`, `round ${round} word${random.int(0, 19)}`)
      else if (act < 8) entries.push((await world.insert(alice, `entry of ${round} word${random.int(0, 19)}`)).id)
      else if (act === 8 && entries.length > 0) {
        const [id] = entries.splice(random.int(0, entries.length - 1), 1)
        if (id !== undefined) await world.remove(alice, id)
      } else {
        for (const { id } of sync.log.index.live()) {
          await sync.log.repairComponents.committer.submit([{ kind: 'delete', ...own, block: id }])
          break
        }
        generation += 1
      }
      // Some of it is read into the index, or all, or nothing; a transaction may fail at any point of its way.
      if (random.chance(0.7)) await world.clock.advance(random.pick([0, 1_000, 3_000, 30_000, 100_000]))
      if (random.chance(0.3)) copies.push(world.copy())
    }
    const copy = copies.length > 0 && random.chance(0.4) ? random.pick(copies) : undefined
    await world.restart(random.chance(0.05) ? 'none' : copy)
    world.fate = () => 'stored'
    await world.clock.advance(100_000)
    await world.settle(world.indexer.reach(alice.peer, { block: () => true, archive: true }))
    const expected = await world.expected()
    await vi.waitFor(
      async () => {
        await world.clock.advance(100_000)
        expect(world.content()).toEqual(expected)
      },
      { timeout: 10_000, interval: 5 },
    )
    found += expected.length
    if (round % 10 === 9) {
      await world.settle(world.search.rebuild(new AbortController().signal))
      expect(world.content()).toEqual(expected)
    }
  }
  // Guards against an index that is equal because both are empty.
  expect(found).toBeGreaterThan(count)
}, 300_000)
