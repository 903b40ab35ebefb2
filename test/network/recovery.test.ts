/** What comes back together after one side was set back, or lost a right while something was on its way. */
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../daemon/system-clock.ts'
import { splice } from '../../plugin-sdk/memory/index.ts'
import { Channel } from '../../protocol/index.ts'
import { alice, bob, daemonPerson } from '../fixtures/cast.ts'
import { type PluginInWorld, SyncWorld } from '../fixtures/sync-world.ts'

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

describe('a block that was deleted while a replica was away', () => {
  it('is not made again by it, and what was written for it is kept aside', async () => {
    const a = world.plugin(alice)
    const end = a.connect()
    const mine = a.memory.open(notes, 'text')
    await mine.live()
    end()
    await vi.waitFor(() => expect(mine.state).toBe('offline'))
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
    expect(world.log.index.at(mine.address)?.generation).toBe(2)
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
