/** What comes back together after one side was set back, or lost a right while something was on its way. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { openSqlite } from '../../daemon/storage/sqlite.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import { type RefusedChanges, splice } from '../../plugin-sdk/memory/index.ts'
import { openSqliteStore } from '../../plugin-sdk/memory/sqlite-store.ts'
import { Channel, parseAddress, schemaNamed } from '../../protocol/index.ts'
import { alice, bob, daemonPerson } from '../fixtures/cast.ts'
import { ManualClock } from '../fixtures/clock.ts'
import { type PluginInWorld, SyncWorld, silentLog } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
const unreadable = [...everything, `!blocks:read:${notes}`]

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  await world.approve(alice, ...everything)
  await world.approve(bob, ...everything)
})

afterEach(async () => {
  await world.close()
})

/** Connects a plugin of one world to another one: the daemon over an older copy of its store. */
function connectTo(daemon: SyncWorld, { person, memory, replica }: PluginInWorld): () => void {
  const session = new AbortController()
  memory.onConnection({
    daemon: daemonPerson.peer,
    replica,
    signal: session.signal,
    openChannel: async () => new Channel(daemon.dial(person, replica, session.signal), { clock: systemClock }),
  })
  return () => session.abort()
}

describe('a daemon that was set back', () => {
  it('gets back from each author what it had acknowledged', async () => {
    const a = world.plugin(alice)
    const b = world.plugin(bob)
    const ends = [a.connect(), b.connect()]
    const mine = a.memory.open(notes, 'text')
    const theirs = b.memory.open(notes, 'text')
    await Promise.all([mine.live(), theirs.live()])
    // Each builds on the other: what one sends again has to wait for what the other sends again.
    for (let round = 0; round < 4; round++) {
      mine.change((doc) => splice(doc, ['text'], doc.text.length, 0, 'a'))
      await mine.flushed()
      await vi.waitFor(() => expect(theirs.value.text).toBe(mine.value.text), { timeout: 10_000 })
      theirs.change((doc) => splice(doc, ['text'], doc.text.length, 0, 'b'))
      await theirs.flushed()
      await vi.waitFor(() => expect(mine.value.text).toBe(theirs.value.text), { timeout: 10_000 })
    }
    for (const end of ends) end()
    await vi.waitFor(() => expect([mine.state, theirs.state]).toEqual(['offline', 'offline']), { timeout: 10_000 })

    const older = await SyncWorld.open()
    await older.approve(alice, ...everything)
    await older.approve(bob, ...everything)
    const again = [connectTo(older, a), connectTo(older, b)]
    await vi.waitFor(() => expect(older.log.index.at(mine.address)?.changes).toBe(8), { timeout: 10_000 })
    await Promise.all([mine.flushed(), theirs.flushed(), mine.live(), theirs.live()])
    expect([mine.value.text, theirs.value.text]).toEqual(['abababab', 'abababab'])
    expect([mine.refused, theirs.refused]).toEqual([[], []])
    expect([...(older.log.index.at(mine.address)?.heads ?? [])]).toEqual(A.getHeads(mine.value))
    for (const end of again) end()
    await older.close()
  })
})

describe('a daemon that lost what came after the last cursor', () => {
  it('does not know of it, and gets it from its author, who says what it has', async () => {
    // By hand: no second cursor is given out.
    const clock = new ManualClock()
    const [dir, copied] = [tempDir(), tempDir()]
    const open = async (at: string): Promise<SyncWorld> => {
      const storage = await openSqlite({ dir: at, log: silentLog, self: daemonPerson.peer, idleMs: 600_000 })
      return SyncWorld.open(storage, { clock })
    }
    const before = await open(dir)
    onTestFinished(() => before.close())
    await before.approve(alice, ...everything)
    const a = before.plugin(alice)
    const first = a.connect()
    const mine = a.memory.open(notes, 'text')
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'kept'))
    await mine.flushed()
    first()
    await vi.waitFor(() => expect(mine.state).toBe('offline'), { timeout: 10_000 })
    const end = a.connect()
    await mine.live()
    for (const name of ['mooring.db', 'mooring.db-wal']) copyFileSync(join(dir, name), join(copied, name))
    mine.change((doc) => splice(doc, ['text'], 4, 0, ' and lost'))
    await mine.flushed()
    expect(before.log.index.at(mine.address)?.changes).toBe(2)
    end()
    await vi.waitFor(() => expect(mine.state).toBe('offline'), { timeout: 10_000 })

    const older = await open(copied)
    onTestFinished(() => older.close())
    expect(older.log.index.at(mine.address)?.changes).toBe(1)
    connectTo(older, a)
    await mine.live()
    await mine.flushed()
    expect(older.count('resync', 'alice')).toBe(0)
    expect(older.log.index.at(mine.address)?.changes).toBe(2)
    expect([...(older.log.index.at(mine.address)?.heads ?? [])]).toEqual(A.getHeads(mine.value))
  })
})

describe('a daemon that was set back to before a block was replaced', () => {
  const isThere = (at: SyncWorld): number | undefined => at.log.index.at(parseAddress(notes).address)?.generation
  /** What is kept aside, as somebody would read it. */
  const textOf = ({ changes }: RefusedChanges): string => {
    const [doc] = A.applyChanges(A.load<{ text: string }>(schemaNamed('text').initial.bytes), [...changes])
    return doc.text
  }

  /** Makes the second generation of the block, after the first was deleted. */
  async function replaced(by: PluginInWorld): Promise<() => void> {
    const end = by.connect()
    const first = by.memory.open(notes, 'text')
    first.change((doc) => splice(doc, ['text'], 0, 0, 'first'))
    await first.flushed()
    const row = world.log.index.at(first.address)
    if (row === undefined) throw new Error('no block')
    const origin = { peer: daemonPerson.peer, replica: by.replica }
    await world.log.watcherComponents.committer.submit([{ kind: 'delete', block: row.id, origin, grantVersion: 0 }])
    await vi.waitFor(() => expect(first.state).toBe('gone'), { timeout: 10_000 })
    const second = by.memory.open(notes, 'text')
    await second.live()
    second.change((doc) => splice(doc, ['text'], 0, 0, 'mine'))
    await second.flushed()
    expect(second.value.text).toBe('mine')
    expect(isThere(world)).toBeGreaterThan(1)
    return end
  }

  /** The daemon as it was before that. */
  async function setBack(): Promise<SyncWorld> {
    const older = await SyncWorld.open()
    onTestFinished(() => older.close())
    // Who may not create cannot bring it back.
    await older.approve(alice, ...everything.filter((grant) => !grant.includes(':create:')))
    await older.approve(bob, ...everything)
    const c = older.plugin(bob, 'another')
    const end = c.connect()
    const first = c.memory.open(notes, 'text')
    first.change((doc) => splice(doc, ['text'], 0, 0, 'first'))
    await first.flushed()
    end()
    expect(isThere(older)).toBe(1)
    return older
  }

  it('leaves a copy of everything that it no longer has with who had it, whoever wrote it', async () => {
    const a = world.plugin(alice)
    const b = world.plugin(bob)
    const ends = [await replaced(a), b.connect()]
    const mine = a.memory.open(notes, 'text')
    const theirs = b.memory.open(notes, 'text')
    await theirs.live()
    theirs.change((doc) => splice(doc, ['text'], 4, 0, ' and theirs'))
    await theirs.flushed()
    await vi.waitFor(() => expect(mine.value.text).toBe('mine and theirs'), { timeout: 10_000 })
    for (const end of ends) end()
    await vi.waitFor(() => expect(mine.state).toBe('offline'), { timeout: 10_000 })
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'offline '))
    const waits = expect(mine.flushed()).rejects.toMatchObject({ code: 'generation-lost' })

    const end = connectTo(await setBack(), a)
    await vi.waitFor(() => expect(mine.refused).toHaveLength(1), { timeout: 10_000 })
    await waits
    expect(mine.refused.map(textOf)).toEqual(['offline mine and theirs'])
    expect(mine.refused).toMatchObject([{ code: 'generation-lost' }])
    await vi.waitFor(() => expect([mine.state, mine.value.text]).toEqual(['live', 'first']), { timeout: 10_000 })
    end()
  })

  it('does so too when nobody has opened the block since the plugin started', async () => {
    const path = join(tempDir(), 'alice.db')
    const before = await world.storedPlugin(alice, path)
    const end = await replaced(before)
    end()
    await before.memory.stop()
    let isBegun = false
    const openStore: typeof openSqliteStore = async (...args) => {
      const store = await openSqliteStore(...args)
      const write = store.write.bind(store)
      store.write = async (writes) => {
        await write(writes)
        isBegun ||= writes.some(({ kind }) => kind === 'reset')
      }
      return store
    }
    const a = await world.storedPlugin(alice, path, { openStore })
    const endAgain = connectTo(await setBack(), a)
    await vi.waitFor(() => expect(isBegun).toBe(true), { timeout: 10_000 })
    endAgain()
    await a.memory.stop()

    const after = await world.storedPlugin(alice, path)
    await after.memory.prepare(notes)
    const handle = after.memory.open(notes, 'text')
    expect(handle.refused.map(textOf)).toEqual(['mine'])
    expect(handle.value.text).not.toContain('mine')
  })
})

describe('a block that was deleted while a replica was away', () => {
  it('is not made again by it, and what was written for it is kept aside', async () => {
    const a = world.plugin(alice)
    const end = a.connect()
    const mine = a.memory.open(notes, 'text')
    await mine.live()
    end()
    await vi.waitFor(() => expect(mine.state).toBe('offline'), 10_000)
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'too late'))
    const row = world.log.index.at(mine.address)
    if (row === undefined) throw new Error('no block')
    const origin = { peer: daemonPerson.peer, replica: a.replica }
    await world.log.watcherComponents.committer.submit([{ kind: 'delete', block: row.id, origin, grantVersion: 0 }])
    a.connect()
    await vi.waitFor(() =>
      expect([mine.state, mine.refused.map(({ code }) => code)]).toEqual(['gone', ['block-deleted']]),
    )
    expect(world.log.index.at(mine.address)).toBeUndefined()
    expect(world.log.index.generationOf(mine.address)).toBe(1)
    // Who never knew it makes another one.
    const b = world.plugin(bob)
    b.connect()
    await b.memory.open(notes, 'text').live()
    expect(world.log.index.at(mine.address)?.generation).toBeGreaterThan(1)
  })
})

describe('a block that was made and deleted after the last cursor of a replica', () => {
  it('is gone for a replica that had heard of it', async () => {
    // Time stands still for the log: it issues one cursor and no second.
    const still = await SyncWorld.open(undefined, { clock: new ManualClock() })
    onTestFinished(() => still.close())
    await still.approve(alice, ...everything)
    await still.approve(bob, ...everything)
    const a = still.plugin(alice)
    const watch = a.memory.watch('space:home/*')
    const end = a.connect()
    await vi.waitFor(() => expect(still.count('synced', 'alice')).toBe(1), { timeout: 10_000 })
    const b = still.plugin(bob)
    b.connect()
    await b.memory.open(notes, 'text').live()
    await vi.waitFor(() => expect(watch.blocks).toHaveLength(1), { timeout: 10_000 })
    end()
    const row = still.log.index.at(parseAddress(notes).address)
    if (row === undefined) throw new Error('no block')
    const origin = { peer: daemonPerson.peer, replica: b.replica }
    await still.log.watcherComponents.committer.submit([{ kind: 'delete', block: row.id, origin, grantVersion: 0 }])
    a.connect()
    await vi.waitFor(() => expect(watch.blocks).toEqual([]), { timeout: 10_000 })
    expect(still.count('resync', 'alice')).toBe(0)
  })
})

describe('a block that is deleted while one writes to it without the right to read', () => {
  it('is gone for the writer too', async () => {
    await world.approve(alice, ...everything.filter((grant) => !grant.includes(':read:')))
    const a = world.plugin(alice)
    const end = a.connect()
    const mine = a.memory.open(notes, 'text')
    await mine.live()
    const row = world.log.index.at(mine.address)
    if (row === undefined) throw new Error('no block')
    const origin = { peer: daemonPerson.peer, replica: a.replica }
    await world.log.watcherComponents.committer.submit([{ kind: 'delete', block: row.id, origin, grantVersion: 0 }])
    await vi.waitFor(() => expect(mine.state).toBe('gone'), { timeout: 10_000 })
    end()
  })
})

describe('a right that is taken while an edit is on its way', () => {
  it('keeps an edit that is stored although its author may no longer read', async () => {
    const a = world.plugin(alice)
    const b = world.plugin(bob)
    b.connect()
    let end = a.connect()
    const mine = a.memory.open(notes, 'text')
    const theirs = b.memory.open(notes, 'text')
    await Promise.all([mine.live(), theirs.live()])
    end()
    await vi.waitFor(() => expect(mine.state).toBe('offline'), { timeout: 10_000 })
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'mine '))
    await world.approve(alice, ...unreadable)
    end = a.connect()
    await vi.waitFor(() => expect(mine.state).toBe('gone'), { timeout: 10_000 })
    await mine.flushed()
    await vi.waitFor(() => expect(theirs.value.text).toBe('mine '), { timeout: 10_000 })
    end()
    await world.approve(alice, ...everything)
    end = a.connect()
    await vi.waitFor(() => expect(mine.state).toBe('live'), { timeout: 10_000 })
    theirs.change((doc) => splice(doc, ['text'], 5, 0, 'theirs'))
    await vi.waitFor(() => expect(mine.value.text).toBe('mine theirs'), { timeout: 10_000 })
    expect(mine.refused).toEqual([])
    end()
  })
})
