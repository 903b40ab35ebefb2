/** Many edits side by side: the daemon joins them, everyone converges, and nobody goes on answering. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { HeadMerges, maxRestingHeads } from '../../daemon/log/head-merges.ts'
import { splice } from '../../plugin-sdk/memory/index.ts'
import { ownsActor } from '../../protocol/sync/index.ts'
import { alice, bob, daemonPerson, person } from '../fixtures/cast.ts'
import { ManualClock } from '../fixtures/clock.ts'
import { actorOf, insert, RawReplica, textDoc } from '../fixtures/raw-replica.ts'
import { SyncWorld, silentLog } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: SyncWorld
const clock = new ManualClock()
const running: HeadMerges[] = []

function merges(): HeadMerges {
  const made = new HeadMerges({
    log: world.log,
    self: daemonPerson.peer,
    seed: daemonPerson.seed,
    clock,
    random: (bytes) => new Uint8Array(randomBytes(bytes)),
    logger: silentLog,
  })
  made.start()
  running.push(made)
  return made
}

beforeEach(async () => {
  world = await SyncWorld.open()
  for (const who of [alice, bob]) await world.approve(who, ...everything)
})

afterEach(async () => {
  for (const each of running.splice(0)) await each.stop()
  await world.close()
})

const row = () => {
  const found = world.log.index.at(notes as never)
  if (found === undefined) throw new Error('there is no block')
  return found
}

/** Lets the daemon do what is due, until nothing is on its way. */
async function quiet(): Promise<void> {
  for (let n = 0; n < 4; n++) {
    await clock.advance(10_000)
    await world.log.settled()
  }
}

/** So many replicas of one person, each with one edit that knows of no other. */
async function fork(who: typeof alice, count: number): Promise<void> {
  const raw = new RawReplica(world, who)
  await raw.begin(notes)
  for (let n = 0; n < count; n++) raw.submit([insert(textDoc(actorOf(who)), 0, 'x').bytes])
  expect(await raw.settled(count)).toBe('ok')
  raw.end()
}

describe('edits side by side', () => {
  it('of a hundred authors who were offline are joined, and every replica converges', async () => {
    merges()
    const handles = []
    for (let n = 0; n < 100; n++) {
      const who = await person(`author ${n}`)
      await world.approve(who, ...everything)
      const plugin = world.plugin(who)
      const handle = plugin.memory.open(notes, 'text')
      handle.change((doc) => splice(doc, ['text'], 0, 0, `${n} `))
      handles.push({ plugin, handle })
    }
    for (const { plugin } of handles) plugin.connect()
    await Promise.all(handles.map(({ handle }) => handle.flushed()))
    await quiet()
    expect(row().heads.length).toBeLessThanOrEqual(maxRestingHeads)
    const [first] = handles
    for (const { handle } of handles) {
      await vi.waitFor(() => expect(handle.value.text.length).toBe(290), { timeout: 20_000, interval: 5 })
      expect(handle.value.text).toBe(first?.handle.value.text)
    }
    const changes = row().changes
    first?.handle.change((doc) => splice(doc, ['text'], 0, 0, '!'))
    await first?.handle.flushed()
    await quiet()
    expect(row().changes).toBe(changes + 1)
    expect(row().heads).toHaveLength(1)
  })

  it('are left alone up to the bound, and joined by one signed change above it', async () => {
    merges()
    await fork(alice, maxRestingHeads)
    await quiet()
    expect(row()).toMatchObject({ changes: maxRestingHeads, heads: { length: maxRestingHeads } })
    await fork(bob, 1)
    await quiet()
    expect(row()).toMatchObject({ changes: maxRestingHeads + 2, heads: { length: 1 } })
    const authors = await world.storage.clock(row().id)
    const [own] = authors.filter(({ actor }) => ownsActor(daemonPerson.peer, daemonPerson.peer, actor))
    expect(own).toMatchObject({ seq: 1, hash: row().heads[0] })
    // From disk too it comes with its signature, or no replica would take it.
    await world.restart()
    const reader = world.plugin(bob)
    reader.connect()
    const handle = reader.memory.open(notes, 'text')
    await vi.waitFor(() => expect(handle.value.text).toBe('x'.repeat(33)), { timeout: 20_000, interval: 5 })
  })

  it('are joined in steps when there are more than one change can name', async () => {
    for (let n = 0; n < 6; n++) {
      const who = await person(`author ${n}`)
      await world.approve(who, ...everything)
      await fork(who, 50)
    }
    expect(row().heads).toHaveLength(300)
    merges()
    await quiet()
    expect(row()).toMatchObject({ changes: 302, heads: { length: 1 } })
  })

  it('are joined by one actor of the daemon, however often', async () => {
    merges()
    for (let n = 1; n <= 3; n++) {
      await fork(alice, maxRestingHeads + 1)
      await quiet()
      expect(row().heads).toHaveLength(1)
      const authors = await world.storage.clock(row().id)
      const own = authors.filter(({ actor }) => ownsActor(daemonPerson.peer, daemonPerson.peer, actor))
      expect(own).toMatchObject([{ seq: n, hash: row().heads[0] }])
    }
  })

  it('are not answered for ever by two that join', async () => {
    merges()
    merges()
    await fork(alice, maxRestingHeads + 1)
    await quiet()
    const { changes } = row()
    expect(row().heads.length).toBeLessThanOrEqual(2)
    expect(changes).toBeLessThanOrEqual(maxRestingHeads + 3)
    await quiet()
    expect(row().changes).toBe(changes)
  })
})
