/** Changes that come from another than their author: what proves them, what refuses them, and who is asked for them. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { splice } from '../../plugin-sdk/memory/index.ts'
import { type BlockAddress, limits, type ReplicaId } from '../../protocol/index.ts'
import { decodeRun, encodeRun, readChange, type SentTip, signTip } from '../../protocol/sync/index.ts'
import { alice, bob, mallory, type Person } from '../fixtures/cast.ts'
import { ManualClock } from '../fixtures/clock.ts'
import { actorOf, insert, RawReplica, type TextDoc, textDoc } from '../fixtures/raw-replica.ts'
import { type PluginInWorld, SyncWorld } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes' as BlockAddress
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  for (const person of [alice, bob, mallory]) await world.approve(person, ...everything)
})

afterEach(async () => {
  await world.close()
})

/** Edits of alice, in order, under one actor. */
function written(texts: readonly string[], actor = actorOf(alice)) {
  let doc: TextDoc = textDoc(actor)
  const chunks = texts.map((text) => {
    const edit = insert(doc, doc.text.length, text)
    doc = edit.doc
    return edit.bytes
  })
  return { doc, chunks }
}

interface Lie {
  readonly seed?: Uint8Array
  readonly peer?: Person
  readonly address?: BlockAddress
  readonly generation?: number
}

/** The tip of a change, as its author signs it unless the test lies. */
function tipOf(chunk: Uint8Array | undefined, author: Person, lie: Lie = {}): SentTip {
  if (chunk === undefined) throw new Error('a tip is of a change')
  const { actor, seq, hash } = readChange(chunk)
  const { address = notes, generation = 1, seed = author.seed, peer = author } = lie
  const signature = signTip(seed, { address, generation, actor, seq, hash })
  return { actor, seq, hash, signature, peer: peer.peer }
}

async function supplier(who: Person): Promise<RawReplica> {
  const raw = new RawReplica(world, who)
  await raw.begin(notes)
  return raw
}

const frame = (chunks: readonly Uint8Array[], tips: readonly SentTip[], more?: true) => ({
  t: 'delta',
  handle: 1,
  run: encodeRun(chunks),
  tips: [...tips],
  ...(more === undefined ? {} : { more }),
})

const changes = (): number => world.log.index.at(notes)?.changes ?? 0

describe('changes that another supplies', () => {
  it('are taken with the tip of their author, who goes on from there and is shown as their author', async () => {
    const a = world.plugin(alice)
    const { chunks } = written(['one ', 'two '])
    const raw = await supplier(bob)
    raw.send(frame(chunks, [tipOf(chunks[1], alice)]))
    expect(await raw.settled(2)).toBe('ok')
    a.connect()
    const mine = a.memory.open(notes, 'text')
    await vi.waitFor(() => expect(mine.value.text).toBe('one two '), 10_000)
    mine.change((doc) => splice(doc, ['text'], 8, 0, 'three'))
    await mine.flushed()
    expect(changes()).toBe(3)
    const { rows } = await world.storage.readLog({ after: 0, until: 100, maxBytes: 1_000_000 })
    expect(rows.map(({ origin }) => origin.peer)).toEqual([bob.peer, bob.peer, alice.peer])
    const signed = world.frames.flatMap(({ to, frame: sent }) =>
      sent.t === 'delta' && to === 'alice' ? (sent.tips as { peer: string }[]) : [],
    )
    expect(new Set(signed.map(({ peer }) => peer))).toEqual(new Set([alice.peer]))
  })

  it('are taken over several frames when one signature covers them, and not without it', async () => {
    const { chunks } = written(['one ', 'two ', 'three'])
    const raw = await supplier(bob)
    raw.send(frame(chunks.slice(0, 2), [], true))
    raw.send(frame(chunks.slice(2), [tipOf(chunks[2], alice)]))
    expect(await raw.settled(3)).toBe('ok')
    expect(changes()).toBe(3)
    const { chunks: more } = written(['four'])
    raw.send(frame(more, []))
    expect(await raw.settled(4)).toBe('actor-not-owned')
    expect(changes()).toBe(3)
  })

  it.each<[string, (chunk: Uint8Array) => SentTip[], string]>([
    ['no tip at all', () => [], 'actor-not-owned'],
    ['a tip without an author', (chunk) => [{ ...tipOf(chunk, alice), peer: undefined }], 'actor-not-owned'],
    ['the supplier as the author', (chunk) => [tipOf(chunk, alice, { peer: mallory })], 'actor-not-owned'],
    ['a signature of the supplier', (chunk) => [tipOf(chunk, alice, { seed: mallory.seed })], 'bad-signature'],
    [
      'a tip of another block',
      (chunk) => [tipOf(chunk, alice, { address: 'space:home/other' as never })],
      'bad-signature',
    ],
    ['a tip of another generation', (chunk) => [tipOf(chunk, alice, { generation: 2 })], 'bad-signature'],
  ])('are refused with %s, and their author can still write', async (_what, lie, code) => {
    const { chunks } = written(['mine'])
    const [chunk] = chunks
    if (chunk === undefined) throw new Error('nothing was written')
    const raw = await supplier(mallory)
    raw.send(frame(chunks, lie(chunk).map(withoutUndefined)))
    expect(await raw.settled(1)).toBe(code)
    expect(changes()).toBe(0)
    const honest = await supplier(alice)
    honest.submit(chunks)
    expect(await honest.settled(1)).toBe('ok')
  })

  it('are refused when an invented change stands before one that its author signed', async () => {
    const actor = actorOf(alice)
    const { chunks: real } = written(['real', ' more'], actor)
    const { chunks: forged } = written(['fake'], actor)
    const [fake] = forged
    const [, signed] = real
    if (fake === undefined || signed === undefined) throw new Error('nothing was written')
    const raw = await supplier(mallory)
    raw.send(frame([fake, signed], [tipOf(signed, alice)]))
    expect(await raw.settled(2)).toBe('bad-signature')
    // The tip that belongs to them is of no use to anything else.
    raw.send(frame([fake], [tipOf(signed, alice)]))
    expect(await raw.settled(3)).toBe('bad-signature')
    expect(changes()).toBe(0)
    const honest = await supplier(alice)
    honest.submit(real)
    expect(await honest.settled(2)).toBe('ok')
  })

  it('are refused in the name of one who may not write by now, until it may again', async () => {
    const { chunks } = written(['mine'])
    await world.approve(alice, 'blocks:read:space:home/*')
    const raw = await supplier(bob)
    raw.send(frame(chunks, [tipOf(chunks[0], alice)]))
    expect(await raw.settled(1)).toBe('author-refused')
    expect(changes()).toBe(0)
    await world.approve(alice, ...everything)
    const again = await supplier(bob)
    again.send(frame(chunks, [tipOf(chunks[0], alice)]))
    expect(await again.settled(1)).toBe('ok')
  })

  it('are dropped when the grant of their author changed on the way to the store', async () => {
    const { chunks } = written(['mine'])
    const raw = await supplier(bob)
    const before = world.grants.get(alice.peer)
    await world.approve(alice, 'blocks:read:space:home/*')
    // What memory still says when the frame is looked at; the store knows better.
    if (before !== undefined) world.grants.set(alice.peer, before)
    raw.send(frame(chunks, [tipOf(chunks[0], alice)]))
    expect(await raw.settled(1)).toBe('grant-changed')
    expect(changes()).toBe(0)
  })

  it('count against the one who supplies them', async () => {
    // By hand, so that what was spent does not come back while it is spent.
    const clock = new ManualClock()
    world = await SyncWorld.open(undefined, { clock })
    for (const person of [alice, bob]) await world.approve(person, ...everything)
    const rest = written(Array.from({ length: 400 }, (_, n) => `${n} `)).chunks
    const raw = await supplier(bob)
    const codes = new Set<string>()
    for (let n = 1; n <= limits.maxOpsPerPeerSecond / rest.length; n++) {
      raw.send(frame(rest, [tipOf(rest.at(-1), alice)]))
      codes.add(await raw.settled(n * rest.length))
    }
    expect([...codes]).toEqual(['ok', 'rate-limited'])
    const honest = await supplier(alice)
    const { chunks } = written(['unharmed'])
    honest.submit(chunks)
    expect(await honest.settled(1)).toBe('ok')
  })

  it('never make more wait for a signature than is allowed', async () => {
    const { chunks } = written(Array.from({ length: 500 }, (_, n) => `${n} `))
    const raw = await supplier(mallory)
    for (let n = 0; n < 17; n++) raw.send(frame(chunks, [], true))
    expect(await raw.expect('done')).toMatchObject({ reason: 'quota-exceeded' })
    expect(changes()).toBe(0)
  })
})

async function beginAt(raw: RawReplica) {
  raw.open()
  return raw.create(notes, 1)
}

const withoutUndefined = <Value extends object>(value: Value): Value =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Value

describe('a daemon that lost what the author is not there to send again', () => {
  /** Alice wrote `count` edits in two lives; everyone else has them; all are offline. */
  async function lost(readers: readonly PluginInWorld[], count = 5): Promise<SyncWorld> {
    const ends: (() => void)[] = []
    const others = readers.map((reader) => {
      ends.push(reader.connect())
      return reader.memory.open(notes, 'text')
    })
    for (const life of ['one', 'two']) {
      const a = world.plugin(alice, life)
      const end = a.connect()
      const mine = a.memory.open(notes, 'text')
      await mine.live()
      for (let n = 0; n < count; n++) mine.change((doc) => splice(doc, ['text'], doc.text.length, 0, `${life}${n} `))
      await mine.flushed()
      for (const theirs of others)
        await vi.waitFor(() => expect(theirs.value.text).toContain(`${life}${count - 1}`), 10_000)
      end()
    }
    for (const end of ends) end()
    for (const theirs of others) await vi.waitFor(() => expect(theirs.state).toBe('offline'), 10_000)
    const older = await SyncWorld.open()
    for (const person of [alice, bob, mallory]) await older.approve(person, ...everything)
    return older
  }

  it('gets it from a reader, and its author finds it there', async () => {
    const b = world.plugin(bob)
    const older = await lost([b])
    b.connect(older)
    await vi.waitFor(() => expect(older.log.index.at(notes)?.changes).toBe(10), { timeout: 10_000 })
    const a = older.plugin(alice, 'three')
    a.connect()
    const mine = a.memory.open(notes, 'text')
    await vi.waitFor(() => expect(mine.value.text).toContain('two4'), 10_000)
    mine.change((doc) => splice(doc, ['text'], 0, 0, 'goes on '))
    await mine.flushed()
    const theirs = b.memory.open(notes, 'text')
    await vi.waitFor(() => expect(theirs.value.text).toBe(mine.value.text), 10_000)
    await older.close()
  })

  it('gets it once, however many have it', async () => {
    const readers = Array.from({ length: 6 }, (_, n) => world.plugin(n % 2 === 0 ? bob : mallory, `reader ${n}`))
    const older = await lost(readers)
    for (const reader of readers) reader.connect(older)
    await vi.waitFor(() => expect(older.log.index.at(notes)?.changes).toBe(10), { timeout: 10_000 })
    const handles = readers.map(({ memory }) => memory.open(notes, 'text'))
    await Promise.all(handles.map((handle) => handle.live()))
    const sent = older.frames.filter(({ to, frame: { t } }) => to === 'daemon' && t === 'delta')
    const supplied = sent.reduce((sum, { frame: { run } }) => sum + countOf(run as Uint8Array), 0)
    // One of them at a time, and the next ones have nothing left to send.
    expect(supplied).toBe(10)
    expect(older.frames.filter(({ frame: { t } }) => t === 'lacks')).toHaveLength(1)
    await older.close()
  })

  it('gets it from the next when the first one asked is gone', async () => {
    const b = world.plugin(bob)
    const older = await lost([b])
    const { generation } = await beginAt(new RawReplica(older, alice))
    const mute = new RawReplica(older, mallory)
    const useless = new TextEncoder().encode('no cursor')
    mute.send({ t: 'open', replica: mute.replica, accept: ['raw'], watch: [notes], own: [], cursor: useless })
    await mute.expect('resync')
    const clock = [{ actor: actorOf(alice), seq: 1_000 }]
    mute.send({ t: 'have', entries: [{ address: notes, generation, clock }], last: true })
    await mute.expect('lacks')
    b.connect(older)
    await vi.waitFor(() => expect(older.count('have', 'daemon')).toBe(2), 10_000)
    mute.end()
    await vi.waitFor(() => expect(older.log.index.at(notes)?.changes).toBe(10), { timeout: 10_000 })
    await older.close()
  })

  it('goes on with a reader whose block is deleted while it supplies it', async () => {
    const raw = await supplier(bob)
    const origin = { peer: alice.peer, replica: '0'.repeat(32) as ReplicaId }
    const { id = 0 } = world.log.index.at(notes) ?? {}
    await world.log.watcherComponents.committer.submit([{ kind: 'delete', block: id, origin, grantVersion: 1 }])
    await raw.expect('gone')
    await raw.create('space:home/others', 3)
    const { chunks } = written(['late'])
    raw.send(frame(chunks, [tipOf(chunks[0], alice)]))
    raw.send({ t: 'supplied', handle: 1 })
    raw.send({ t: 'poison', handle: 1, hash: 'ab'.repeat(32) })
    expect(await raw.settled(1)).toBe('unknown-handle')
    await raw.create('space:home/more', 5)
  })

  it('gives no cursor to a reader that has more, until that has come', async () => {
    const older = await lost([world.plugin(bob)])
    const { generation } = await beginAt(new RawReplica(older, alice))
    const { chunks } = written(['one ', 'two '])
    const raw = new RawReplica(older, bob)
    const useless = new TextEncoder().encode('no cursor')
    raw.send({ t: 'open', replica: raw.replica, accept: ['raw'], watch: [notes], own: [], cursor: useless })
    await raw.expect('resync')
    const [, last] = chunks
    const { actor = '', seq = 0 } = last === undefined ? {} : readChange(last)
    raw.send({ t: 'have', entries: [{ address: notes, generation, clock: [{ actor, seq }] }], last: true })
    const { handle } = await raw.expect('lacks')
    expect((await raw.expect('synced')).cursor).toHaveLength(0)
    raw.send({ ...frame(chunks, [tipOf(last, alice)]), handle })
    raw.send({ t: 'supplied', handle })
    expect(await raw.settled(2)).toBe('ok')
    while ((await raw.expect('synced')).cursor.byteLength === 0);
    await older.close()
  })

  it('gets what a reader wrote on top of it as well', async () => {
    const b = world.plugin(bob)
    const older = await lost([b])
    const theirs = b.memory.open(notes, 'text')
    theirs.change((doc) => splice(doc, ['text'], 0, 0, 'bob: '))
    b.connect(older)
    await theirs.flushed()
    expect(older.log.index.at(notes)?.changes).toBe(11)
    expect([theirs.refused, theirs.state]).toEqual([[], 'live'])
    await older.close()
  })
})

const countOf = (run: Uint8Array): number => decodeRun(run).length
