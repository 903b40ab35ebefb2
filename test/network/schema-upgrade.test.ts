/** Blocks of a schema that a new version of plugins and daemon adds containers to, while everybody is away. */
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BlockHandle } from '../../plugin-sdk/memory/handle.ts'
import { splice } from '../../plugin-sdk/memory/index.ts'
import type { BlockAddress, SchemaName } from '../../protocol/index.ts'
import { schemaTable } from '../../protocol/schemas/index.ts'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { type PageValue, pageSchema } from '../fixtures/page-schema.ts'
import { RestorableWorld } from '../fixtures/restorable-world.ts'
import { type PluginInWorld, SyncWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const address = 'space:home/page' as BlockAddress
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })

/** The schema is in no released table; everything that runs here sees the version that is in it now. */
const release = (version: 1 | 2 | 3): void => void Object.assign(schemaTable, { page: pageSchema(version) })

type Page = Omit<BlockHandle, 'value' | 'change'> & {
  readonly value: A.Doc<PageValue>
  change(edit: (draft: PageValue) => void): void
}

async function open({ memory }: PluginInWorld): Promise<Page> {
  await memory.prepare(address)
  return memory.open(address, 'page' as SchemaName) as unknown as Page
}

/** Rows of the log of the block, by hash. */
async function rows(world: SyncWorld): Promise<string[]> {
  await world.log.settled()
  const page = await world.storage.readLog({ after: 0, until: world.log.published, maxBytes: 1_000_000 })
  return page.rows.map(({ hash }) => hash)
}

let world: SyncWorld

beforeEach(async () => {
  release(1)
  world = await SyncWorld.open()
  for (const who of [alice, bob, mallory]) await world.approve(who, ...everything)
})

afterEach(async () => {
  await world.close()
  Reflect.deleteProperty(schemaTable, 'page')
})

describe('a block of an older version of its schema', () => {
  it('is brought up by two plugins that are away, each by itself, and merges when they come back', async () => {
    const dir = tempDir()
    const people = [alice, bob]
    const path = (name: string): string => `${dir}/${name}.db`
    // Version 1, in step; then everybody leaves, and writes more.
    const old = await Promise.all(people.map((who) => world.storedPlugin(who, path(who.name))))
    for (const plugin of old) {
      const handle = await open(plugin)
      const leave = plugin.connect()
      await handle.live()
      handle.change((draft) => splice(draft, ['body'], 0, 0, `${plugin.person.name} `))
      await handle.flushed()
      leave()
      await until(() => expect(handle.state).toBe('offline'))
      handle.change((draft) => splice(draft, ['body'], 0, 0, `${plugin.person.name} offline `))
      await handle.saved()
      await plugin.memory.stop()
    }
    // Version 3, still away, over a restart in between.
    release(3)
    for (const who of people) {
      const first = await world.storedPlugin(who, path(who.name))
      const handle = await open(first)
      expect(A.toJS(handle.value)).toMatchObject({ tags: [], facts: { links: [] } })
      handle.change((draft) => void draft.tags.push(who.name))
      await handle.saved()
      await first.memory.stop()
    }
    await world.restart()
    const again = await Promise.all(people.map((who) => world.storedPlugin(who, path(who.name))))
    const handles = await Promise.all(again.map(open))
    for (const [index, handle] of handles.entries()) {
      expect(handle.value.tags).toEqual([people[index]?.name])
      handle.change((draft) => void draft.facts.links.push(people[index]?.name ?? ''))
    }
    for (const plugin of again) plugin.connect()
    const fresh = world.plugin(mallory)
    const third = await open(fresh)
    fresh.connect()
    await until(() => {
      for (const { value, state, problems } of [...handles, third]) {
        expect(state).toBe('live')
        expect([...value.tags].sort()).toEqual(['alice', 'bob'])
        expect([...value.facts.links].sort()).toEqual(['alice', 'bob'])
        expect(value.body.match(/offline/g)).toHaveLength(2)
        expect(problems).toEqual([])
      }
      expect(handles[0]?.value).toEqual(handles[1]?.value)
      expect(third.value).toEqual(handles[1]?.value)
    })
    for (const handle of handles) await handle.flushed()
    // Each upgrade is in the log once, although two brought it.
    const stored = await rows(world)
    for (const { hash } of pageSchema(3).upgrades) expect(stored.filter((each) => each === hash)).toEqual([hash])
    expect(handles.map(({ refused, pending }) => [refused.length, pending])).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  it('is brought up again in a daemon that lost all of that, by whoever comes first, who also brings what others wrote', async () => {
    release(2)
    const daemon = await RestorableWorld.open(new Map([alice, bob, mallory].map((who) => [who, everything])))
    try {
      const plugins = [alice, bob].map((who) => daemon.world.plugin(who))
      const handles = await Promise.all(plugins.map(open))
      const leave = plugins.map((plugin) => daemon.connect(plugin))
      for (const handle of handles) await handle.live()
      const backup = await daemon.backUp()
      for (const [index, handle] of handles.entries()) {
        handle.change((draft) => void draft.tags.push(`tag ${index}`))
        await handle.flushed()
      }
      await until(() => {
        for (const { value } of handles) expect([...value.tags].sort()).toEqual(['tag 0', 'tag 1'])
      })
      for (const end of leave) end()
      await until(() => expect(handles.map(({ state }) => state)).toEqual(['offline', 'offline']))
      const restored = await daemon.restore(backup)
      expect(await rows(restored)).toEqual([])
      daemon.connect(plugins[0] ?? expect.fail())
      const fresh = restored.plugin(mallory)
      const third = await open(fresh)
      daemon.connect(fresh)
      await until(() => expect([...third.value.tags].sort()).toEqual(['tag 0', 'tag 1']))
      expect((await rows(restored)).filter((hash) => hash === pageSchema(2).upgrades[0]?.hash)).toHaveLength(1)
      expect(handles.map(({ refused }) => refused.length)).toEqual([0, 0])
    } finally {
      await daemon.close()
    }
  })

  it('that only one has brought up reaches a plugin that does not know the version yet', async () => {
    const [a, b] = [world.plugin(alice), world.plugin(bob)]
    // Bob is opened as of version 1, and stays so: what a document begins with is looked up when it is made.
    const theirs = await open(b)
    b.connect()
    await theirs.live()
    expect(A.toJS(theirs.value)).toEqual({ body: '' })
    release(2)
    const mine = await open(a)
    a.connect()
    await mine.live()
    mine.change((draft) => void draft.tags.push('new'))
    await mine.flushed()
    await until(() => expect(A.toJS(theirs.value)).toEqual({ body: '', tags: ['new'], facts: {} }))
    theirs.change((draft) => splice(draft, ['body'], 0, 0, 'old'))
    await theirs.flushed()
    await until(() => expect(mine.value.body).toBe('old'))
  })
})
