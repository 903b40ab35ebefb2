/** Generations that a daemon lost, because its store was set back to before they were made. */
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type BlockHandle, splice } from '../../plugin-sdk/memory/index.ts'
import { type BlockAddress, type SchemaValues, schemaNamed } from '../../protocol/index.ts'
import { alice, bob, mallory, type Person } from '../fixtures/cast.ts'
import { RawReplica } from '../fixtures/raw-replica.ts'
import { RestorableWorld } from '../fixtures/restorable-world.ts'
import type { PluginInWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const notes = 'space:home/notes' as BlockAddress
const grantsOf = (...rights: string[]): string[] => rights.map((right) => `blocks:${right}:space:home/*`)
const everything = grantsOf('read', 'write', 'create')

let daemon: RestorableWorld

beforeEach(async () => {
  const people: Person[] = [alice, bob, mallory]
  daemon = await RestorableWorld.open(new Map(people.map((who) => [who, everything])))
})

afterEach(async () => {
  await daemon.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 5 })

const append = (handle: BlockHandle<'text'>, text: string): void =>
  handle.change((doc) => splice(doc, ['text'], doc.text.length, 0, text))

async function open({ memory }: PluginInWorld): Promise<BlockHandle<'text'>> {
  await memory.prepare(notes)
  return memory.open(notes, 'text')
}

const row = () => daemon.world.log.index.at(notes)

const first = () => A.load<SchemaValues['text']>(schemaNamed('text').initial.bytes)

/** What was kept aside as a whole, as the text that it shows. */
const copies = (handle: BlockHandle<'text'>): string[] =>
  handle.refused.flatMap(({ code, changes }) =>
    code === 'generation-lost' ? [A.applyChanges(first(), [...changes])[0].text] : [],
  )

/** What is heard is stored with its cursor before the plugin leaves. */
async function leave(end: () => void, handle: BlockHandle<'text'>): Promise<void> {
  end()
  await until(() => expect(handle.state).toBe('offline'))
}

describe('a daemon whose store was set back to before a block was made anew', () => {
  let a: PluginInWorld
  let mine: BlockHandle<'text'>
  let backup: string
  let later: number

  /** Alice writes to the first generation, a backup is made, the block is made anew, and she writes to the second. */
  beforeEach(async () => {
    a = daemon.world.plugin(alice)
    const end = daemon.connect(a)
    mine = await open(a)
    await mine.live()
    append(mine, 'first')
    await mine.flushed()
    backup = await daemon.backUp()
    await daemon.delete(notes)
    later = await daemon.create(notes)
    await until(() => expect([mine.state, mine.value.text]).toEqual(['live', '']))
    append(mine, 'second')
    await mine.flushed()
    await leave(end, mine)
  })

  it('gets the later generation back, and the older one is over for whoever has it', async () => {
    await daemon.restore(backup)
    expect(row()?.generation).toBe(1)
    const b = daemon.world.plugin(bob)
    daemon.connect(b)
    const theirs = await open(b)
    await until(() => expect([theirs.state, theirs.value.text]).toEqual(['live', 'first']))
    daemon.connect(a)
    await until(() => expect(row()).toMatchObject({ generation: later, changes: 1 }))
    await until(() => expect([mine.state, mine.value.text]).toEqual(['live', 'second']))
    await until(() => expect([theirs.state, theirs.value.text]).toEqual(['live', 'second']))
    expect([mine.refused, theirs.refused]).toEqual([[], []])
    append(theirs, ' and on')
    await until(() => expect(mine.value.text).toBe('second and on'))
    await daemon.world.restart()
    expect(row()).toMatchObject({ generation: later, changes: 2 })
  })

  it('says to who writes to the older one that it is over', async () => {
    await daemon.restore(backup)
    const b = daemon.world.plugin(bob)
    const end = daemon.connect(b)
    const theirs = await open(b)
    await until(() => expect(theirs.state).toBe('live'))
    await leave(end, theirs)
    append(theirs, ' and more')
    daemon.connect(a)
    await until(() => expect(row()).toMatchObject({ generation: later, changes: 1 }))
    daemon.connect(b)
    await until(() => expect([theirs.state, theirs.value.text]).toEqual(['live', 'second']))
    expect(theirs.refused).toMatchObject([{ code: 'block-deleted', changes: { length: 1 } }])
  })

  it('shows the older one to who may not bring the later one back, and keeps that aside', async () => {
    await daemon.restore(backup)
    await daemon.world.approve(alice, ...grantsOf('read', 'write'))
    daemon.connect(a)
    await until(() => expect([mine.state, mine.value.text]).toEqual(['live', 'first']))
    expect(copies(mine)).toEqual(['second'])
    append(mine, ' goes on')
    await mine.flushed()
    expect(row()).toMatchObject({ generation: 1, changes: 2 })
  })

  it('takes it back from who may, after one who may not was shown the older one', async () => {
    const [b, m] = [daemon.world.plugin(bob), daemon.world.plugin(mallory)]
    const endOfBob = daemon.connect(b)
    const endOfMallory = daemon.connect(m)
    const theirs = await open(b)
    const others = await open(m)
    await until(() => expect([theirs.value.text, others.value.text]).toEqual(['second', 'second']))
    await leave(endOfBob, theirs)
    await leave(endOfMallory, others)
    await daemon.restore(backup)
    await daemon.world.approve(bob, ...grantsOf('read', 'create'))
    daemon.connect(b)
    await until(() => expect([theirs.state, theirs.value.text]).toEqual(['live', 'first']))
    daemon.connect(m)
    await until(() => expect([others.state, others.value.text]).toEqual(['live', 'second']))
    await until(() => expect([theirs.state, theirs.value.text]).toEqual(['live', 'second']))
    expect([copies(theirs), copies(others)]).toEqual([['second'], []])
  })

  it('keeps one aside that was lost, when a block was made anew after the restore', async () => {
    await daemon.restore(backup)
    await daemon.delete(notes)
    const newest = await daemon.create(notes)
    expect(newest).toBeGreaterThan(later)
    daemon.connect(a)
    await until(() => expect([mine.state, mine.value.text]).toEqual(['live', '']))
    expect(copies(mine)).toEqual(['second'])
    expect(row()).toMatchObject({ generation: newest, changes: 0 })
  })
})

describe('a later generation that is on disk only', () => {
  it.each([
    ['comes back', everything, 'second', []],
    ['is kept aside on disk', grantsOf('read'), 'first', ['second']],
  ])('%s when nobody opens it', async (_what, grants, text, aside) => {
    const path = `${tempDir()}/b.db`
    const b = await daemon.world.storedPlugin(bob, path)
    const end = daemon.connect(b)
    b.memory.watch('space:home/*')
    const a = daemon.world.plugin(alice)
    const endOfAlice = daemon.connect(a)
    const mine = await open(a)
    append(mine, 'first')
    await mine.flushed()
    await until(() => expect(daemon.world.count('delta', 'bob')).toBe(1))
    const backup = await daemon.backUp()
    await daemon.delete(notes)
    const later = await daemon.create(notes)
    await until(() => expect([mine.state, mine.value.text]).toEqual(['live', '']))
    append(mine, 'second')
    await mine.flushed()
    await until(() => expect(daemon.world.count('delta', 'bob')).toBe(2))
    endOfAlice()
    end()
    await b.memory.stop()

    await daemon.restore(backup)
    await daemon.world.approve(bob, ...grants)
    const again = await daemon.world.storedPlugin(bob, path)
    daemon.connect(again)
    const isBack = aside.length === 0
    await until(() => expect(daemon.world.count('synced', 'bob')).toBeGreaterThan(0))
    await until(() => expect(row()).toMatchObject({ generation: isBack ? later : 1, changes: 1 }))
    const theirs = await open(again)
    await until(() => expect([theirs.state, theirs.value.text]).toEqual(['live', text]))
    expect(copies(theirs)).toEqual(aside)
    await again.memory.stop()
    const last = await daemon.world.storedPlugin(bob, path)
    expect(copies(await open(last))).toEqual(aside)
  })
})

describe('a daemon that knows nothing of a block any more', () => {
  it('takes it back as it was: its generation, its owner and what was said of it', async () => {
    const backup = await daemon.backUp()
    const raw = new RawReplica(daemon.world, bob)
    raw.open()
    const meta = { description: 'made by bob' }
    raw.send({ t: 'create', handle: 1, scope: 'space:home', label: 'notes', schema: 'text', meta })
    await raw.expect('block')
    await daemon.delete(notes)
    raw.send({ t: 'create', handle: 3, scope: 'space:home', label: 'notes', schema: 'text', meta })
    const { generation } = await raw.expect('block')
    expect(generation).toBeGreaterThan(1)
    const a = daemon.world.plugin(alice)
    const end = daemon.connect(a)
    const mine = await open(a)
    append(mine, 'kept')
    await mine.flushed()
    await leave(end, mine)
    await daemon.restore(backup)
    expect(row()).toBeUndefined()
    daemon.connect(a)
    await until(() => expect(row()).toMatchObject({ generation, owner: bob.peer, meta, changes: 1 }))
    await until(() => expect([mine.state, mine.value.text]).toEqual(['live', 'kept']))
  })

  it('is not given back what was deleted, and keeps nobody from making another', async () => {
    const backup = await daemon.backUp()
    const a = daemon.world.plugin(alice)
    const end = daemon.connect(a)
    const mine = await open(a)
    append(mine, 'deleted')
    await mine.flushed()
    await daemon.delete(notes)
    await until(() => expect(mine.state).toBe('gone'))
    end()
    await daemon.restore(backup)
    daemon.connect(a)
    await until(() => expect(daemon.world.count('synced', 'alice')).toBeGreaterThan(0))
    expect([row(), mine.state]).toEqual([undefined, 'gone'])
    const b = daemon.world.plugin(bob)
    daemon.connect(b)
    const theirs = await open(b)
    await theirs.live()
    append(theirs, 'another')
    await until(() => expect([mine.state, mine.value.text]).toEqual(['live', 'another']))
    expect(copies(mine)).toEqual([])
  })
})

describe('what a cursor does not tell', () => {
  it('is that a block was made anew or deleted after it: a daemon that lost that is told', async () => {
    const a = daemon.world.plugin(alice)
    const end = daemon.connect(a)
    const mine = await open(a)
    append(mine, 'first')
    await mine.flushed()
    // The cursor that it comes back with covers all of the backup.
    await until(() => expect(daemon.world.count('synced', 'alice')).toBeGreaterThan(1))
    const backup = await daemon.backUp()
    await daemon.delete(notes)
    await until(() => expect(mine.state).toBe('gone'))
    end()
    await daemon.restore(backup)
    const endAgain = daemon.connect(a)
    await until(() => expect([mine.state, mine.value.text]).toEqual(['live', 'first']))
    await until(() => expect(daemon.world.count('synced', 'alice')).toBeGreaterThan(0))

    const second = await daemon.backUp()
    await daemon.delete(notes)
    const later = await daemon.create(notes)
    await until(() => expect([mine.state, mine.value.text]).toEqual(['live', '']))
    await leave(endAgain, mine)
    await daemon.restore(second)
    daemon.connect(a)
    await until(() => expect(row()?.generation).toBe(later))
    await until(() => expect(mine.state).toBe('live'))
    expect(mine.refused).toEqual([])
  })

  it('is what its replica wrote after it: lost, it is kept aside when a block was made anew', async () => {
    const a = daemon.world.plugin(alice)
    const end = daemon.connect(a)
    const mine = await open(a)
    append(mine, 'first ')
    await mine.flushed()
    await until(() => expect(daemon.world.count('synced', 'alice')).toBeGreaterThan(1))
    const backup = await daemon.backUp()
    append(mine, 'acknowledged')
    await mine.flushed()
    await leave(end, mine)
    await daemon.restore(backup)
    await daemon.delete(notes)
    const next = await daemon.create(notes)
    daemon.connect(a)
    await until(() => expect([mine.state, mine.value.text]).toEqual(['live', '']))
    expect(row()).toMatchObject({ generation: next, changes: 0 })
    expect(copies(mine)).toEqual(['first acknowledged'])
  })
})
