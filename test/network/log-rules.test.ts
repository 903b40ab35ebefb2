/** What the log takes in from a replica that does not play by the rules, and that nobody else is harmed by it. */
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openStorage } from '../../daemon/storage/index.ts'
import { alice, bob, daemonPerson, mallory } from '../fixtures/cast.ts'
import { ManualClock } from '../fixtures/clock.ts'
import { actorOf, insert, RawReplica, textDoc } from '../fixtures/raw-replica.ts'
import { SyncWorld, silentLog } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  await world.approve(alice, ...everything)
  await world.approve(mallory, ...everything)
})

afterEach(async () => {
  await world.close()
})

const storedChanges = (): number => world.log.index.live().reduce((sum, row) => sum + row.changes, 0)

describe('whose a change is', () => {
  it("refuses a change under another peer's actor, and the owner still writes", async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const stolen = actorOf(alice)
    raw.submit([insert(textDoc(stolen), 0, 'forged').bytes])
    expect(await raw.settled(1)).toBe('actor-not-owned')
    expect(storedChanges()).toBe(0)

    const owner = new RawReplica(world, alice)
    await owner.begin(notes)
    owner.submit([insert(textDoc(stolen), 0, 'mine').bytes])
    expect(await owner.settled(1)).toBe('ok')
  })

  it('refuses a tip that its author did not sign', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const { bytes } = insert(textDoc(actorOf(mallory)), 0, 'x')
    raw.submit([bytes], { as: alice })
    expect(await raw.settled(1)).toBe('bad-signature')
    raw.submit([bytes], { signature: new Uint8Array(64) })
    await raw.settled(2)
    expect(storedChanges()).toBe(0)
  })

  it('refuses a signature made for another block', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    await raw.create('space:home/other', 3)
    // The signature is for the block opened last; the frame is for the first.
    raw.submit([insert(textDoc(actorOf(mallory)), 0, 'x').bytes], { handle: 1 })
    expect(await raw.settled(1)).toBe('bad-signature')
  })
})

describe('order', () => {
  it('settles a change that is sent twice without storing it twice', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const { bytes } = insert(textDoc(actorOf(mallory)), 0, 'once')
    raw.submit([bytes])
    raw.submit([bytes])
    expect(await raw.settled(2)).toBe('ok')
    expect(storedChanges()).toBe(1)
  })

  it('refuses two different changes with one sequence number', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const actor = actorOf(mallory)
    raw.submit([insert(textDoc(actor), 0, 'one story').bytes])
    raw.submit([insert(textDoc(actor), 0, 'another').bytes])
    expect(await raw.settled(2)).toBe('equivocation')
    expect(storedChanges()).toBe(1)
  })

  it('refuses a change whose dependencies are not known, and takes it after them', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const first = insert(textDoc(actorOf(mallory)), 0, 'a')
    const second = insert(first.doc, 1, 'b')
    raw.submit([second.bytes])
    expect(await raw.settled(1)).toBe('missing-deps')
    expect(storedChanges()).toBe(0)
    raw.submit([first.bytes])
    raw.submit([second.bytes])
    await raw.settled(3)
    expect(storedChanges()).toBe(2)
  })

  it('takes a frame whole or not at all', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const first = insert(textDoc(actorOf(mallory)), 0, 'a')
    const second = insert(first.doc, 1, 'b')
    const third = insert(second.doc, 2, 'c')
    raw.submit([first.bytes, third.bytes])
    expect(await raw.settled(2)).toBe('missing-deps')
    expect(storedChanges()).toBe(0)
    // Nothing of the refused frame is left in what the log believes: the same changes in order are taken.
    raw.submit([first.bytes, second.bytes, third.bytes])
    await raw.settled(5)
    expect(storedChanges()).toBe(3)
  })
})

describe('bounds', () => {
  it('refuses a frame with more operations than the cap, in a few hundred bytes', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    raw.submit([insert(textDoc(actorOf(mallory)), 0, 'x'.repeat(20_001)).bytes])
    expect(await raw.settled(1)).toBe('change-too-large')
    expect(storedChanges()).toBe(0)
  })

  it('refuses a frame whose changes have more operations together than the cap', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const first = insert(textDoc(actorOf(mallory)), 0, 'x'.repeat(15_000))
    const second = insert(first.doc, 0, 'x'.repeat(15_000))
    raw.submit([first.bytes, second.bytes])
    expect(await raw.settled(2)).toBe('change-too-large')
    expect(storedChanges()).toBe(0)
    raw.submit([first.bytes])
    raw.submit([second.bytes])
    await raw.settled(4)
    expect(storedChanges()).toBe(2)
  })

  it('refuses what comes above the rate of one peer, and takes it later', async () => {
    await world.close()
    const clock = new ManualClock()
    world = await SyncWorld.open(undefined, { clock })
    await world.approve(mallory, ...everything)
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    let doc = textDoc(actorOf(mallory))
    const changes = Array.from({ length: 8 }, () => {
      const next = insert(doc, 0, 'x'.repeat(15_000))
      doc = next.doc
      return next.bytes
    })
    for (const bytes of changes) raw.submit([bytes])
    // The seventh is begun with what is left.
    expect(await raw.settled(8)).toBe('rate-limited')
    expect(storedChanges()).toBe(7)
    await clock.advance(1_000)
    raw.submit(changes.slice(7))
    await raw.settled(9)
    expect(storedChanges()).toBe(8)
  })

  it('ends the stream of a replica whose deltas hold no run', async () => {
    const raw = new RawReplica(world, mallory)
    raw.open()
    const run = new Uint8Array(200 * 1024)
    const tip = { actor: actorOf(mallory), seq: 1, hash: '0'.repeat(64), signature: new Uint8Array(64) }
    for (let n = 0; n < 8; n++) raw.send({ t: 'delta', handle: 1, run, tips: [tip] })
    const { reason } = await raw.expect('done')
    expect(reason).toBe('bad-change')
  })
})

describe('a grant that changes while a change is on its way', () => {
  it('stores nothing that was checked under the older version', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const first = insert(textDoc(actorOf(mallory)), 0, 'a')
    // The store knows of the revocation; the connection has not been cut yet.
    const before = world.grants.get(mallory.peer)
    await world.approve(mallory, 'blocks:read:space:home/*')
    if (before !== undefined) world.grants.set(mallory.peer, before)
    raw.submit([first.bytes])
    expect(await raw.settled(1)).toBe('grant-changed')
    expect(storedChanges()).toBe(0)
    // The ledger was read again: what is sent under the present version is taken.
    world.grants.set(mallory.peer, { grants: [], grantVersion: 2 })
    await world.approve(mallory, ...everything)
    raw.submit([first.bytes])
    await raw.settled(2)
    expect(storedChanges()).toBe(1)
  })
})

describe('a replica that reads slowly', () => {
  it('is sent no more than its credit, and gets the rest when it gives more', async () => {
    const writer = world.plugin(alice)
    writer.connect()
    const block = writer.memory.open(notes, 'map')
    await block.live()
    const slow = new RawReplica(world, mallory)
    slow.open([notes])
    await slow.expect('synced')
    let sent = 0
    // One operation each: the rate counts operations, the credit counts bytes.
    for (let n = 0; n < 150; n++) {
      block.change((draft) => {
        draft.map[`key ${n}`] = new Uint8Array(10_000).map((_, index) => (index * 7 + n) % 251)
      })
      if (n % 9 === 8) await block.flushed()
    }
    await block.flushed()
    const before = world.count('delta', 'mallory')
    let received = 0
    for (;;) {
      const { run } = await slow.expect('delta')
      received += run.byteLength
      sent++
      if (sent === before) break
    }
    expect(received).toBeLessThan(1024 * 1024 + 256 * 1024)
    expect(storedChanges()).toBe(150)
    slow.send({ t: 'credit', bytes: 512 * 1024 })
    await vi.waitFor(() => expect(world.count('delta', 'mallory')).toBeGreaterThan(before), { timeout: 10_000 })
  })
})

describe('a log on disk', () => {
  it('keeps what was acknowledged and goes on under a new epoch', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const first = insert(textDoc(actorOf(mallory)), 0, 'a')
    raw.submit([first.bytes])
    await raw.settled(1)
    raw.end()
    await world.restart()
    const again = new RawReplica(world, mallory)
    await again.begin(notes)
    const second = insert(first.doc, 1, 'b')
    again.submit([second.bytes])
    expect(await again.settled(1)).toBe('ok')
    const epochs = await world.storage.epochs()
    expect(epochs).toHaveLength(2)
    const { rows } = await world.storage.readLog({ after: 0, until: 100, maxBytes: 1_000_000 })
    const [doc] = A.applyChanges(
      textDoc('ab'.repeat(16)),
      rows.map((row) => row.bytes),
    )
    expect(doc.text).toBe('ab')
  })

  it('asks a replica with a cursor of another life to say what it has', async () => {
    const raw = new RawReplica(world, mallory)
    raw.open([notes])
    const { cursor } = await raw.expect('synced')
    raw.end()
    await world.close()
    world = await SyncWorld.open(
      await openStorage({ backend: 'memory', dir: '', log: silentLog, self: daemonPerson.peer }),
    )
    await world.approve(mallory, ...everything)
    await world.approve(bob, ...everything)
    const again = new RawReplica(world, mallory)
    again.send({ t: 'open', replica: again.replica, accept: ['raw'], watch: [notes], own: [], cursor })
    await again.expect('resync')
    again.send({ t: 'have', entries: [{ address: notes, generation: 1, clock: [] }], last: true })
    expect(await again.expect('gone')).toMatchObject({ address: notes, reason: 'unknown' })
    await again.expect('synced')
  })
})
