/** Block sync between real replicas and the real log: what is said, and what comes of it. */
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { splice } from '../../plugin-sdk/memory/index.ts'
import { alice, bob } from '../fixtures/cast.ts'
import { actorOf, insert, RawReplica, textDoc } from '../fixtures/raw-replica.ts'
import { SyncWorld } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  await world.approve(alice, ...everything)
  await world.approve(bob, ...everything)
})

afterEach(async () => {
  await world.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })

describe('two plugins and one block', () => {
  it('brings what one writes to the other, and never back to the writer', async () => {
    const a = world.plugin(alice)
    const b = world.plugin(bob)
    a.connect()
    const mine = a.memory.open(notes, 'text')
    await mine.live()
    b.connect()
    const theirs = b.memory.open(notes, 'text')
    await theirs.live()

    for (const [index, letter] of [...'hello'].entries()) {
      mine.change((doc) => splice(doc, ['text'], index, 0, letter))
      await mine.flushed()
    }
    await until(() => expect(theirs.value.text).toBe('hello'))
    expect(world.count('delta', 'bob')).toBeGreaterThan(0)
    expect(world.count('delta', 'alice')).toBe(0)

    theirs.change((doc) => splice(doc, ['text'], 5, 0, '!'))
    await until(() => expect(mine.value.text).toBe('hello!'))
    expect(world.count('delta', 'alice')).toBe(1)
  })

  it('tells a newcomer the whole block in one conversation', async () => {
    const a = world.plugin(alice)
    a.connect()
    const mine = a.memory.open(notes, 'text')
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'before'))
    await mine.flushed()
    await mine.live()
    const b = world.plugin(bob)
    world.frames.length = 0
    b.connect()
    const theirs = b.memory.open(notes, 'text')
    await theirs.live()
    await until(() => expect(theirs.value.text).toBe('before'))
    expect(world.count('delta', 'bob')).toBe(1)
  })

  it('sends another replica of the same key what the first wrote', async () => {
    const first = world.plugin(alice, 'one')
    const second = world.plugin(alice, 'two')
    first.connect()
    second.connect()
    const here = first.memory.open(notes, 'text')
    const there = second.memory.open(notes, 'text')
    await Promise.all([here.live(), there.live()])
    here.change((doc) => splice(doc, ['text'], 0, 0, 'same key'))
    await until(() => expect(there.value.text).toBe('same key'))
  })
})

describe('what travels', () => {
  it('is packed both ways, and raw for a replica that reads nothing else', async () => {
    const a = world.plugin(alice)
    const b = world.plugin(bob)
    a.connect()
    b.connect()
    const mine = a.memory.open(notes, 'text')
    const theirs = b.memory.open(notes, 'text')
    await Promise.all([mine.live(), theirs.live()])
    const plain = new RawReplica(world, alice)
    plain.open([notes])
    await plain.expect('synced')
    world.frames.length = 0
    for (let index = 0; index < 200; index++) mine.change((doc) => splice(doc, ['text'], index, 0, 'x'))
    await until(() => expect(theirs.value.text).toHaveLength(200))
    const runsTo = (name: string) =>
      world.frames.flatMap(({ frame, to }) => (frame.t === 'delta' && to === name ? [frame.run as Uint8Array] : []))
    const bytesTo = (name: string): number => runsTo(name).reduce((sum, run) => sum + run.byteLength, 0)
    expect(bytesTo('daemon')).toBeLessThan(12 * 200)
    expect(bytesTo('bob')).toBeLessThan(12 * 200)
    const { run } = await plain.expect('delta')
    expect(run[0]).toBe(0)
    expect(run.byteLength).toBeGreaterThan(80 * 200)
    plain.end()
  })
})

describe('a connection that ends', () => {
  it('resumes with the missing changes only', async () => {
    const a = world.plugin(alice)
    const b = world.plugin(bob)
    a.connect()
    let end = b.connect()
    const mine = a.memory.open(notes, 'text')
    const theirs = b.memory.open(notes, 'text')
    await Promise.all([mine.live(), theirs.live()])
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'one '))
    await until(() => expect(theirs.value.text).toBe('one '))
    // The cursor of the caught-up replica.
    await until(() => expect(world.count('synced', 'bob')).toBeGreaterThan(1))
    end()
    await until(() => expect(theirs.state).toBe('offline'))
    mine.change((doc) => splice(doc, ['text'], 4, 0, 'two '))
    theirs.change((doc) => splice(doc, ['text'], 0, 0, 'zero '))
    await mine.flushed()
    world.frames.length = 0
    end = b.connect()
    await until(() => expect(theirs.value.text).toBe('zero one two '))
    await until(() => expect(mine.value.text).toBe('zero one two '))
    await theirs.flushed()
    expect(world.count('delta', 'bob')).toBe(1)
    end()
  })

  it('is not sent what it says that it holds of its own', async () => {
    const raw = new RawReplica(world, alice)
    raw.open([notes])
    await raw.create(notes, 1)
    const { cursor } = await raw.expect('synced')
    const actor = actorOf(alice)
    const { bytes } = insert(textDoc(actor), 0, 'mine')
    raw.submit([bytes])
    await raw.settled(1)
    raw.end()
    const { hash } = A.decodeChange(bytes)
    const held = { address: notes, generation: 1, actor, seq: 1, hash }
    world.frames.length = 0

    const again = new RawReplica(world, alice)
    again.send({ t: 'open', replica: again.replica, accept: ['raw'], watch: [notes], own: [held], cursor })
    expect(await again.expect('block')).toMatchObject({ held: [{ actor, seq: 1 }] })
    await again.expect('synced')
    expect(world.count('delta', 'alice')).toBe(0)
    again.end()

    const forgot = new RawReplica(world, alice)
    forgot.send({ t: 'open', replica: forgot.replica, accept: ['raw'], watch: [notes], own: [], cursor })
    await forgot.expect('synced')
    expect(world.count('delta', 'alice')).toBe(1)
    forgot.end()
  })

  it('loses nothing and sends nothing twice when the daemon starts again', async () => {
    const a = world.plugin(alice)
    let end = a.connect()
    const mine = a.memory.open(notes, 'text')
    await mine.live()
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'kept'))
    await mine.flushed()
    end()
    await world.restart()
    mine.change((doc) => splice(doc, ['text'], 4, 0, ' and new'))
    end = a.connect()
    await mine.flushed()
    await mine.live()
    const b = world.plugin(bob)
    b.connect()
    const theirs = b.memory.open(notes, 'text')
    await until(() => expect(theirs.value.text).toBe('kept and new'))
    const row = world.log.index.at(mine.address)
    expect(row?.changes).toBe(2)
  })
})

describe('a block that was deleted and made again while its reader was away', () => {
  it('is the new one to the reader, and what it wrote for the old one is kept aside', async () => {
    const a = world.plugin(alice)
    const b = world.plugin(bob)
    const leave = a.connect()
    b.connect()
    const mine = a.memory.open(notes, 'text')
    const theirs = b.memory.open(notes, 'text')
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'old'))
    await mine.flushed()
    await until(() => expect(theirs.value.text).toBe('old'))
    // The cursor that it comes back with covers the old block.
    world.frames.length = 0
    await until(() => expect(world.count('synced', 'alice')).toBeGreaterThan(0))
    leave()
    await until(() => expect(mine.state).toBe('offline'))
    theirs.change((doc) => splice(doc, ['text'], 3, 0, ' and more'))
    await theirs.flushed()
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'offline '))
    const row = world.log.index.at(mine.address)
    const origin = { peer: bob.peer, replica: '0'.repeat(32) as never }
    const by = { origin, grantVersion: world.grants.get(bob.peer)?.grantVersion ?? 0 }
    await world.log.watcherComponents.committer.submit([{ kind: 'delete', block: row?.id ?? 0, ...by }])
    await until(() => expect(theirs.state).toBe('gone'))
    const again = new RawReplica(world, bob)
    await again.begin(notes)

    world.frames.length = 0
    a.connect()
    await until(() => expect(mine.refused).toMatchObject([{ code: 'block-deleted' }]))
    await mine.live()
    expect(mine.value.text).toBe('')
    // Neither what was in the old one nor its end, which would be taken for something about the new one.
    const gone = world.frames.filter(
      ({ to, frame }) => to === 'alice' && frame.t === 'gone' && frame.reason === 'deleted',
    )
    expect([world.count('delta', 'alice'), gone.length]).toEqual([0, 0])
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'new'))
    await mine.flushed()
    const made = world.log.index.at(mine.address)
    expect(made?.changes).toBe(1)
    expect(made?.generation).toBeGreaterThan(1)
  })
})

describe('grants', () => {
  it('refuses edits without the right to write, keeps them aside and goes on', async () => {
    await world.approve(bob, 'blocks:read:space:home/*')
    const a = world.plugin(alice)
    a.connect()
    const mine = a.memory.open(notes, 'text')
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'mine'))
    await mine.flushed()
    const b = world.plugin(bob)
    b.connect()
    const theirs = b.memory.open(notes, 'text')
    await until(() => expect(theirs.value.text).toBe('mine'))
    theirs.change((doc) => splice(doc, ['text'], 0, 0, 'not '))
    await expect(theirs.flushed()).rejects.toMatchObject({ code: 'grant-missing' })
    expect(theirs.value.text).toBe('mine')
    expect(theirs.refused).toHaveLength(1)
    expect(theirs.state).toBe('denied')
    expect(mine.value.text).toBe('mine')
    mine.change((doc) => splice(doc, ['text'], 4, 0, '!'))
    await until(() => expect(theirs.value.text).toBe('mine!'))
  })

  it('settles every edit of a block that may not be made, and makes it once it may', async () => {
    await world.approve(bob, 'blocks:read:space:home/*')
    const b = world.plugin(bob)
    b.connect()
    const block = b.memory.open(notes, 'text')
    for (const count of [1, 2]) {
      await until(() => expect(block.state).toBe('denied'))
      block.change((doc) => splice(doc, ['text'], 0, 0, 'not '))
      await expect(block.flushed()).rejects.toMatchObject({ code: 'grant-missing' })
      expect(block.refused).toHaveLength(count)
    }
    await world.approve(bob, ...everything)
    block.change((doc) => splice(doc, ['text'], 0, 0, 'made'))
    await block.flushed()
    block.change((doc) => splice(doc, ['text'], 4, 0, ' and more'))
    await block.flushed()
    expect(block).toMatchObject({ state: 'live', pending: 0 })
    expect(world.log.index.at(block.address)?.changes).toBe(2)
  })

  it('keeps a block of another schema apart, and the other blocks of the replica in step', async () => {
    const a = world.plugin(alice)
    const b = world.plugin(bob)
    a.connect()
    b.connect()
    const mine = a.memory.open(notes, 'text')
    const asMap = b.memory.open(notes, 'map')
    const other = b.memory.open('space:home/other', 'text')
    await mine.live()
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'text'))
    await mine.flushed()
    await until(() => expect(asMap.state).toBe('denied'))
    await other.live()
    other.change((doc) => splice(doc, ['text'], 0, 0, 'fine'))
    await other.flushed()
    expect(Object.keys(asMap.value.map)).toEqual([])
    expect(world.count('done', 'bob')).toBe(0)
  })

  it('does not tell whether a block exists to who may not know', async () => {
    await world.approve(bob, 'blocks:read:space:garden/*')
    const a = world.plugin(alice)
    a.connect()
    await a.memory.open(notes, 'text').live()
    const b = world.plugin(bob)
    b.connect()
    const known = b.memory.open(notes, 'text')
    const unknown = b.memory.open('space:home/nothing', 'text')
    await until(() => expect([known.state, unknown.state]).toEqual(['denied', 'denied']))
    expect(known.reason.replace('notes', 'nothing')).toBe(unknown.reason)
  })
})
