/** Blocks of every schema between replicas and the daemon: what is said of their content, and what is in them. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { appendEntry, Counter, sectionOf, splice } from '../../plugin-sdk/memory/index.ts'
import { type BlockAddress, limits, type SchemaName, type SchemaOptions, schemaNamed } from '../../protocol/index.ts'
import { alice, bob } from '../fixtures/cast.ts'
import { RawReplica } from '../fixtures/raw-replica.ts'
import { RestorableWorld } from '../fixtures/restorable-world.ts'
import { SyncWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const everything = ['read', 'write', 'create', 'admin'].map((right) => `blocks:${right}:space:home/*`)
const page = 'space:home/page' as BlockAddress
const sections: SchemaOptions = {
  sections: [
    { name: 'notes', schema: 'text' },
    { name: 'events', schema: 'log', options: { entrySchema: { type: 'text' } } },
  ],
}
const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  for (const who of [alice, bob]) await world.approve(who, ...everything)
})

afterEach(async () => {
  await world.close()
})

describe('a block made with options', () => {
  it('has them at once, at the daemon, for everyone who reads it, and as they were said first', async () => {
    const [a, b] = [world.plugin(alice), world.plugin(bob)]
    const mine = a.memory.open(page, 'composite', { options: sections, description: 'both' })
    expect(mine.meta).toEqual({ options: sections, description: 'both' })
    a.connect()
    await mine.live()
    const theirs = b.memory.open(page, 'composite', { options: { sections: [] } })
    b.connect()
    await theirs.live()
    expect(world.log.index.at(page)?.meta).toEqual({ options: sections, description: 'both' })
    expect(theirs.meta).toEqual(mine.meta)
  })

  it('made by two who were away is one, with the edits of both in the same sections', async () => {
    const plugins = [world.plugin(alice), world.plugin(bob)]
    const handles = plugins.map(({ memory, person }) => {
      const handle = memory.open(page, 'composite', { options: sections })
      handle.change((draft) => {
        splice(draft, ['sections', '0', 'text'], 0, 0, `${person.name} `)
        appendEntry(sectionOf(draft, 'events', handle.meta.options), person.name)
      })
      return handle
    })
    for (const plugin of plugins) plugin.connect()
    await until(() => {
      for (const { value, meta, problems } of handles) {
        expect(sectionOf(value, 'notes', meta.options).text.split(' ').sort()).toEqual(['', 'alice', 'bob'])
        expect([...sectionOf(value, 'events', meta.options).entries].sort()).toEqual(['alice', 'bob'])
        expect(problems).toEqual([])
      }
    })
    expect(handles[0]?.value).toEqual(handles[1]?.value)
  })

  it('is made with them by the next process, although nobody opens it there', async () => {
    const path = `${tempDir()}/a.db`
    const first = await world.storedPlugin(alice, path)
    const handle = first.memory.open(page, 'log', { options: { displayLimit: 7 } })
    handle.change((draft) => appendEntry(draft, { what: 'offline' }))
    await handle.saved()
    await first.memory.stop()
    const second = await world.storedPlugin(alice, path)
    second.connect()
    await until(() => expect(world.log.index.at(page)?.meta).toEqual({ options: { displayLimit: 7 } }))
    await second.memory.beforeStop()
    expect(world.log.index.at(page)).toMatchObject({ schema: 'log', changes: 1 })
  })

  it.each<[string, SchemaName, object]>([
    ['of another schema', 'log', { options: { maxItems: 3 } }],
    [
      'of another schema inside of a section',
      'composite',
      { options: { sections: [{ name: 'a', schema: 'text', options: { maxItems: 1 } }] } },
    ],
    ['that are none', 'map', { options: { colour: 'red' } }],
    ['that cannot be said', 'map', { options: { fields: [{ name: '\ud800', type: 'text' }] } }],
  ])('is not made with options %s', (_what, schema, wanted) => {
    const { memory } = world.plugin(alice)
    expect(() => memory.open(page, schema, wanted)).toThrow(expect.objectContaining({ code: 'invalid-input' }))
    expect(memory.open(page, 'text').meta).toEqual({})
  })

  it('is refused by the daemon when a replica asks for what the schema does not have', async () => {
    const raw = new RawReplica(world, alice)
    raw.open()
    const block = { t: 'create' as const, scope: 'space:home' as never, label: 'page' as never }
    raw.send({ ...block, handle: 1, schema: 'text', meta: { options: { maxItems: 3 } } })
    expect(await raw.expect('refuse')).toMatchObject({ handle: 1, code: 'invalid-input' })
    expect(world.log.index.at(page)).toBeUndefined()
  })

  it('keeps its sections where they are: others come behind them', async () => {
    const a = world.plugin(alice)
    const handle = a.memory.open(page, 'composite', { options: sections })
    a.connect()
    await handle.live()
    const by = { origin: { peer: alice.peer, replica: '1'.repeat(32) as never }, grantVersion: 1 }
    const [notes, events] = sections.sections ?? []
    if (notes === undefined || events === undefined) return expect.fail()
    for (const wrong of [{ sections: [events, notes] }, { sections: [notes] }, {}, { displayLimit: 2 }]) {
      await expect(world.log.describe(page, { options: wrong }, by)).rejects.toMatchObject({ code: 'invalid-input' })
    }
    const more = {
      sections: [notes, { ...events, description: 'what happened' }, { name: 'more', schema: 'map' as const }],
    }
    await world.log.describe(page, { options: more }, by)
    await until(() => expect(handle.meta).toEqual({ options: more }))
    await world.log.describe(page, { description: 'beside them' }, by)
    await until(() => expect(handle.meta).toEqual({ options: more, description: 'beside them' }))
    expect(sectionOf(handle.value, 'more', handle.meta.options).map).toEqual({})
    expect(() => sectionOf(handle.value, 'less', handle.meta.options)).toThrow('notes, events, more')
  })

  it('is told of what a replica wrote that they do not say, and goes on', async () => {
    const [a, b] = [world.plugin(alice), world.plugin(bob)]
    const fields = [
      { name: 'visits', type: 'counter' as const, required: true },
      { name: 'title', type: 'text' as const },
    ]
    const mine = a.memory.open(page, 'map', { options: { fields } })
    a.connect()
    expect(mine.problems).toEqual([{ path: 'map.visits', problem: 'is missing' }])
    mine.change(({ map }) => Object.assign(map, { visits: new Counter(1), title: 'x' }))
    expect(mine.problems).toEqual([])
    await mine.flushed()
    const theirs = b.memory.open(page, 'map')
    b.connect()
    await theirs.live()
    theirs.change((draft) => Object.assign(draft.map, { title: 7, more: [] }))
    await theirs.flushed()
    await until(() =>
      expect(mine.problems).toEqual([
        { path: 'map.title', problem: 'is a number and not a text' },
        { path: 'map.more', problem: 'is not among the fields' },
      ]),
    )
    expect(mine.value.map.visits).toMatchObject({ value: 1 })
    expect(theirs.problems).toEqual(mine.problems)
  })
})

describe('the options of a block', () => {
  it('have room for each peer that makes blocks, counted while they are made, and given back when they are shorter', async () => {
    const by = { origin: { peer: alice.peer, replica: '1'.repeat(32) as never }, grantVersion: 1 }
    const fields = Array.from({ length: 16 }, (_, n) => ({
      name: `f${n}`,
      type: 'text' as const,
      default: 'x'.repeat(440),
    }))
    const meta = { options: { fields } }
    const schema = schemaNamed('map')
    const make = (n: number, who = by) =>
      world.log.create({ ...who, scope: 'space:home' as never, label: `b${n}` as never, schema, meta })
    const fits = Math.floor(limits.maxOptionsCharsPerPeer / JSON.stringify(meta.options).length)
    const made = await Promise.allSettled(Array.from({ length: fits + 20 }, (_, n) => make(n)))
    const refused = made.filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(20)
    expect(refused[0]).toMatchObject({ reason: { code: 'quota-exceeded', retryable: true } })
    await world.restart()
    await expect(make(fits + 21)).rejects.toMatchObject({ code: 'quota-exceeded' })
    await make(fits + 22, { ...by, origin: { ...by.origin, peer: bob.peer } })
    const first = 'space:home/b0' as BlockAddress
    await world.log.describe(first, { options: { fields: fields.slice(1) } }, by)
    await expect(world.log.describe(first, meta, by)).resolves.toMatchObject({ meta })
    await world.log.describe(first, { options: {} }, by)
    await expect(make(fits + 23)).resolves.toMatchObject({ meta })
  })

  it('come back with it from a replica to a daemon that had lost it', async () => {
    const daemon = await RestorableWorld.open(new Map([[alice, everything]]))
    try {
      const backup = await daemon.backUp()
      const plugin = daemon.world.plugin(alice)
      const handle = plugin.memory.open(page, 'composite', { options: sections })
      const leave = daemon.connect(plugin)
      await handle.live()
      leave()
      await until(() => expect(handle.state).toBe('offline'))
      await daemon.restore(backup)
      expect(daemon.world.log.index.at(page)).toBeUndefined()
      daemon.connect(plugin)
      await until(() => expect(daemon.world.log.index.at(page)?.meta).toEqual({ options: sections }))
      expect(handle.meta).toEqual({ options: sections })
    } finally {
      await daemon.close()
    }
  })
})
