/** The order of a change's life: durable, then acknowledged and visible. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStorage, type Storage } from '../../daemon/storage/index.ts'
import { alice, bob, daemonPerson } from '../fixtures/cast.ts'
import { actorOf, insert, RawReplica, textDoc } from '../fixtures/raw-replica.ts'
import { SyncWorld, silentLog } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: SyncWorld
let storage: Storage
/** Changes that the store was handed and has not been allowed to write. */
let held: (() => void)[] | undefined
let heldOne: () => void

beforeEach(async () => {
  storage = await openStorage({ backend: 'memory', dir: '', log: silentLog, self: daemonPerson.peer })
  const append = storage.append.bind(storage)
  held = undefined
  storage.append = async (entries) => {
    if (held !== undefined && entries.some(({ kind }) => kind === 'change')) {
      await new Promise<void>((resolve) => {
        held?.push(resolve)
        heldOne()
      })
    }
    return append(entries)
  }
  world = await SyncWorld.open(storage)
  await world.approve(alice, ...everything)
  await world.approve(bob, ...everything)
})

afterEach(async () => {
  for (const release of held ?? []) release()
  await world.close()
})

describe('a change that is on its way to the disk', () => {
  it('is not acknowledged, and nobody else sees it, before it is durable', async () => {
    const writer = new RawReplica(world, alice)
    await writer.begin(notes)
    const reader = new RawReplica(world, bob)
    reader.open([notes])
    await reader.expect('synced')

    const isHeld = new Promise<void>((resolve) => {
      heldOne = resolve
    })
    held = []
    const { published } = world.log
    writer.submit([insert(textDoc(actorOf(alice)), 0, 'x').bytes])
    await isHeld
    // Answers that need no store, after which an ack or a delta that did not wait for it would have come, too.
    for (const handle of [3, 5, 7]) await Promise.all([writer.create(notes, handle), reader.create(notes, handle)])
    expect([world.count('ack', 'alice'), world.count('delta', 'bob')]).toEqual([0, 0])
    expect(world.log.published).toBe(published)

    for (const release of held.splice(0)) release()
    expect(await writer.settled(1)).toBe('ok')
    await reader.expect('delta')
  })
})
