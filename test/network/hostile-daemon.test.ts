/** What a daemon that breaks the rules can do to a plugin: end the conversation. The plugin works on, and its next daemon gets everything. */
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../daemon/system-clock.ts'
import { type BlockHandle, createMemory, type Memory } from '../../plugin-sdk/memory/index.ts'
import { type BlockAddress, Channel, encodeValue, limits, type ReplicaId } from '../../protocol/index.ts'
import { DiallerSession, encodeRun, type ListenerFrame, syncFrames } from '../../protocol/sync/index.ts'
import { Author } from '../fixtures/author.ts'
import { alice, bob, daemonPerson, mallory } from '../fixtures/cast.ts'
import { brokenBodies, type Ground, listenerSamples, spoil } from '../fixtures/hostile-frames.ts'
import { createStreamPair } from '../fixtures/stream-pair.ts'
import { SyncWorld, silentLog } from '../fixtures/sync-world.ts'
import { WireStream, within } from '../fixtures/wire-stream.ts'

const address = 'space:home/notes' as BlockAddress
const replica = '0'.repeat(32) as ReplicaId

let memory: Memory
let block: BlockHandle<'map'>
let edits = 0

beforeEach(() => {
  memory = createMemory({
    identity: bob,
    daemon: daemonPerson.peer,
    clock: systemClock,
    log: silentLog,
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
  })
  block = memory.open(address, 'map')
  edits = 0
  edit()
})

afterEach(async () => {
  await memory.stop()
})

function edit(): void {
  edits++
  block.change((draft) => {
    draft.map.edits = edits
  })
}

interface Said {
  readonly wire: WireStream
  readonly ground: Ground
  /** Waits until the plugin has ended the conversation. */
  ended(): Promise<void>
}

/** A connection on which the test is the daemon; the plugin has asked for its block. */
async function asDaemon(): Promise<Said> {
  const [near, far] = createStreamPair()
  const connection = new AbortController()
  let isOpened = false
  memory.onConnection({
    daemon: daemonPerson.peer,
    replica,
    signal: connection.signal,
    openChannel: async () => {
      if (isOpened) throw new Error('one stream is enough')
      isOpened = true
      return new Channel(near, { clock: systemClock })
    },
  })
  const wire = new WireStream(new Channel(far, { clock: systemClock }))
  // What it knows already it does not ask for: it is introduced because it is watched.
  await wire.frame('open')
  for (let turn = 0; turn < 8; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
  const create = wire.heard.find(({ t }) => t === 'create')
  const author = new Author({ daemon: daemonPerson.peer, peer: mallory.peer, seed: mallory.seed, address })
  const handle = Number(create?.handle ?? 2)
  const [scope, label] = ['space:home', 'notes']
  const ground = { replica, instance: replica, scope, label, handle, delta: () => author.delta(handle) }
  return {
    wire,
    ground,
    ended: () => within(wire.ended, 'the end of the conversation', 20_000).then(() => connection.abort()),
  }
}

/** What is written is still there, and more can be. */
function expectWorking(): void {
  expect(block.value.map.edits).toBe(edits)
  edit()
  expect(block.value.map.edits).toBe(edits)
  expect(block.refused).toEqual([])
}

const introduced = (ground: Ground): object => ({ ...listenerSamples.block(ground), heads: [], held: [] })

describe('any frame of a daemon with any field spoilt', () => {
  it.each(Object.keys(listenerSamples) as (keyof typeof listenerSamples)[])(
    'ends the conversation and nothing else: %s',
    async (type) => {
      const first = await asDaemon()
      const spoilt = spoil(syncFrames.listener[type], listenerSamples[type](first.ground))
      expect(spoilt.length).toBeGreaterThan(1)
      first.wire.send({ t: 'done', reason: 'superseded' })
      await first.ended()
      for (const { name, value } of spoilt) {
        const { wire, ground, ended } = await asDaemon()
        wire.send(introduced(ground))
        wire.sendBody(encodeValue(value))
        await ended().catch((error) => expect.fail(`${name}: ${String(error)}`))
      }
      expectWorking()
    },
    60_000,
  )

  it('ends it when it is no value at all', async () => {
    for (const body of Object.values(brokenBodies)) {
      const { wire, ended } = await asDaemon()
      wire.sendBody(body)
      await ended()
    }
    expectWorking()
  })
})

describe('a daemon that lies', () => {
  const chunk = (ground: Ground, bytes: Uint8Array, last = true): object => ({
    t: 'chunk',
    handle: ground.handle,
    bytes,
    last,
    tips: [],
  })
  const delta = (ground: Ground, over: object): object => ({ ...listenerSamples.delta(ground), ...over })
  const forged = (ground: Ground) => {
    const { run, tips } = ground.delta() as { run: Uint8Array; tips: object[] }
    return { run, tips: tips.map((tip) => ({ ...tip, peer: alice.peer })) }
  }
  const lies: Record<string, (ground: Ground) => object[]> = {
    'acknowledges what was never sent': () => [{ t: 'ack', n: 1_000 }],
    'acknowledges as much as there are numbers': () => [{ t: 'ack', n: Number.MAX_SAFE_INTEGER }],
    'refuses what was never sent': () => [{ t: 'refuse', n: 5, count: 1_000_000, code: 'bad-change' }],
    'has sent more than there is': () => [{ t: 'progress', done: 2, total: 1 }],
    'gives credit that was never used': () => [{ t: 'credit', bytes: limits.creditBytes }],
    'speaks of a block that it never introduced': (ground) => [delta(ground, { handle: 4_711 })],
    'sends pieces of a snapshot of it': (ground) => [{ ...chunk(ground, new Uint8Array(9)), handle: 4_711 }],
    'sends a change with a bit turned': (ground) => {
      const { run } = ground.delta() as { run: Uint8Array }
      return [delta(ground, { run: run.with(run.length - 1, (run.at(-1) ?? 0) ^ 1) })]
    },
    'says that somebody else wrote it': (ground) => [delta(ground, forged(ground))],
    'sends a run in no encoding': (ground) => [delta(ground, { run: Uint8Array.of(200, 1, 2, 3) })],
    'sends a change of a million operations': (ground) => [
      delta(ground, { run: encodeRun([new Uint8Array(limits.maxChangeBytes + 1)]) }),
    ],
    'sends a snapshot that is no document': (ground) => [chunk(ground, new Uint8Array(500))],
    'sends a change for a snapshot': (ground) => [
      chunk(ground, A.getAllChanges(A.from({ a: 1 }))[0] ?? new Uint8Array(0)),
    ],
    'sends a damaged snapshot': (ground) => {
      const saved = A.save(A.from({ text: 'some text' }))
      return [chunk(ground, saved.with(saved.length - 1, (saved.at(-1) ?? 0) ^ 1))]
    },
  }

  it.each(Object.entries(lies))('is left when it %s', async (_, frames) => {
    const { wire, ground, ended } = await asDaemon()
    // It may answer what it was sent before: that alone is no lie.
    wire.send(introduced(ground), ...frames(ground))
    await ended()
    expectWorking()
  })

  it('may forget the block and say so, any number of times', async () => {
    const { wire, ground, ended } = await asDaemon()
    wire.send(introduced(ground))
    for (let n = 0; n < 200; n++) {
      wire.send(listenerSamples.gone(ground), introduced(ground), { ...listenerSamples.synced() })
    }
    wire.send({ t: 'done', reason: 'superseded' })
    await ended()
    expectWorking()
  })

  it('is left before pieces of a snapshot without end fill the memory', () => {
    const session = new DiallerSession()
    const piece = new Uint8Array(limits.maxChunkBytes)
    const pieces = limits.maxSnapshotBytes / piece.byteLength
    const introduce = (handle: number): void =>
      void session.receive({
        t: 'block',
        handle,
        scope: 'space:home',
        label: `b${handle}`,
        generation: 1,
        schema: 'text',
        meta: {},
        heads: [],
        held: [],
      } as unknown as ListenerFrame)
    for (const handle of [2, 4]) introduce(handle)
    const say = (handle: number): unknown =>
      session.receive({ t: 'chunk', handle, bytes: piece, last: false, tips: [] })
    // Over all blocks together, and what is given up is free again.
    for (let n = 0; n < pieces / 2; n++) say(2)
    session.receive({ t: 'gone', handle: 2, address, reason: 'no-match' } as unknown as ListenerFrame)
    introduce(2)
    for (let n = 0; n < pieces / 2; n++) say(2)
    for (let n = 0; n < pieces / 2; n++) say(4)
    expect(() => say(2)).toThrow(expect.objectContaining({ code: 'quota-exceeded' }))
  })
})

describe('after all that', () => {
  it('an honest daemon gets what was written meanwhile', async () => {
    const { wire, ended } = await asDaemon()
    wire.send({ t: 'ack', n: 99 })
    await ended()
    expectWorking()
    const world = await SyncWorld.open()
    for (const who of [alice, bob]) {
      await world.approve(who, ...['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`))
    }
    const session = new AbortController()
    memory.onConnection({
      daemon: daemonPerson.peer,
      replica,
      signal: session.signal,
      openChannel: async () => new Channel(world.dial(bob, replica, session.signal), { clock: systemClock }),
    })
    await block.flushed()
    const other = world.plugin(alice)
    other.connect()
    const theirs = other.memory.open(address, 'map')
    await vi.waitFor(() => expect(theirs.value.map.edits).toBe(edits), { timeout: 20_000 })
    session.abort()
    await world.close()
  })
})
