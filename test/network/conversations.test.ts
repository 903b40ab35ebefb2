/**
 * What is said on the wire, frame by frame: with documents that merge, equal text at the end proves nothing about what was
 * sent, and how often, to get there.
 */
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from '../../daemon/system-clock.ts'
import { splice } from '../../plugin-sdk/memory/index.ts'
import { type BlockAddress, Channel, limits } from '../../protocol/index.ts'
import { decodeRun } from '../../protocol/sync/index.ts'
import { alice, bob, daemonPerson, mallory } from '../fixtures/cast.ts'
import { actorOf, insert, RawReplica, textDoc } from '../fixtures/raw-replica.ts'
import { lineOf, type PluginInWorld, SyncWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: SyncWorld

async function openWorld(...options: Parameters<typeof SyncWorld.open>): Promise<SyncWorld> {
  const opened = await SyncWorld.open(...options)
  for (const who of [alice, bob]) await opened.approve(who, ...everything)
  return opened
}

beforeEach(async () => {
  world = await openWorld()
})

afterEach(async () => {
  await world.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })

interface Talk {
  readonly said: string[]
  readonly heard: string[]
  readonly settled: string[]
}

/**
 * What one plugin said and heard since the last call, equal lines that follow each other as one. Apart from each other, and
 * from what became of its changes, because which of those is first is a matter of time; so is credit, which is left out, as
 * are the frames between the pieces of something long that say how far it is, and cursors after the first and introductions of what was introduced, or may have been before the first of these lines.
 */
function talk(name: string, from = world): Talk {
  const talked: Talk = { said: [], heard: [], settled: [] }
  const heardOnce = new Set<string>()
  for (const each of from.frames.splice(0)) {
    const { t } = each.frame
    if (![each.from, each.to].includes(name) || t === 'credit' || t === 'progress') continue
    const line = lineOf(each).replace(/^.*? {2}/, '')
    if (t === 'synced' || t === 'block') {
      if (heardOnce.has(line) || (t === 'block' && !talked.said.includes('open'))) continue
      heardOnce.add(line)
    }
    const heard = t === 'ack' || t === 'refuse' ? talked.settled : talked.heard
    const lines = each.from === name ? talked.said : heard
    const [, text, times = '1'] = /^(.*?)(?: {2}×(\d+))?$/.exec(lines.at(-1) ?? '') ?? []
    if (text === line) lines.splice(-1, 1, `${line}  ×${Number(times) + 1}`)
    else lines.push(line)
  }
  return talked
}

/** Two plugins with one block, in step and past their first cursors. */
async function pair() {
  const [a, b] = [world.plugin(alice), world.plugin(bob)]
  const [endA, endB] = [a.connect(), b.connect()]
  const [mine, theirs] = [a.memory.open(notes, 'text'), b.memory.open(notes, 'text')]
  await Promise.all([mine.live(), theirs.live()])
  return { a, b, endA, endB, mine, theirs }
}

/** Connects a plugin of one world to another one: the daemon over an older copy of its store. */
function connectTo(daemon: SyncWorld, { person, memory, replica }: PluginInWorld): void {
  const session = new AbortController()
  memory.onConnection({
    daemon: daemonPerson.peer,
    replica,
    signal: session.signal,
    openChannel: async () => new Channel(daemon.dial(person, replica, session.signal), { clock: systemClock }),
  })
}

it('a first sync', async () => {
  const raw = new RawReplica(world, alice)
  await raw.begin(notes)
  const first = insert(textDoc(actorOf(alice)), 0, 'before')
  raw.submit([first.bytes, insert(first.doc, 6, ' and after').bytes])
  await raw.settled(2)
  const b = world.plugin(bob)
  b.connect()
  const theirs = b.memory.open(notes, 'text')
  await theirs.live()
  expect(theirs.value.text).toBe('before and after')
  expect(talk('bob')).toMatchInlineSnapshot(`
    {
      "heard": [
        "block label notes",
        "delta  (2 changes)",
        "synced",
      ],
      "said": [
        "open",
        "create label notes",
      ],
      "settled": [],
    }
  `)
})

it('a live edit, which nobody echoes', async () => {
  const { mine, theirs } = await pair()
  world.frames.length = 0
  mine.change((doc) => splice(doc, ['text'], 0, 0, 'x'))
  await mine.flushed()
  await until(() => expect(theirs.value.text).toBe('x'))
  // Behind it, so that nothing of the first edit is on its way any more.
  theirs.change((doc) => splice(doc, ['text'], 1, 0, 'y'))
  await theirs.flushed()
  await until(() => expect(mine.value.text).toBe('xy'))
  const frames = [...world.frames]
  expect(talk('alice')).toMatchInlineSnapshot(`
    {
      "heard": [
        "delta  (1 changes)",
      ],
      "said": [
        "delta  (1 changes)",
      ],
      "settled": [
        "ack n 1",
      ],
    }
  `)
  world.frames.push(...frames)
  expect(talk('bob')).toMatchInlineSnapshot(`
    {
      "heard": [
        "delta  (1 changes)",
      ],
      "said": [
        "delta  (1 changes)",
      ],
      "settled": [
        "ack n 1",
      ],
    }
  `)
})

it('two replicas of one key', async () => {
  const [first, second] = [new RawReplica(world, alice), new RawReplica(world, alice, '1'.repeat(32) as never)]
  await first.begin(notes)
  second.open([notes])
  await second.expect('synced')
  world.frames.length = 0
  first.submit([insert(textDoc(actorOf(alice)), 0, 'same key').bytes])
  await first.settled(1)
  await second.expect('delta')
  expect(talk('alice')).toMatchInlineSnapshot(`
    {
      "heard": [
        "delta  (1 changes)",
      ],
      "said": [
        "delta  (1 changes)",
      ],
      "settled": [
        "ack n 1",
      ],
    }
  `)
})

it('a resume after both ends were started again: the missing changes only', async () => {
  const path = `${tempDir()}/replica.db`
  const before = await world.storedPlugin(bob, path)
  let end = before.connect()
  const theirs = before.memory.open(notes, 'text')
  theirs.change((doc) => splice(doc, ['text'], 0, 0, 'theirs'))
  await theirs.flushed()
  await until(() => expect(world.count('synced', 'bob')).toBeGreaterThan(1))
  await theirs.saved()
  end()
  await before.memory.stop()
  await world.restart()
  const raw = new RawReplica(world, alice)
  await raw.begin(notes)
  raw.submit([insert(textDoc(actorOf(alice)), 0, 'mine ').bytes])
  expect(await raw.settled(1)).toBe('ok')
  world.frames.length = 0

  const after = await world.storedPlugin(bob, path)
  await after.memory.prepare(notes)
  const again = after.memory.open(notes, 'text')
  again.change((doc) => splice(doc, ['text'], 0, 0, '+'))
  // Only now: what it has to say is known when it begins.
  end = after.connect()
  await again.live()
  await again.flushed()
  await until(() => expect(again.value.text).toHaveLength(12))
  expect(talk('bob')).toMatchInlineSnapshot(`
    {
      "heard": [
        "block label notes",
        "delta  (1 changes)",
        "synced",
      ],
      "said": [
        "open",
        "create label notes",
        "delta  (1 changes)",
      ],
      "settled": [
        "ack n 1",
      ],
    }
  `)
  end()
})

it('a reader that lags behind what is kept in memory, and catches up', async () => {
  await world.close()
  world = await openWorld(undefined, { ringBytes: 64 * 1024 })
  const writer = world.plugin(alice)
  writer.connect()
  const block = writer.memory.open(notes, 'map')
  await block.live()
  const slow = new RawReplica(world, bob)
  slow.open([notes])
  await slow.expect('synced')
  for (let n = 0; n < 150; n++) {
    block.change((draft) => {
      draft.map[`key ${n}`] = new Uint8Array(10_000).map((_, index) => (index * 7 + n) % 251)
    })
    await block.flushed()
  }
  const deltas = () => world.frames.flatMap(({ frame, to }) => (frame.t === 'delta' && to === 'bob' ? [frame] : []))
  const runs = () => deltas().map(({ run }) => run as Uint8Array)
  const bytes = () => runs().reduce((sum, run) => sum + run.byteLength, 0)
  await until(() => expect(bytes()).toBeGreaterThanOrEqual(limits.creditBytes))
  expect(bytes()).toBeLessThan(limits.creditBytes + 256 * 1024)
  slow.send({ t: 'credit', bytes: limits.creditBytes })
  const hashes = () => runs().flatMap((run) => decodeRun(run).map((change) => A.decodeChange(change).hash))
  await until(() => expect(hashes().length).toBeGreaterThanOrEqual(150))
  expect(hashes()).toEqual(
    A.getAllChanges(block.value)
      .slice(1)
      .map((change) => A.decodeChange(change).hash),
  )
  // As many as a frame holds, once the reader was behind; how many before that is a matter of who was faster.
  expect(deltas().length).toBeLessThan(150)
  world.frames.push(...world.frames.splice(0).filter(({ frame }) => frame.t !== 'delta'))
  expect(talk('bob')).toMatchInlineSnapshot(`
    {
      "heard": [
        "block label notes",
        "synced",
      ],
      "said": [
        "open",
      ],
      "settled": [],
    }
  `)
})

it('a new block under a watch', async () => {
  const watcher = new RawReplica(world, bob)
  watcher.open(['space:home/*'])
  await watcher.expect('synced')
  const writer = new RawReplica(world, alice)
  await writer.begin('space:home/new')
  writer.submit([insert(textDoc(actorOf(alice)), 0, 'x').bytes])
  await writer.settled(1)
  await watcher.expect('delta')
  expect(talk('bob')).toMatchInlineSnapshot(`
    {
      "heard": [
        "synced",
        "block label new",
        "delta  (1 changes)",
      ],
      "said": [
        "open",
      ],
      "settled": [],
    }
  `)
})

it('what is said of a block, to who is there and to who comes back', async () => {
  const { b, endB, theirs } = await pair()
  const say = (description: string) => world.log.describe(notes as BlockAddress, { description })
  await until(() => expect(world.count('synced', 'bob')).toBeGreaterThan(0))
  world.frames.length = 0
  await say('for later')
  await until(() => expect(theirs.meta).toEqual({ description: 'for later' }))
  expect(talk('bob').heard.filter((line) => line !== 'synced')).toEqual(['meta'])
  endB()
  await until(() => expect(theirs.state).toBe('offline'))
  await say('for now')
  world.frames.length = 0
  b.connect()
  await until(() => expect(theirs.meta).toEqual({ description: 'for now' }))
  await until(() => expect(world.count('synced', 'bob')).toBeGreaterThan(0))
  expect(talk('bob')).toMatchInlineSnapshot(`
    {
      "heard": [
        "block label notes",
        "synced",
      ],
      "said": [
        "open",
      ],
      "settled": [],
    }
  `)
})

it('a change that is refused for good', async () => {
  const a = world.plugin(alice)
  a.connect()
  const mine = a.memory.open(notes, 'text')
  mine.change((doc) => splice(doc, ['text'], 0, 0, 'mine'))
  await mine.flushed()
  await world.approve(bob, 'blocks:read:space:home/*')
  const b = world.plugin(bob)
  b.connect()
  const theirs = b.memory.open(notes, 'text')
  await theirs.live()
  world.frames.length = 0
  theirs.change((doc) => splice(doc, ['text'], 0, 0, 'not '))
  await expect(theirs.flushed()).rejects.toMatchObject({ code: 'grant-missing' })
  mine.change((doc) => splice(doc, ['text'], 4, 0, '!'))
  await until(() => expect(theirs.value.text).toBe('mine!'))
  expect(talk('bob')).toMatchInlineSnapshot(`
    {
      "heard": [
        "delta  (1 changes)",
      ],
      "said": [
        "delta  (1 changes)",
      ],
      "settled": [
        "refuse code grant-missing n 1",
        "ack n 1",
      ],
    }
  `)
})

it('a block of five megabytes, in pieces', async () => {
  const writer = world.plugin(alice)
  writer.connect()
  const block = writer.memory.open(notes, 'map')
  await block.live()
  let state = 1
  const noise = (): number => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state >>> 24
  }
  for (let n = 0; n < 50; n++) {
    block.change((draft) => {
      draft.map[`key ${n}`] = Uint8Array.from({ length: 100_000 }, noise)
    })
    await block.flushed()
  }
  const row = world.log.index.at(block.address)
  if (row === undefined) throw new Error('no block')
  const seq = world.log.published
  const bytes = A.save(block.value)
  await world.storage.putSnapshot({ block: row.id, seq, changes: 50, heads: row.heads, bytes })
  expect(bytes.byteLength).toBeGreaterThan(5_000_000)
  const reader = world.plugin(bob)
  world.frames.length = 0
  reader.connect()
  const theirs = reader.memory.open(notes, 'map')
  await theirs.live()
  await until(() => expect(Object.keys(theirs.value.map)).toHaveLength(50))
  expect(talk('bob')).toMatchInlineSnapshot(`
    {
      "heard": [
        "block label notes",
        "chunk  ×77",
        "synced",
      ],
      "said": [
        "open",
        "create label notes",
      ],
      "settled": [],
    }
  `)
})

it('a cursor of an epoch that the daemon never had', async () => {
  const { b, endB, mine, theirs } = await pair()
  mine.change((doc) => splice(doc, ['text'], 0, 0, 'mine '))
  await mine.flushed()
  await until(() => expect(theirs.value.text).toBe('mine '))
  endB()
  await until(() => expect(theirs.state).toBe('offline'))
  theirs.change((doc) => splice(doc, ['text'], 5, 0, 'theirs'))

  const older = await openWorld()
  const writer = new RawReplica(older, alice)
  await writer.begin(notes)
  older.frames.length = 0
  connectTo(older, b)
  // The daemon has lost what this edit builds on: it asks for that, and the reader sends it in the name of its author.
  await until(() => expect(older.log.index.at(theirs.address)?.changes).toBe(2))
  const { said, heard } = talk('bob', older)
  // When the edit itself is sent again is a matter of time.
  expect(heard.filter((line) => !line.startsWith('delta'))).toEqual(['resync', 'block label notes', 'lacks', 'synced'])
  expect(said).toEqual(expect.arrayContaining(['open', 'create label notes', 'have', 'delta  (2 changes)', 'supplied']))
  await older.close()
})

it('a plugin that may do nothing', async () => {
  const m = world.plugin(mallory)
  m.connect()
  const block = m.memory.open(notes, 'text')
  await until(() => expect(block.state).toBe('denied'))
  expect(talk('mallory')).toMatchInlineSnapshot(`
    {
      "heard": [
        "synced",
      ],
      "said": [
        "open",
        "create label notes",
      ],
      "settled": [
        "refuse code grant-missing",
      ],
    }
  `)
})
