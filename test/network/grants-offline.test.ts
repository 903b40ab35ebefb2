/** Blocks that were deleted, and rights that were narrowed or widened, while a replica was away or only wrote. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BlockHandle } from '../../plugin-sdk/memory/handle.ts'
import { splice } from '../../plugin-sdk/memory/index.ts'
import type { BlockAddress } from '../../protocol/index.ts'
import { decodeRun } from '../../protocol/sync/index.ts'
import { alice, bob, mallory, type Person } from '../fixtures/cast.ts'
import { type PluginInWorld, SyncWorld } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes' as BlockAddress
const rights = (...names: string[]): string[] => names.map((right) => `blocks:${right}:space:home/*`)
const everything = rights('read', 'write', 'create')

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  for (const who of [alice, bob]) await world.approve(who, ...everything)
})

afterEach(async () => {
  await world.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })
const type = (handle: BlockHandle<'text'>, text: string): Promise<void> => {
  handle.change((doc) => splice(doc, ['text'], doc.text.length, 0, text))
  return handle.flushed()
}

interface Joined {
  readonly plugin: PluginInWorld
  readonly handle: BlockHandle<'text'>
  end(): void
}

async function join(who: Person): Promise<Joined> {
  const plugin = world.plugin(who)
  const handle = plugin.memory.open(notes, 'text')
  const end = plugin.connect()
  await handle.live()
  return { plugin, handle, end }
}

async function leave({ end, handle }: Joined): Promise<void> {
  end()
  await until(() => expect(handle.state).toBe('offline'))
}

async function remove(): Promise<void> {
  const row = world.log.index.at(notes)
  if (row === undefined) throw new Error('no block to be deleted')
  const by = { origin: { peer: alice.peer, replica: '1'.repeat(32) as never } }
  const { grantVersion } = world.grants.get(alice.peer) ?? { grantVersion: 0 }
  await world.log.watcherComponents.committer.submit([{ kind: 'delete', block: row.id, ...by, grantVersion }])
}

const gone = (name: string): unknown[] =>
  world.frames.flatMap(({ to, frame }) => (to === name && frame.t === 'gone' ? [frame.reason] : []))

describe('a block that a replica may write and not read', () => {
  let writer: Joined

  beforeEach(async () => {
    await join(alice)
    await world.approve(mallory, ...rights('write'))
    writer = await join(mallory)
    await type(writer.handle, 'written ')
    await until(() => expect(world.count('synced', 'mallory')).toBeGreaterThan(0))
    await leave(writer)
  })

  it('is gone for it when it comes back, if it was deleted while it was away', async () => {
    await remove()
    writer.plugin.connect()
    await until(() => expect(writer.handle.state).toBe('gone'))
    expect(gone('mallory')).toEqual(['deleted'])
  })

  it('is gone for it when it is deleted while it has said nothing since it came back', async () => {
    world.frames.length = 0
    writer.plugin.connect()
    await until(() => expect(world.count('synced', 'mallory')).toBeGreaterThan(0))
    await remove()
    await until(() => expect(writer.handle.state).toBe('gone'))
    expect(world.count('block', 'mallory')).toBe(0)
  })

  it('is gone for it although it gets the right to read only afterwards, and what is made anew is there', async () => {
    await remove()
    writer.plugin.connect()
    await until(() => expect(world.count('synced', 'mallory')).toBeGreaterThan(1))
    await world.approve(mallory, ...rights('write', 'read'))
    await until(() => expect(writer.handle.state).toBe('gone'))
    await type((await join(bob)).handle, 'anew')
    await until(() => expect([writer.handle.state, writer.handle.value.text]).toEqual(['live', 'anew']))
    expect(gone('mallory')).toEqual(['deleted'])
  })

  it('is the new one for it when it was deleted and made again, and what it wrote for the old one is kept', async () => {
    await remove()
    await type((await join(bob)).handle, 'anew')
    writer.handle.change((doc) => splice(doc, ['text'], 0, 0, 'too late '))
    writer.plugin.connect()
    await until(() => expect(writer.handle.refused).toMatchObject([{ code: 'block-deleted' }]))
    await until(() => expect(writer.handle.state).toBe('live'))
    await type(writer.handle, 'written')
    expect(world.log.index.at(notes)?.changes).toBe(2)
  })
})

describe('a replica that was away', () => {
  it('is in step again after its pattern was narrowed and widened, and is sent only what it lacks', async () => {
    const [a, b] = [await join(alice), await join(bob)]
    await type(a.handle, 'one ')
    await until(() => expect(b.handle.value.text).toBe('one '))
    await leave(b)
    b.handle.change((doc) => splice(doc, ['text'], 0, 0, 'mine '))
    await world.approve(bob, 'blocks:read:space:garden/*')
    await type(a.handle, 'two ')
    await world.approve(bob, ...everything)
    await type(a.handle, 'three ')
    world.frames.length = 0
    b.plugin.connect()
    await b.handle.flushed()
    await until(() => expect([b.handle.state, b.handle.value.text]).toEqual(['live', 'mine one two three ']))
    await until(() => expect(a.handle.value.text).toBe('mine one two three '))
    const sent = world.frames.flatMap(({ to, frame }) =>
      to === 'bob' && frame.run instanceof Uint8Array ? [frame.run] : [],
    )
    expect([sent.flatMap(decodeRun).length, gone('bob')]).toEqual([2, []])
  })

  it('is shown nothing of a narrowed session, keeps what it has, and goes on when it is widened', async () => {
    const [a, b] = [await join(alice), await join(bob)]
    await type(a.handle, 'one ')
    await until(() => expect(b.handle.value.text).toBe('one '))
    await leave(b)
    await world.approve(bob, 'blocks:read:space:garden/*')
    const end = b.plugin.connect()
    await until(() => expect([b.handle.state, b.handle.reason]).toEqual(['gone', 'out-of-scope']))
    world.frames.length = 0
    await type(a.handle, 'two ')
    end()
    await world.approve(bob, ...everything)
    expect(world.count('delta', 'bob')).toBe(0)
    b.plugin.connect()
    await until(() => expect([b.handle.state, b.handle.value.text]).toEqual(['live', 'one two ']))
  })

  it.each([
    ['that could read it', rights('read', 'write')],
    ['that could only write it', rights('write')],
  ])('%s gets the new one of a block that was deleted and made again under a wider grant', async (_who, before) => {
    const a = await join(alice)
    await type(a.handle, 'old ')
    await world.approve(mallory, ...before)
    const m = await join(mallory)
    await leave(m)
    m.handle.change((doc) => splice(doc, ['text'], 0, 0, 'offline '))
    await remove()
    await until(() => expect(a.handle.state).toBe('gone'))
    const b = await join(bob)
    await type(b.handle, 'new ')
    await world.approve(mallory, ...everything)
    m.plugin.connect()
    await until(() => expect([m.handle.state, m.handle.value.text]).toEqual(['live', 'new ']))
    expect(m.handle.refused).toMatchObject([{ code: 'block-deleted' }])
    await type(m.handle, 'and on')
    await until(() => expect(b.handle.value.text).toBe('new and on'))
  })

  it('makes a block offline that others made and deleted meanwhile, and loses nothing of it', async () => {
    const b = world.plugin(bob)
    b.memory.watch('space:home/*')
    const end = b.connect()
    await until(() => expect(world.count('synced', 'bob')).toBeGreaterThan(0))
    end()
    const handle = b.memory.open(notes, 'text')
    handle.change((doc) => splice(doc, ['text'], 0, 0, 'mine'))
    await type((await join(alice)).handle, 'theirs')
    await remove()
    b.connect()
    await handle.flushed()
    await until(() => expect([handle.state, handle.value.text, handle.refused]).toEqual(['live', 'mine', []]))
  })
})
