/**
 * Changes that only the document engine can tell from sound ones: acknowledged, then set aside with what builds on them.
 * The block loads afterwards on the daemon and on replicas, honest authors are told and not blamed, and go on.
 */
import * as A from '@automerge/automerge'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { takeApart } from '../fixtures/change-builder.ts'
import { lastOf, type Root } from '../fixtures/malformed-ground.ts'
import { hiddenRound } from '../fixtures/malformed-rounds.ts'
import { MalformedWorld, notes } from '../fixtures/malformed-world.ts'
import { actorOf } from '../fixtures/raw-replica.ts'

/** Each is one variant of every kind, and starts several workers; `npm run soak -- --only malformed` has a hundred. */
const rounds = 2
const seed = process.env.MOORING_SEED ?? '1'

describe.each(Array.from({ length: rounds }, (_, round) => round))('hidden faults, round %d', (round) => {
  it(`are set aside with what builds on them, and nothing else (MOORING_SEED=${seed})`, async () => {
    expect(await hiddenRound(round, seed)).toBeGreaterThan(0)
  })
})

describe('a change that names what is not among its dependencies', () => {
  /** Builds on something of alice, and says that it builds on what was there before. */
  function undeclared(scene: MalformedWorld) {
    const later = A.change(A.clone(scene.ground.doc, { actor: actorOf(alice) }), { time: 0 }, (root) => {
      root.map.later = { x: 1 }
      A.splice(root, ['map', 'text'], 0, 0, 'later')
    })
    const change = A.change(A.clone(later, { actor: actorOf(mallory) }), { time: 0 }, (root) => {
      A.splice(root, ['map', 'text'], 3, 1, 'X')
    })
    const parts = takeApart(lastOf(change))
    const deps = A.getHeads(scene.ground.doc).sort()
    return {
      named: lastOf(later),
      parts: { ...parts, deps: deps.map((dep) => new Uint8Array(Buffer.from(dep, 'hex'))) },
    }
  }

  it('is taken behind what it names, where every replica gets it, and the block loads', async () => {
    const scene = await MalformedWorld.open(`${seed} behind`)
    const { attacker, owner, world } = scene
    onTestFinished(() => world.close())
    const { named, parts } = undeclared(scene)
    owner.submit([named])
    expect(await owner.settled(3)).toBe('ok')
    const { bytes } = scene.attack(parts)
    expect(await attacker.settled(1)).toBe('ok')
    const [whole] = A.applyChanges(A.clone(scene.ground.doc), [named, bytes])
    await expectRead(scene, whole)
  })

  it('waits where it comes before, because who got the two in this order could not apply it', async () => {
    const scene = await MalformedWorld.open(`${seed} before`)
    const { attacker, owner, second, world } = scene
    onTestFinished(() => world.close())
    const { named, parts } = undeclared(scene)
    // As much as it takes for its counters to be possible.
    const long = A.change(A.clone(scene.ground.doc, { actor: actorOf(bob) }), { time: 0 }, (root) => {
      A.splice(root, ['map', 'text'], 0, 0, 'much more than that')
    })
    second.submit([lastOf(long)])
    expect(await second.settled(2)).toBe('ok')
    const { bytes } = scene.attack(parts)
    expect((await attacker.answers(1)).get(1)).toBe('missing-deps')
    owner.submit([named])
    expect(await owner.settled(3)).toBe('ok')
    scene.attack(parts)
    expect((await attacker.answers(2)).get(2)).toBeUndefined()
    const [whole] = A.applyChanges(A.clone(long), [named, bytes])
    await expectRead(scene, whole)
  })
})

async function expectRead({ world }: MalformedWorld, whole: A.Doc<Root>): Promise<void> {
  await world.verification.verify(world.row(notes).id)
  expect(world.sync.log.quarantine.rows()).toEqual([])
  const plugin = world.sync.plugin(bob, 'reader')
  plugin.connect()
  const block = plugin.memory.open(notes, 'map')
  await vi.waitFor(() => expect(A.toJS(block.value)).toEqual(A.toJS(whole)), { timeout: 20_000 })
}
