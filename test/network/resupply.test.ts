/** Who is asked for what the log has lost, when some of those who say that they hold it never answer. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BlockAddress, ReplicaId } from '../../protocol/index.ts'
import { encodeRun, readChange, signTip } from '../../protocol/sync/index.ts'
import { alice, bob, mallory, type Person } from '../fixtures/cast.ts'
import { ManualClock, settled } from '../fixtures/clock.ts'
import { actorOf, insert, RawReplica, textDoc } from '../fixtures/raw-replica.ts'
import { SyncWorld } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes' as BlockAddress
const turnMs = 20_000

let world: SyncWorld
let clock: ManualClock
let generation = 1

beforeEach(async () => {
  clock = new ManualClock()
  world = await SyncWorld.open(undefined, { clock })
  for (const person of [alice, bob, mallory]) {
    await world.approve(person, ...['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`))
  }
  const maker = new RawReplica(world, alice, 'e'.repeat(32) as ReplicaId)
  maker.open()
  generation = (await maker.create(notes, 1)).generation
  maker.end()
})

afterEach(async () => {
  await world.close()
})

/** A change of alice that the log does not have. */
const lost = insert(textDoc(actorOf(alice)), 0, 'lost').bytes
const { actor, seq, hash } = readChange(lost)

/** Says that it holds a change, as one that has no cursor. */
async function offer(who: Person, n: number, held: { actor: string; seq: number } = { actor, seq }) {
  const raw = new RawReplica(world, who, String(n).padStart(32, '0') as ReplicaId)
  raw.send({ t: 'open', replica: raw.replica, accept: ['raw'], watch: [notes], own: [], cursor: new Uint8Array() })
  await raw.expect('resync')
  raw.send({ t: 'have', entries: [{ address: notes, generation, clock: [held] }], last: true })
  await raw.expect('synced')
  return raw
}

async function supply(raw: RawReplica): Promise<void> {
  const { handle } = await raw.expect('lacks')
  const signature = signTip(alice.seed, { address: notes, generation, actor, seq, hash })
  const tips = [{ actor, seq, hash, signature, peer: alice.peer }]
  raw.send({ t: 'delta', handle, run: encodeRun([lost]), tips })
  raw.send({ t: 'supplied', handle })
  expect(await raw.settled(1)).toBe('ok')
}

const asked = (): string[] => world.frames.filter(({ frame: { t } }) => t === 'lacks').map(({ to }) => to)
const changes = (): number => world.log.index.at(notes)?.changes ?? 0

/** What a replica is given at the tail after something was written, and the log has come to rest. */
async function cursorAfterEdit(raw: RawReplica): Promise<Uint8Array> {
  const writer = new RawReplica(world, alice, 'f'.repeat(32) as ReplicaId)
  await writer.begin(notes)
  writer.submit([insert(textDoc(actorOf(alice)), 0, 'more').bytes])
  expect(await writer.settled(1)).toBe('ok')
  writer.end()
  await raw.expect('delta')
  await clock.advance(1_000)
  return (await raw.expect('synced')).cursor
}

describe('a replica that has more than the log', () => {
  it('is given no cursor after it was asked in vain, and is asked again on its next stream', async () => {
    const mute = await offer(bob, 1)
    await mute.expect('lacks')
    await clock.advance(turnMs)
    expect(await cursorAfterEdit(mute)).toHaveLength(0)
    mute.end()
    const again = await offer(bob, 1)
    await supply(again)
    await clock.advance(5_000)
    while ((await again.expect('synced')).cursor.byteLength === 0);
  })

  it('is given none either when it said each time that it has sent it, and is not asked for ever', async () => {
    const liar = await offer(mallory, 1)
    for (let n = 0; n < 4; n++) {
      const { handle } = await liar.expect('lacks')
      liar.send({ t: 'supplied', handle })
      await settled()
      await clock.advance(2_000)
    }
    expect(await cursorAfterEdit(liar)).toHaveLength(0)
    await clock.advance(10 * turnMs)
    expect(asked()).toHaveLength(4)
    // Whoever has no more than the log is given its cursor as ever.
    const other = new RawReplica(world, bob)
    other.open([notes])
    expect((await other.expect('synced')).cursor.byteLength).toBeGreaterThan(0)
  })

  it('is asked until all has come, however little of it is taken each time', async () => {
    let doc = textDoc(actorOf(alice))
    const made = Array.from({ length: 9 }, () => {
      const next = insert(doc, 0, 'x')
      doc = next.doc
      return next.bytes
    })
    const last = readChange(made.at(-1) ?? lost)
    const raw = await offer(bob, 1, { actor: last.actor, seq: last.seq })
    for (const [n, bytes] of made.entries()) {
      const { handle } = await raw.expect('lacks')
      const tip = { actor: last.actor, seq: n + 1, hash: readChange(bytes).hash }
      const signature = signTip(alice.seed, { address: notes, generation, ...tip })
      raw.send({ t: 'delta', handle, run: encodeRun([bytes]), tips: [{ ...tip, signature, peer: alice.peer }] })
      raw.send({ t: 'supplied', handle })
      expect(await raw.settled(n + 1)).toBe('ok')
      await settled()
      await clock.advance(2_000)
    }
    expect([changes(), asked().length]).toEqual([made.length, made.length])
  })

  it('is given none while it may not write, also once it may', async () => {
    await world.approve(bob, 'blocks:read:space:home/*')
    const reader = await offer(bob, 1)
    await world.approve(bob, 'blocks:read:space:home/*', 'blocks:write:space:home/*')
    expect(await cursorAfterEdit(reader)).toHaveLength(0)
    expect(asked()).toEqual([])
    reader.end()
    await supply(await offer(bob, 1))
    expect(changes()).toBe(2)
  })
})

describe('a key whose replicas never answer', () => {
  it('has one turn before another key has its own, however many of its replicas came first', async () => {
    for (let n = 1; n <= 8; n++) await offer(mallory, n)
    const honest = await offer(bob, 9)
    expect(asked()).toEqual(['mallory'])
    await clock.advance(turnMs)
    expect(asked()).toEqual(['mallory', 'bob'])
    await supply(honest)
    expect(changes()).toBe(1)
  })

  it('has one turn more at most for each time that another is asked again, also when it comes anew', async () => {
    const mute = [await offer(mallory, 1), await offer(mallory, 2)]
    const honest = await offer(bob, 3)
    await clock.advance(turnMs)
    expect(asked()).toEqual(['mallory', 'bob'])
    const { handle } = await honest.expect('lacks')
    honest.send({ t: 'supplied', handle })
    await settled()
    mute[0]?.end()
    await offer(mallory, 4)
    await clock.advance(turnMs)
    expect(asked()).toEqual(['mallory', 'bob', 'mallory', 'bob'])
    await supply(honest)
  })
})

describe('a read that fails', () => {
  it('costs the one whose turn it was its turn, and nobody else theirs', async () => {
    const { storage } = world
    const mute = await offer(mallory, 1)
    await mute.expect('lacks')
    await offer(alice, 2)
    const honest = await offer(bob, 3)
    const clockOf = storage.clock.bind(storage)
    storage.clock = async () => {
      storage.clock = clockOf
      throw new Error('the disk does not answer')
    }
    await clock.advance(turnMs)
    expect(asked()).toEqual(['mallory', 'bob'])
    await supply(honest)
    expect(changes()).toBe(1)
  })
})
