/** Rows that a snapshot stands for: nobody misses them, whatever they hold, wherever they are, and whenever it happens. */

import { join } from 'node:path'
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LogQuery } from '../../daemon/storage/index.ts'
import { type BlockHandle, splice } from '../../plugin-sdk/memory/index.ts'
import { MooringError } from '../../protocol/index.ts'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { actorOf, insert, RawReplica, type TextDoc, textDoc } from '../fixtures/raw-replica.ts'
import type { PluginInWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'
import { VerifiedWorld } from '../fixtures/verified-world.ts'

const notes = 'space:home/notes'
const other = 'space:home/other'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: VerifiedWorld

async function begin(options: { readonly ringBytes?: number } = {}): Promise<void> {
  world = await VerifiedWorld.open(undefined, options)
  await world.sync.approve(bob, ...everything)
}

afterEach(async () => {
  await world.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 5 })

const append = (handle: BlockHandle<'text'>, text: string): void =>
  handle.change((doc) => splice(doc, ['text'], doc.text.length, 0, text))

async function open({ memory }: PluginInWorld, address = notes): Promise<BlockHandle<'text'>> {
  await memory.prepare(address)
  const handle = memory.open(address, 'text')
  return handle
}

/** Whether the cursor that a replica has stands for everything that it was sent. */
function hasCursor(who: string): boolean {
  const sent = world.sync.frames.filter(({ to }) => to === who).map(({ frame }) => frame.t)
  return ['block', 'chunk', 'delta'].every((type) => sent.lastIndexOf('synced') > sent.lastIndexOf(type))
}

const rowsOf = async (address = notes) => {
  const block = world.row(address).id
  const lastSeq = await world.sync.storage.lastSeq()
  const { rows } = await world.sync.storage.readLog({ after: 0, until: lastSeq, block, maxBytes: 1e9 })
  return rows
}

const compact = (address = notes) => world.compaction.compact(world.row(address).id)

/** A block with edits of alice, all folded away; her plugin stays connected. */
async function folded(edits = 5): Promise<{ plugin: PluginInWorld; handle: BlockHandle<'text'>; end: () => void }> {
  const plugin = world.sync.plugin(alice)
  const end = plugin.connect()
  const handle = await open(plugin)
  for (let n = 0; n < edits; n++) append(handle, `${n} `)
  await handle.flushed()
  expect(await compact()).toMatchObject({ rows: edits })
  expect(await rowsOf()).toEqual([])
  return { plugin, handle, end }
}

describe('a block whose rows went', () => {
  beforeEach(() => begin())

  it('is what it was, for who is there, who comes, and after a restart', async () => {
    const { handle } = await folded()
    append(handle, 'more')
    await handle.flushed()
    expect(await world.render(notes)).toBe('0 1 2 3 4 more')
    const comer = world.sync.plugin(bob)
    comer.connect()
    const same = await open(comer)
    await until(() => expect(same.value.text).toBe('0 1 2 3 4 more'))
    append(same, '!')
    await same.flushed()
    await until(() => expect(handle.value.text).toBe('0 1 2 3 4 more!'))
    expect(world.row(notes)).toMatchObject({ changes: 7, horizonSeq: 6 })
    await world.restart()
    expect(world.row(notes)).toMatchObject({ changes: 7, horizonSeq: 6 })
    expect(await world.render(notes)).toBe('0 1 2 3 4 more!')
    expect((await compact()).rows).toBe(2)
    expect(await world.render(notes)).toBe('0 1 2 3 4 more!')
  })

  it('is compacted by itself once its tail is long and nobody writes any more, and not before', async () => {
    await world.verification.start()
    await world.compaction.start()
    const plugin = world.sync.plugin(alice)
    plugin.connect()
    const handle = await open(plugin)
    for (let n = 0; n < 999; n++) append(handle, 'x')
    await handle.flushed()
    await world.clock.advance(2_000)
    await until(() => expect(world.verification.verifiedSeq(world.row(notes).id)).toBe(world.row(notes).visibleSeq))
    expect(await rowsOf()).toHaveLength(999)
    for (let n = 0; n < 200; n++) append(handle, 'y')
    await handle.flushed()
    await world.clock.advance(60_000)
    await until(() => expect(world.row(notes).horizonSeq).toBeGreaterThan(0))
    await world.compaction.compact(world.row(notes).id)
    expect(await rowsOf()).toEqual([])
    expect((await world.render(notes)).length).toBe(1_199)
  })

  it('keeps its rows when what is read back of the snapshot is not what was stored', async () => {
    const plugin = world.sync.plugin(alice)
    plugin.connect()
    const handle = await open(plugin)
    append(handle, 'a')
    await handle.flushed()
    await world.verification.verify(world.row(notes).id)
    const older = await world.views.snapshot(world.row(notes), world.sync.log.published)
    append(handle, 'b')
    await handle.flushed()
    const { storage } = world.sync
    const snapshot = storage.snapshot.bind(storage)
    storage.snapshot = async (block) => {
      const stored = await snapshot(block)
      return stored === undefined ? undefined : { ...stored, bytes: older.bytes }
    }
    await expect(compact()).rejects.toMatchObject({ code: 'view-failed' })
    storage.snapshot = snapshot
    expect(await rowsOf()).toHaveLength(2)
    expect(world.row(notes).horizonSeq).toBe(0)
  })

  it('keeps what only its snapshot holds when it was made of an older one just before', async () => {
    const { handle } = await folded()
    append(handle, 'more')
    await handle.flushed()
    const [newest] = world.row(notes).heads
    if (newest === undefined) throw new Error('a block has a head')
    const store = world.views.store.bind(world.views)
    world.views.store = async (...stored) => {
      // Between the snapshot and its storing: others need the worker, then somebody asks what the block had.
      for (const name of ['a', 'b', 'c', 'd']) await world.views.render(await world.block(`space:home/${name}`), 1)
      await world.views.recall(world.row(notes), [newest])
      await store(...stored)
    }
    expect((await compact()).rows).toBe(1)
    world.views.store = store
    await compact()
    await world.restart()
    expect(await world.render(notes)).toBe('0 1 2 3 4 more')
  })

  it('says what would go, and lets nothing go by saying it', async () => {
    const plugin = world.sync.plugin(alice)
    plugin.connect()
    const handle = await open(plugin)
    append(handle, 'a')
    append(handle, 'b')
    await handle.flushed()
    const bytes = (await rowsOf()).reduce((sum, row) => sum + row.bytes.byteLength, 0)
    expect(await world.compaction.foldable(world.row(notes))).toEqual({ rows: 2, bytes })
    expect(await rowsOf()).toHaveLength(2)
    expect(await compact()).toEqual({ rows: 2, bytes })
    expect(await world.compaction.foldable(world.row(notes))).toEqual({ rows: 0, bytes: 0 })
  })
})

describe('a change that is no row any more', () => {
  let doc: TextDoc
  let made: Uint8Array[]

  beforeEach(async () => {
    await begin()
    const writer = new RawReplica(world.sync, alice)
    await writer.begin(notes)
    doc = textDoc(actorOf(alice))
    made = []
    for (let n = 0; n < 4; n++) {
      const next = insert(doc, n, String(n))
      doc = next.doc
      made.push(next.bytes)
    }
    writer.submit(made)
    expect(await writer.settled(4)).toBe('ok')
    writer.end()
    await compact()
  })

  async function replica(who = alice): Promise<RawReplica> {
    const raw = new RawReplica(world.sync, who)
    await raw.begin(notes)
    return raw
  }

  it('is settled when it is sent again, and stored once', async () => {
    const raw = await replica()
    raw.submit(made.slice(0, 2))
    raw.submit(made)
    expect(await raw.settled(6)).toBe('ok')
    expect(await rowsOf()).toEqual([])
    expect(world.row(notes).changes).toBe(4)
  })

  it('is settled, not refused, for who may not write any more', async () => {
    await world.sync.approve(alice, 'blocks:read:space:home/*')
    const raw = await replica()
    raw.submit(made.slice(0, 2))
    expect(await raw.settled(2)).toBe('ok')
  })

  it('does not let another take its place', async () => {
    const raw = await replica()
    const forged = insert(textDoc(A.getActorId(doc)), 0, 'another').bytes
    raw.submit([forged])
    expect(await raw.settled(1)).toBe('equivocation')
  })

  it('can be built on, with the counters that it has', async () => {
    const raw = await replica(mallory)
    const [first, second] = made
    if (first === undefined || second === undefined) throw new Error('nothing was made')
    const [old] = A.applyChanges(textDoc(actorOf(mallory)), [first, second])
    raw.submit([insert(old, 0, 'late').bytes])
    expect(await raw.settled(1)).toBe('ok')
    expect(await world.render(notes)).toBe('late0123')
    expect(world.row(notes).heads).toHaveLength(2)
  })

  it('is not made up: what nobody has is refused as missing', async () => {
    const raw = await replica(mallory)
    const [unknown] = [insert(textDoc(actorOf(mallory)), 0, 'never sent').bytes]
    const [ahead] = A.applyChanges(textDoc(actorOf(mallory)), [unknown])
    raw.submit([insert(ahead, 0, 'x').bytes])
    expect(await raw.settled(1)).toBe('missing-deps')
  })

  it('does not hold up other replicas while it is asked for, and the frames behind it keep their order', async () => {
    const asked = Promise.withResolvers<void>()
    const recall = world.views.recall.bind(world.views)
    world.views.recall = async (row, hashes) => {
      await asked.promise
      return recall(row, hashes)
    }
    const [first] = made
    if (first === undefined) throw new Error('nothing was made')
    const parked = await replica(mallory)
    const [old] = A.applyChanges(textDoc(actorOf(mallory)), [first])
    const one = insert(old, 0, 'a')
    const two = insert(one.doc, 1, 'b')
    parked.submit([one.bytes])
    parked.submit([two.bytes])
    const raw = new RawReplica(world.sync, bob)
    await raw.begin(notes)
    const [whole] = A.applyChanges(textDoc(actorOf(bob)), made)
    raw.submit([insert(whole, 0, 'quick ').bytes])
    expect(await raw.settled(1)).toBe('ok')
    expect(world.row(notes).changes).toBe(5)
    asked.resolve()
    expect(await parked.settled(2)).toBe('ok')
    expect(world.row(notes).changes).toBe(7)
  })

  it('is refused for now while it cannot be asked for', async () => {
    world.views.recall = async () => {
      throw new MooringError('view-failed')
    }
    const raw = await replica()
    raw.submit(made.slice(0, 1))
    expect(await raw.settled(1)).toBe('view-failed')
    expect(world.row(notes).changes).toBe(4)
  })
})

describe('a replica that was away', () => {
  it.each([
    ['in memory', undefined],
    ['on disk', 'file'],
  ])('%s, past the horizon, keeps its own edits and gets the rest as the snapshot', async (_where, file) => {
    await begin({ ringBytes: 300 })
    const path = join(tempDir(), 'b.db')
    const away = file === undefined ? world.sync.plugin(bob) : await world.sync.storedPlugin(bob, path)
    const leave = away.connect()
    const mine = await open(away)
    append(mine, 'bob ')
    await mine.flushed()
    const { handle } = await folded2()
    await until(() => expect(mine.value.text).toBe('bob 0 1 2 '))
    await until(() => expect(hasCursor('bob')).toBe(true))
    leave()
    await until(() => expect(mine.state).toBe('offline'))
    append(mine, 'offline ')
    for (let n = 3; n < 6; n++) append(handle, `${n} `)
    await handle.flushed()
    await compact()
    append(handle, 'tail ')
    await handle.flushed()
    world.sync.frames.length = 0
    away.connect()
    await mine.flushed()
    await until(() => expect([...mine.value.text].sort()).toEqual([...handle.value.text].sort()))
    expect(mine.value.text).toContain('offline ')
    expect(mine.value.text).toContain('tail ')
    expect(handle.value.text).toBe(mine.value.text)
    expect(world.sync.count('resync', 'bob')).toBe(0)
    expect(world.sync.count('chunk', 'bob')).toBe(1)
    expect(await world.render(notes)).toBe(mine.value.text)
  })

  async function folded2() {
    const plugin = world.sync.plugin(alice)
    plugin.connect()
    const handle = await open(plugin)
    await until(() => expect(handle.value.text).toBe('bob '))
    for (let n = 0; n < 3; n++) append(handle, `${n} `)
    await handle.flushed()
    return { handle }
  }

  it('is sent no snapshot of a block that it was told of up to the horizon', async () => {
    await begin({ ringBytes: 300 })
    const away = world.sync.plugin(bob)
    const leave = away.connect()
    const mine = await open(away)
    const { handle } = await folded()
    await until(() => expect(mine.value.text).toBe('0 1 2 3 4 '))
    await until(() => expect(hasCursor('bob')).toBe(true))
    leave()
    await until(() => expect(mine.state).toBe('offline'))
    append(handle, 'tail')
    await handle.flushed()
    world.sync.frames.length = 0
    away.connect()
    await until(() => expect(mine.value.text).toBe('0 1 2 3 4 tail'))
    expect(world.sync.count('chunk', 'bob')).toBe(0)
    expect(world.sync.count('delta', 'bob')).toBe(1)
  })

  it('and says what it has, is sent the tail if it has the rest, otherwise the snapshot', async () => {
    await begin()
    const { handle } = await folded()
    append(handle, 'tail')
    await handle.flushed()
    const clock = (await world.sync.storage.clock(world.row(notes).id)).map(({ actor, seq }) => ({ actor, seq }))
    const lacking = clock.map(({ actor, seq }) => ({ actor, seq: Math.min(seq, 5) }))
    for (const [has, frames] of [
      [clock, []],
      [lacking, ['delta']],
      [lacking.map(({ actor, seq }) => ({ actor, seq: Math.min(seq, 4) })), ['chunk', 'delta']],
      [[], ['chunk', 'delta']],
    ] as const) {
      const raw = new RawReplica(world.sync, bob)
      raw.send({ t: 'open', replica: raw.replica, accept: ['raw'], watch: [notes], own: [], cursor: new Uint8Array(3) })
      await raw.expect('resync')
      world.sync.frames.length = 0
      raw.send({ t: 'have', entries: [{ address: notes, generation: 1, clock: has }], last: true })
      await raw.expect('synced')
      const sent = world.sync.frames.filter(({ to }) => to === 'bob').map(({ frame }) => frame.t)
      expect(sent.filter((type) => type === 'chunk' || type === 'delta')).toEqual(frames)
      raw.end()
    }
  })
})

describe('a reader that is behind', () => {
  /** Lets the next read of this kind wait until the block is compacted, before or after it has looked. */
  function holdRead(isOurs: (query: LogQuery) => boolean, when: 'before' | 'after'): void {
    const { storage } = world.sync
    const read = storage.readLog.bind(storage)
    let isHeld = false
    storage.readLog = async (query) => {
      if (isHeld || !isOurs(query)) return read(query)
      isHeld = true
      const page = when === 'after' ? await read(query) : undefined
      expect((await compact()).rows).toBeGreaterThan(0)
      return page ?? read(query)
    }
  }

  const sent = (type: string): number => world.sync.count(type, 'bob')

  it.each(['before', 'after'] as const)(
    'in the log, when rows go %s it has read them, gets all of it',
    async (when) => {
      await begin({ ringBytes: 300 })
      const plugin = world.sync.plugin(alice)
      plugin.connect()
      const handle = await open(plugin)
      const neighbour = await open(plugin, other)
      append(handle, 'first ')
      append(neighbour, 'first ')
      await handle.flushed()
      const slow = world.sync.plugin(bob)
      const leave = slow.connect()
      const mine = await open(slow)
      const theirs = await open(slow, other)
      await until(() => expect([mine.value.text, theirs.value.text]).toEqual(['first ', 'first ']))
      await until(() => expect(hasCursor('bob')).toBe(true))
      const seen = world.sync.log.published
      leave()
      await until(() => expect(mine.state).toBe('offline'))
      for (let n = 0; n < 5; n++) {
        append(handle, `${n} `)
        await handle.flushed()
        append(neighbour, `${n} `)
        await neighbour.flushed()
      }
      // Of who comes back: whoever is there has read all of it by then.
      await until(() => expect(hasCursor('alice')).toBe(true))
      holdRead(({ block, after }) => block === undefined && after <= seen, when)
      world.sync.frames.length = 0
      slow.connect()
      await until(() => expect(mine.value.text).toBe('first 0 1 2 3 4 '))
      await until(() => expect(theirs.value.text).toBe('first 0 1 2 3 4 '))
      expect([sent('resync'), sent('chunk')]).toEqual([0, 1])
      append(handle, 'on')
      await until(() => expect(mine.value.text).toBe('first 0 1 2 3 4 on'))
    },
  )

  it.each(['before', 'after'] as const)(
    'in a block, when rows go %s it has read them, gets all of it',
    async (when) => {
      await begin()
      const plugin = world.sync.plugin(alice)
      plugin.connect()
      const handle = await open(plugin)
      for (let n = 0; n < 5; n++) append(handle, `${n} `)
      await handle.flushed()
      const { id } = world.row(notes)
      let reads = 0
      // The first one is that of the replica that comes; those of the compaction follow from it.
      holdRead(({ block }) => block === id && ++reads === 1, when)
      const comer = world.sync.plugin(bob)
      comer.connect()
      const same = await open(comer)
      await until(() => expect(same.value.text).toBe('0 1 2 3 4 '))
      expect(sent('chunk')).toBe(1)
    },
  )

  it.each(['before', 'after'] as const)(
    'in many short blocks that are read at once, when rows go %s it has read them, gets all of it',
    async (when) => {
      await begin()
      const plugin = world.sync.plugin(alice)
      plugin.connect()
      const addresses = [notes, other, 'space:home/third' as typeof notes]
      for (const address of addresses) {
        const handle = await open(plugin, address)
        for (let n = 0; n < 3; n++) append(handle, `${n} `)
        await handle.flushed()
      }
      const reads: LogQuery['block'][] = []
      holdRead(({ block }) => {
        reads.push(block)
        return Array.isArray(block)
      }, when)
      const comer = world.sync.plugin(bob)
      const handles = await Promise.all(addresses.map((address) => open(comer, address)))
      comer.connect()
      await until(() => expect(handles.map(({ value }) => value.text)).toEqual(addresses.map(() => '0 1 2 ')))
      expect(reads.filter((block) => Array.isArray(block))).toEqual([addresses.map((each) => world.row(each).id)])
      // The one that was folded, and no other: that is all its reader is sent of it.
      expect(sent('chunk')).toBe(1)
    },
  )

  it('of a block that was made and folded away meanwhile, gets it as a snapshot', async () => {
    await begin({ ringBytes: 300 })
    const slow = new RawReplica(world.sync, bob)
    slow.open(['space:home/*'])
    const { cursor } = await slow.expect('synced')
    slow.end()
    await folded()
    const again = new RawReplica(world.sync, bob)
    again.send({ t: 'open', replica: again.replica, accept: ['raw'], watch: ['space:home/*'], own: [], cursor })
    const chunk = await again.expect('chunk')
    expect(A.load<{ text: string }>(chunk.bytes).text).toBe('0 1 2 3 4 ')
    await again.expect('synced')
    expect(again.received()).toEqual([])
  })
})
