/** What is said of a block beside its content: who is told of it, when, and how often. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BlockHandle } from '../../plugin-sdk/memory/handle.ts'
import { splice } from '../../plugin-sdk/memory/index.ts'
import { type BlockAddress, type BlockMeta, limits } from '../../protocol/index.ts'
import { alice, bob, mallory, type Person } from '../fixtures/cast.ts'
import { ManualClock } from '../fixtures/clock.ts'
import { RawReplica } from '../fixtures/raw-replica.ts'
import { RestorableWorld } from '../fixtures/restorable-world.ts'
import { type PluginInWorld, SyncWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const notes = 'space:home/notes' as BlockAddress
const rights = (...names: string[]): string[] => names.map((right) => `blocks:${right}:space:home/*`)
const everything = rights('read', 'write', 'create', 'admin')
const cursor = (name: string): number => world.count('synced', name)

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  for (const who of [alice, bob, mallory]) await world.approve(who, ...everything)
})

afterEach(async () => {
  await world.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })
const by = (who: Person, of = world) => {
  const grantVersion = of.grants.get(who.peer)?.grantVersion ?? 0
  return { origin: { peer: who.peer, replica: '1'.repeat(32) as never }, grantVersion }
}
const say = (description: string, of = world): Promise<unknown> =>
  of.log.describe(notes, { description }, by(alice, of))

/** Frames of the block that speak of it beside its content. */
const told = (name: string, of = world): number => of.count('meta', name) + of.count('block', name)

interface Reader {
  readonly plugin: PluginInWorld
  readonly handle: BlockHandle<'text'>
  readonly seen: (string | undefined)[]
  end(): void
}

async function reader(who: Person, plugin = world.plugin(who), connect = () => plugin.connect()): Promise<Reader> {
  const handle = plugin.memory.open(notes, 'text')
  const seen: (string | undefined)[] = []
  handle.on('meta', ({ meta }) => seen.push(meta.description))
  const end = connect()
  await handle.live()
  return { plugin, handle, seen, end }
}

async function leave({ end, handle }: Reader): Promise<void> {
  end()
  await until(() => expect(handle.state).toBe('offline'))
}

describe('what is said of a block', () => {
  it('is there for everyone who reads it as soon as it is said, in one frame each', async () => {
    const [a, b] = [await reader(alice), await reader(bob)]
    const watch = b.plugin.memory.watch('space:home/*')
    const news: BlockMeta[] = []
    watch.on('meta', ({ meta }) => news.push(meta))
    world.frames.length = 0
    await say('for later')
    await until(() => expect([a.handle.meta, b.handle.meta]).toEqual([{ description: 'for later' }, a.handle.meta]))
    await say('')
    await until(() => expect([a.handle.meta, b.handle.meta]).toEqual([{}, {}]))
    expect([a.seen, b.seen]).toEqual([
      ['for later', undefined],
      ['for later', undefined],
    ])
    expect(news).toEqual([{ description: 'for later' }, {}])
    await say('')
    b.handle.change((doc) => splice(doc, ['text'], 0, 0, 'x'))
    await until(() => expect(a.handle.value.text).toBe('x'))
    expect([world.count('meta', 'alice'), world.count('meta', 'bob'), world.count('block', 'bob')]).toEqual([2, 2, 0])
  })

  it('reaches a replica that was away, once, also over a restart of the daemon and beside edits', async () => {
    const [a, b] = [await reader(alice), await reader(bob)]
    await until(() => expect(cursor('bob')).toBeGreaterThan(0))
    await leave(b)
    await say('first')
    a.handle.change((doc) => splice(doc, ['text'], 0, 0, 'edit'))
    await a.handle.flushed()
    await say('second')
    await leave(a)
    await world.restart()
    world.frames.length = 0
    b.plugin.connect()
    await until(() => expect([b.handle.meta, b.handle.value.text]).toEqual([{ description: 'second' }, 'edit']))
    await until(() => expect(cursor('bob')).toBeGreaterThan(0))
    expect([b.seen, told('bob'), world.count('resync', 'bob')]).toEqual([['second'], 1, 0])
  })

  it('is not said again to who has read that far', async () => {
    const b = await reader(bob)
    await say('known')
    await until(() => expect(b.handle.meta).toEqual({ description: 'known' }))
    const before = cursor('bob')
    await until(() => expect(cursor('bob')).toBeGreaterThan(before))
    await leave(b)
    world.frames.length = 0
    b.plugin.connect()
    await until(() => expect(cursor('bob')).toBeGreaterThan(0))
    expect([told('bob'), b.seen]).toEqual([0, ['known']])
  })

  it('is part of the answer to a replica that has to say what it has', async () => {
    const b = await reader(bob)
    await leave(b)
    await say('meanwhile')
    // Another grant is another view: no cursor of before counts.
    await world.approve(bob, ...everything)
    world.frames.length = 0
    b.plugin.connect()
    await until(() => expect(b.handle.meta).toEqual({ description: 'meanwhile' }))
    await until(() => expect(cursor('bob')).toBeGreaterThan(0))
    expect([world.count('resync', 'bob'), world.count('meta', 'bob'), b.seen]).toEqual([1, 0, ['meanwhile']])
  })

  it('is kept on disk, and there for a plugin that starts without a daemon', async () => {
    const path = `${tempDir()}/b.db`
    const b = await reader(bob, await world.storedPlugin(bob, path))
    await say('on disk')
    await until(() => expect(b.handle.meta).toEqual({ description: 'on disk' }))
    await b.handle.saved()
    b.end()
    await b.plugin.memory.stop()
    const again = await world.storedPlugin(bob, path)
    await again.memory.prepare(notes)
    const handle = again.memory.open(notes, 'text')
    expect([handle.state, handle.meta]).toEqual(['offline', { description: 'on disk' }])
    expect(again.memory.watch('space:home/*').blocks).toMatchObject([{ meta: { description: 'on disk' } }])
  })

  it('is not told to who may write there and not read', async () => {
    const reading = await reader(alice)
    await say('between readers')
    await world.approve(mallory, ...rights('write'))
    const raw = new RawReplica(world, mallory)
    raw.open()
    raw.send({ t: 'watch', pattern: notes })
    const seen = await raw.create(notes, 1)
    expect(seen).toMatchObject({ meta: {}, metaAtMs: 0 })
    await say('still between readers')
    await until(() => expect(reading.seen).toHaveLength(2))
    reading.handle.change((doc) => splice(doc, ['text'], 0, 0, 'x'))
    await reading.handle.flushed()
    expect(world.count('meta', 'mallory')).toBe(0)
    // Given the right, it is told at once what it was not told before.
    raw.end()
    await world.approve(mallory, ...rights('write', 'read'))
    const m = await reader(mallory)
    expect(m.handle.meta).toEqual({ description: 'still between readers' })
  })

  it('begins anew with a block that is made in place of a deleted one', async () => {
    const b = await reader(bob)
    await say('of the old one')
    await until(() => expect(b.handle.meta).toEqual({ description: 'of the old one' }))
    const { committer } = world.log.watcherComponents
    await committer.submit([{ kind: 'delete', block: world.log.index.at(notes)?.id ?? 0, ...by(alice) }])
    await until(() => expect(b.handle.state).toBe('gone'))
    await expect(say('too late')).rejects.toMatchObject({ code: 'block-not-found' })
    await reader(alice)
    await until(() => expect(b.handle.state).toBe('live'))
    expect([b.handle.meta, b.seen]).toEqual([{}, ['of the old one', undefined]])
  })
})

describe('who changes what is said of a block', () => {
  it('is refused while suspended, under a grant that was changed, and where there is no block', async () => {
    await reader(alice)
    await expect(world.log.describe('space:home/none' as BlockAddress, {}, by(alice))).rejects.toMatchObject({
      code: 'block-not-found',
    })
    const old = by(alice)
    await world.approve(alice, ...everything)
    await expect(world.log.describe(notes, { description: 'x' }, old)).rejects.toMatchObject({ code: 'grant-changed' })
    const block = world.log.index.at(notes)?.id ?? 0
    const suspend = [{ peer: alice.peer, reason: 'a change of it fails' }]
    const { committer } = world.log.watcherComponents
    await committer.submit([{ kind: 'quarantine', ...by(bob), block, changes: [], suspend, atMs: 1 }])
    await expect(say('x')).rejects.toMatchObject({ code: 'suspended' })
    expect(world.log.index.at(notes)?.meta).toEqual({})
  })

  it('pays for it like for edits, so that others are not kept busy by it', async () => {
    const clock = new ManualClock()
    const slow = await SyncWorld.open(undefined, { clock })
    try {
      await slow.approve(alice, ...everything)
      const a = await reader(alice, slow.plugin(alice))
      const most = limits.maxOpsPerPeerSecond / 500
      const outcomes = await Promise.allSettled(Array.from({ length: most + 5 }, (_, n) => say(`${n}`, slow)))
      const refused = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []))
      expect([outcomes.length - refused.length, new Set(refused)]).toEqual([most, new Set(['rate-limited'])])
      expect(a.handle.state).toBe('live')
      await slow.log.describe(notes, { description: 'by the daemon' })
      await until(() => expect(a.handle.meta).toEqual({ description: 'by the daemon' }))
    } finally {
      await slow.close()
    }
  })
})

describe('a daemon that was set back', () => {
  let daemon: RestorableWorld
  const of = () => daemon.world.log.index.at(notes)

  beforeEach(async () => {
    daemon = await RestorableWorld.open(new Map([alice, bob, mallory].map((who) => [who, everything])))
  })

  afterEach(async () => {
    await daemon.close()
  })

  const join = (who: Person): Promise<Reader> => {
    const plugin = daemon.world.plugin(who)
    return reader(who, plugin, () => daemon.connect(plugin))
  }

  it('takes back what it said last, from whoever was told, once', async () => {
    const [a, b] = [await join(alice), await join(bob)]
    await say('in the backup', daemon.world)
    const backup = await daemon.backUp()
    await say('lost', daemon.world)
    await until(() => expect([a.seen, b.seen]).toEqual([a.seen, ['in the backup', 'lost']]))
    await until(() => expect(a.seen).toHaveLength(2))
    for (const each of [a, b]) await leave(each)
    await daemon.restore(backup)
    await daemon.world.approve(bob, ...rights('read'))
    daemon.connect(b.plugin)
    await until(() => expect(of()?.meta).toEqual({ description: 'lost' }))
    daemon.connect(a.plugin)
    await until(() => expect([a.handle.state, b.handle.state]).toEqual(['live', 'live']))
    await until(() => expect(daemon.world.count('synced', 'alice')).toBeGreaterThan(0))
    expect([a.handle.meta, a.seen.length, b.handle.meta, b.seen.length]).toEqual([of()?.meta, 2, of()?.meta, 2])
    expect(daemon.world.frames.filter(({ frame }) => frame.t === 'create')).toHaveLength(1)
  })

  it('stays with what was said since, and tells that to who was told otherwise', async () => {
    const b = await join(bob)
    const backup = await daemon.backUp()
    await say('lost', daemon.world)
    await until(() => expect(b.seen).toEqual(['lost']))
    await leave(b)
    await daemon.restore(backup)
    await say('since', daemon.world)
    daemon.connect(b.plugin)
    await until(() => expect(b.seen).toEqual(['lost', 'since']))
    expect(of()?.meta).toEqual({ description: 'since' })
  })

  it('is given a block back by who was not told of it, and what was said of it by who was', async () => {
    const backup = await daemon.backUp()
    const b = await join(bob)
    await say('lost with the block', daemon.world)
    await until(() => expect(b.seen).toEqual(['lost with the block']))
    await daemon.world.approve(mallory, ...rights('write', 'create'))
    const raw = new RawReplica(daemon.world, mallory)
    raw.open()
    const { generation, owner, createdAtMs, metaAtMs, seal } = await raw.create(notes, 1)
    await leave(b)
    raw.end()
    await daemon.restore(backup)
    await daemon.world.approve(mallory, ...rights('write', 'create'))
    const again = new RawReplica(daemon.world, mallory)
    again.open()
    const claim = { generation, sealed: { owner, createdAtMs, metaAtMs, seal } }
    again.send({ t: 'create', handle: 1, scope: 'space:home', label: 'notes', schema: 'text', meta: {}, ...claim })
    await again.expect('block')
    expect(of()).toMatchObject({ generation, owner, meta: {} })
    daemon.connect(b.plugin)
    await until(() => expect(of()?.meta).toEqual({ description: 'lost with the block' }))
    await until(() => expect(b.handle.state).toBe('live'))
    expect(b.seen).toEqual(['lost with the block'])
  })
})
