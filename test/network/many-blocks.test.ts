/** Replicas of many blocks: opening, watching and coming back cost what there is to say, and nothing goes missing. */

import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type BlockHandle, splice, type WatchedBlock } from '../../plugin-sdk/memory/index.ts'
import type { BlockAddress, ReplicaId } from '../../protocol/index.ts'
import { alice, bob } from '../fixtures/cast.ts'
import { RawReplica } from '../fixtures/raw-replica.ts'
import { type PluginInWorld, SyncWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
const addressOf = (n: number) => `space:home/note${n}` as BlockAddress

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  await world.approve(alice, ...everything)
  await world.approve(bob, ...everything)
})

afterEach(async () => {
  await world.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 5 })

async function open({ memory }: PluginInWorld, address: string): Promise<BlockHandle<'text'>> {
  await memory.prepare(address)
  return memory.open(address, 'text')
}

/** Blocks with their number as text, durable at the daemon. */
async function write(count: number, from = 0): Promise<BlockHandle<'text'>[]> {
  const writer = world.plugin(alice)
  writer.connect()
  const blocks = Array.from({ length: count }, (_, n) => writer.memory.open(addressOf(from + n), 'text'))
  for (const [n, block] of blocks.entries()) block.change((doc) => splice(doc, ['text'], 0, 0, `${from + n}`))
  await Promise.all(blocks.map((block) => block.flushed()))
  return blocks
}

/** The cursor that bob's replica has covers everything. */
const synced = (): Promise<void> =>
  until(() => expect(world.frames.findLast(({ to }) => to === 'bob')?.frame.t).toBe('synced'))

async function stop({ memory }: PluginInWorld): Promise<void> {
  await memory.beforeStop()
  await memory.stop()
}

describe('a block that is deleted while a replica that has it is told of many others', () => {
  it('is gone there as well', async () => {
    const count = 300
    const blocks = await write(count)
    const watch = blocks.map(({ address }) => address)
    const first = new RawReplica(world, bob)
    first.open(watch)
    const { cursor } = await first.expect('synced')
    first.end()
    for (const block of blocks) block.change((doc) => splice(doc, ['text'], 0, 0, 'more '))
    await Promise.all(blocks.map((block) => block.flushed()))
    const again = new RawReplica(world, bob)
    again.send({ t: 'open', replica: again.replica, accept: ['raw'], watch, own: [], cursor })
    await again.expect('block')
    const { id = 0 } = world.log.index.at(addressOf(count - 1)) ?? {}
    const origin = { peer: alice.peer, replica: '0'.repeat(32) as ReplicaId }
    await world.log.watcherComponents.committer.submit([{ kind: 'delete', block: id, origin, grantVersion: 1 }])
    expect(
      world.frames.filter(({ to, frame: { label } }) => to === 'bob' && label === `note${count - 1}`),
    ).toHaveLength(1)
    expect(await again.expect('gone')).toMatchObject({ address: addressOf(count - 1), reason: 'deleted' })
  })
})

describe('more blocks than there may be patterns', () => {
  it('are opened in one turn, and each is live only with its content', async () => {
    await write(1_200)
    const reader = world.plugin(bob)
    reader.connect()
    const blocks = Array.from({ length: 1_200 }, (_, n) => reader.memory.open(addressOf(n), 'text'))
    await Promise.all(blocks.map((block) => block.live()))
    expect(blocks.map((block) => block.value.text)).toEqual(blocks.map((_, n) => `${n}`))
  })

  it('are followed by the next process, which hears of nothing twice', async () => {
    const [first] = await write(600)
    const path = join(tempDir(), 'b.db')
    const reader = await world.storedPlugin(bob, path)
    reader.connect()
    const blocks = await Promise.all(Array.from({ length: 600 }, (_, n) => open(reader, addressOf(n))))
    // Its own too, as many as name more actors than one frame holds.
    for (const block of blocks) block.change((doc) => splice(doc, ['text'], doc.text.length, 0, '!'))
    await Promise.all(blocks.map((block) => block.flushed()))
    await synced()
    await stop(reader)
    first?.change((doc) => splice(doc, ['text'], 0, 0, 'new '))
    await first?.flushed()

    world.frames.length = 0
    const again = await world.storedPlugin(bob, path)
    again.connect()
    const changed = await open(again, addressOf(0))
    await until(() => expect(changed.value.text).toBe('new 0!'))
    await changed.live()
    expect(world.count('open-more', 'daemon')).toBeGreaterThan(0)
    expect(world.count('resync', 'bob')).toBe(0)
    expect(world.count('delta', 'bob')).toBe(1)
    expect(world.count('delta', 'daemon')).toBe(0)
    const quiet = await open(again, addressOf(7))
    expect(quiet.value.text).toBe('7!')
    await quiet.live()
    quiet.change((doc) => splice(doc, ['text'], 0, 0, '?'))
    await quiet.flushed()
  })
})

describe('a watched pattern', () => {
  it('brings the blocks there are and those that are made later; one is read when it is opened', async () => {
    await write(20)
    const reader = world.plugin(bob)
    const watch = reader.memory.watch('space:home/*')
    const told: WatchedBlock[] = []
    watch.on('block', (block) => told.push(block))
    reader.connect()
    await until(() => expect(told).toHaveLength(20))
    await write(1, 20)
    await until(() => expect(watch.blocks).toHaveLength(21))
    expect(told.at(-1)).toEqual({ address: addressOf(20), schema: 'text', meta: {} })
    const block = reader.memory.open(addressOf(20), 'text')
    await block.live()
    // It was told of when it was made; what was written into it then is a change like any other.
    await until(() => expect(block.value.text).toBe('20'))
    // Known by the pattern: nothing had to be asked for.
    expect(world.frames.filter(({ from, frame }) => from === 'bob' && frame.t === 'create')).toEqual([])
    block.change((doc) => splice(doc, ['text'], 0, 0, 'mine '))
    await block.flushed()
  })

  it('is kept on disk, is there before the daemon is, and is not sent again', async () => {
    await write(30)
    const path = join(tempDir(), 'b.db')
    const first = await world.storedPlugin(bob, path)
    const watch = first.memory.watch('space:home/*')
    first.connect()
    await until(() => expect(watch.blocks).toHaveLength(30))
    await until(() => expect(world.count('delta', 'bob')).toBe(30))
    await synced()
    await stop(first)

    const offline = await world.storedPlugin(bob, path)
    expect(offline.memory.watch('space:home/*').blocks).toHaveLength(30)
    expect((await open(offline, addressOf(3))).value.text).toBe('3')
    world.frames.length = 0
    offline.connect()
    await (await open(offline, addressOf(3))).live()
    expect(world.count('resync', 'bob')).toBe(0)
    expect(world.count('delta', 'bob')).toBe(0)
  })

  it('that is stopped keeps what was opened and lets go of the rest', async () => {
    await write(3)
    const path = join(tempDir(), 'b.db')
    const reader = await world.storedPlugin(bob, path)
    const watch = reader.memory.watch('space:home/*')
    reader.connect()
    await until(() => expect(watch.blocks).toHaveLength(3))
    const kept = await open(reader, addressOf(1))
    await kept.live()
    watch.stop()
    await until(() => expect(world.count('gone', 'bob')).toBe(2))
    expect(kept.state).toBe('live')
    await stop(reader)
    const again = await world.storedPlugin(bob, path)
    expect(again.memory.watch('space:*/*').blocks.map(({ address }) => address)).toEqual([addressOf(1)])
  })

  it('is one with a star, and there may not be endlessly many', () => {
    const { memory } = world.plugin(bob)
    expect(() => memory.watch('space:home/notes')).toThrow(/invalid|shape/)
    expect(() => memory.watch('home')).toThrow(/shape/)
    for (let n = 0; n < 256; n++) memory.watch(`space:home${n}/*`)
    expect(() => memory.watch('space:more/*')).toThrow(/maxWatches/)
    // The same one again is no other.
    memory.watch('space:home1/*')
  })
})

describe('a watch right behind an open with a cursor', () => {
  it('is sent what it names, which the cursor does not speak of', async () => {
    await write(1)
    const first = new RawReplica(world, bob)
    first.open()
    const { cursor } = await first.expect('synced')
    first.end()
    const next = new RawReplica(world, bob)
    next.send({ t: 'open', replica: next.replica, accept: ['raw'], watch: [], own: [], cursor })
    next.send({ t: 'watch', pattern: addressOf(0) })
    await next.expect('delta')
  })
})
