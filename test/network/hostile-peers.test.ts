/** What one approved plugin can do to the others, to the daemon's memory and to its time: nothing. */
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { encodeValue, limits, parseGrant, type ReplicaId, schemaNamed } from '../../protocol/index.ts'
import { encodeRun, ListenerSession, signTip } from '../../protocol/sync/index.ts'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { assemble, takeApart } from '../fixtures/change-builder.ts'
import { strayInsert } from '../fixtures/poison.ts'
import { actorOf, insert, RawReplica, textDoc } from '../fixtures/raw-replica.ts'
import { SyncWorld } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 5 })

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  for (const who of [alice, bob, mallory]) await world.approve(who, ...everything)
})

afterEach(async () => {
  await world.close()
})

const other = 'f'.repeat(32) as ReplicaId

describe('a change that the engine cannot take', () => {
  it('is left out by the other plugins, which go on, and is reported', async () => {
    const a = world.plugin(alice)
    a.connect()
    const mine = a.memory.open(notes, 'text')
    await mine.live()
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const { honest, poison } = strayInsert(mallory)
    for (const bytes of honest) raw.submit([bytes])
    await raw.settled(honest.length)
    await until(() => expect(mine.value.text).toBe('abcdefghij'))
    raw.submit([poison])
    expect(await raw.settled(honest.length + 1)).toBe('ok')
    await until(() => expect(world.count('poison', 'daemon')).toBe(1))
    mine.change((draft) => A.splice(draft, ['text'], 0, 0, 'still '))
    await mine.flushed()
    expect(mine.value.text).toBe('still abcdefghij')
    const b = world.plugin(bob)
    b.connect()
    const theirs = b.memory.open(notes, 'text')
    await until(() => expect(theirs.value.text).toBe('still abcdefghij'))
  })
})

describe('edits side by side', () => {
  it('are bounded for one peer, so that others can still build on all of them', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    let codes = 0
    for (let n = 1; n <= 70; n++) {
      raw.submit([insert(textDoc(actorOf(mallory)), 0, 'x').bytes])
      if ((await raw.settled(n)) !== 'ok') codes++
    }
    expect(codes).toBeGreaterThan(0)
    const row = world.log.index.at(notes as never)
    expect(row?.heads.length).toBe(64)

    const a = world.plugin(alice)
    a.connect()
    const mine = a.memory.open(notes, 'text')
    await until(() => expect(mine.value.text).toHaveLength(64))
    mine.change((draft) => A.splice(draft, ['text'], 0, 0, 'one '))
    await mine.flushed()
    expect(world.log.index.at(notes as never)?.heads).toHaveLength(1)
  })

  it('are refused when an actor passes over its own last change', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const actor = actorOf(mallory)
    const first = insert(textDoc(actor), 0, 'a')
    const beside = insert(textDoc(actorOf(mallory)), 0, 'b')
    raw.submit([first.bytes])
    raw.submit([beside.bytes])
    expect(await raw.settled(2)).toBe('ok')
    const next = takeApart(insert(first.doc, 1, 'c').bytes)
    const dep = Buffer.from(A.decodeChange(beside.bytes).hash, 'hex')
    raw.submit([assemble({ ...next, deps: [dep] })])
    expect(await raw.settled(3)).toBe('bad-change')
  })
})

describe('a block event between two changes of one replica', () => {
  it('is told to a watcher that reads the log from disk', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const watcher = new RawReplica(world, alice)
    watcher.open(['space:home/*'])
    const { cursor } = await watcher.expect('synced')
    watcher.end()
    const first = insert(textDoc(actorOf(mallory)), 0, 'a')
    raw.submit([first.bytes])
    await raw.settled(1)
    const maker = new RawReplica(world, bob)
    maker.open()
    await maker.create('space:home/between', 1)
    raw.submit([insert(first.doc, 1, 'b').bytes])
    await raw.settled(2)
    raw.end()
    await world.restart()
    const again = new RawReplica(world, alice)
    again.send({ t: 'open', replica: again.replica, accept: ['raw'], watch: ['space:home/*'], own: [], cursor })
    await again.expect('synced')
    const labels = world.frames
      .filter(({ frame, to }) => to === 'alice' && frame.t === 'block')
      .map((f) => f.frame.label)
    expect(labels.at(-1)).toBe('between')
  })

  it('is told to a replica that comes back after a deletion', async () => {
    const maker = new RawReplica(world, bob)
    await maker.begin(notes)
    const watcher = new RawReplica(world, alice)
    watcher.open(['space:home/*'])
    const { cursor } = await watcher.expect('synced')
    watcher.end()
    const row = world.log.index.at(notes as never)
    if (row === undefined) throw new Error('no block')
    const origin = { peer: bob.peer, replica: other }
    await world.log.watcherComponents.committer.submit([{ kind: 'delete', block: row.id, origin, grantVersion: 1 }])
    const again = new RawReplica(world, alice)
    again.send({ t: 'open', replica: again.replica, accept: ['raw'], watch: ['space:home/*'], own: [], cursor })
    expect(await again.expect('gone')).toMatchObject({ address: notes, reason: 'deleted' })
  })
})

describe('a snapshot longer than the credit', () => {
  it('arrives', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    let doc = A.clone(textDoc(actorOf(mallory)) as A.Doc<Record<string, unknown>>)
    for (let n = 0; n < 20; n++) {
      doc = A.change(doc, (draft) => {
        draft[`pad ${n}`] = crypto.getRandomValues(new Uint8Array(60_000))
      })
    }
    const bytes = A.save(doc)
    expect(bytes.byteLength).toBeGreaterThan(limits.creditBytes)
    const row = world.log.index.at(notes as never)
    if (row === undefined) throw new Error('no block')
    const heads = A.getHeads(doc) as never[]
    await world.storage.putSnapshot({ block: row.id, seq: row.visibleSeq, changes: 1, heads, bytes })
    const a = world.plugin(alice)
    a.connect()
    const mine = a.memory.open(notes, 'text')
    await mine.live()
    expect(Object.keys(mine.value)).toContain('pad 19')
  })
})

describe('a duplicate of what the store refuses', () => {
  it('is not settled as stored', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const { bytes } = insert(textDoc(actorOf(mallory)), 0, 'a')
    const before = world.grants.get(mallory.peer)
    await world.approve(mallory, 'blocks:read:space:home/*')
    if (before !== undefined) world.grants.set(mallory.peer, before)
    raw.submit([bytes])
    raw.submit([bytes])
    expect(await raw.settled(2)).toBe('grant-changed')
    const refused = world.frames.filter(({ frame, to }) => to === 'mallory' && frame.t === 'refuse')
    expect(refused.reduce((sum, { frame }) => sum + Number(frame.count ?? 1), 0)).toBe(2)
    expect(world.log.index.at(notes as never)?.changes).toBe(0)
  })
})

describe('what builds on a change that is not durable', () => {
  it('is refused unless its sender is the same, under the same grant', async () => {
    await world.approve(bob, ...everything)
    const raw = new RawReplica(world, mallory)
    const accomplice = new RawReplica(world, bob)
    await raw.begin(notes)
    await accomplice.begin(notes)
    const first = insert(textDoc(actorOf(mallory)), 0, 'a')
    const built = insert(A.clone(first.doc, { actor: actorOf(bob) }), 1, 'b')
    // Held on its way to the store for as long as the other is being looked at.
    const append = world.storage.append.bind(world.storage)
    const held = Promise.withResolvers<void>()
    const onItsWay = new Promise<void>((resolve) => {
      vi.spyOn(world.storage, 'append').mockImplementation(async (entries) => {
        if (entries.length > 0) resolve()
        if (entries.length > 0) await held.promise
        return append(entries)
      })
    })
    raw.submit([first.bytes])
    await onItsWay
    accomplice.submit([built.bytes])
    expect(await accomplice.settled(1)).toBe('missing-deps')
    held.resolve()
    vi.restoreAllMocks()
    expect(await raw.settled(1)).toBe('ok')
    accomplice.submit([built.bytes])
    await accomplice.settled(2)
    expect(world.log.index.at(notes as never)?.changes).toBe(2)
  })
})

describe('one replica', () => {
  it('has a few open streams: one more ends the oldest', async () => {
    const streams: RawReplica[] = []
    for (let n = 0; n <= limits.maxStreamsPerReplica; n++) {
      const raw = new RawReplica(world, mallory)
      await raw.begin(notes)
      streams.push(raw)
    }
    const elsewhere = new RawReplica(world, mallory, other)
    await elsewhere.begin(notes)
    const [oldest, ...left] = streams
    expect(await oldest?.expect('done')).toMatchObject({ reason: 'superseded' })
    for (const raw of left) {
      raw.submit([insert(textDoc(actorOf(mallory)), 0, 'a').bytes])
      expect(await raw.settled(1)).toBe('ok')
      raw.end()
    }
    await until(() => expect(world.log.streams.size).toBe(1))
  })

  it('has no more of them when it never finishes to open them', async () => {
    const streams: RawReplica[] = []
    for (let n = 0; n < 5; n++) {
      const raw = new RawReplica(world, mallory)
      raw.send({ t: 'open', replica: raw.replica, accept: ['raw'], watch: [], own: [], more: true })
      streams.push(raw)
    }
    for (const raw of streams.slice(0, -limits.maxStreamsPerReplica)) {
      expect(await raw.expect('done')).toMatchObject({ reason: 'superseded' })
    }
    await until(() => expect([...world.log.streams.values()].map(({ size }) => size)).toEqual([2]))
  })

  it('looks once at what it follows, however often it lets go of something', async () => {
    const maker = new RawReplica(world, alice)
    maker.open()
    for (let n = 0; n < 100; n++) await maker.create(`space:home/b${n}`, 2 * n + 1)
    const raw = new RawReplica(world, mallory)
    raw.open(['space:home/*'])
    await raw.expect('synced')
    const looks = vi.spyOn(world.log.index, 'byId')
    for (let n = 0; n < 1_000; n++) {
      raw.send({ t: 'watch', pattern: 'space:elsewhere/*' })
      raw.send({ t: 'unwatch', pattern: 'space:elsewhere/*' })
    }
    raw.send({ t: 'unwatch', pattern: 'space:home/*' })
    await until(() => expect(world.count('gone', 'mallory')).toBe(100))
    // Each block for each time would be a hundred thousand.
    expect(looks.mock.calls.length).toBeLessThan(10_000)
    vi.restoreAllMocks()
  })

  it('watches no more patterns than it may', async () => {
    const raw = new RawReplica(world, mallory)
    raw.open()
    for (let n = 0; n <= limits.maxWatches; n++) raw.send({ t: 'watch', pattern: `space:home${n}/*` })
    expect(await raw.expect('done')).toMatchObject({ reason: 'quota-exceeded', detail: 'maxWatches' })
  })

  it('names no more blocks than it may, in however many parts', async () => {
    const raw = new RawReplica(world, mallory)
    raw.send({ t: 'open', replica: raw.replica, accept: ['raw'], watch: [], own: [], more: true })
    for (let part = 0; part <= (limits.maxWatchedBlocks + limits.maxWatches) / 1_000; part++) {
      const watch = Array.from({ length: 1_000 }, (_, n) => `space:home/block${part}-${n}`)
      if (!raw.channel.ended.aborted) raw.send({ t: 'open-more', watch, own: [], last: false })
    }
    expect(await raw.expect('done')).toMatchObject({ reason: 'quota-exceeded', detail: 'maxWatchedBlocks' })
  })

  it('says nothing else before its open is whole, and no more of it afterwards', async () => {
    const more = { t: 'open-more', watch: [], own: [], last: true }
    const early = new RawReplica(world, mallory)
    early.send({ t: 'open', replica: early.replica, accept: ['raw'], watch: [], own: [], more: true })
    early.send({ t: 'watch', pattern: notes })
    expect(await early.expect('done')).toMatchObject({ reason: 'wrong-state' })
    const late = new RawReplica(world, mallory)
    late.open()
    late.send(more)
    expect(await late.expect('done')).toMatchObject({ reason: 'wrong-state' })
  })

  it('cannot make the daemon keep an endless list of what it has', async () => {
    const raw = new RawReplica(world, mallory)
    raw.send({ t: 'open', replica: raw.replica, accept: ['raw'], watch: [notes], own: [], cursor: new Uint8Array(1) })
    await raw.expect('resync')
    for (let frame = 0; frame < 100; frame++) {
      const entries = Array.from({ length: 256 }, (_, n) => ({
        address: `space:home/b${frame}.${n}`,
        generation: 1,
        clock: [],
      }))
      if (raw.channel.ended.aborted) break
      raw.send({ t: 'have', entries, last: false })
    }
    expect(await raw.expect('done')).toMatchObject({ reason: 'quota-exceeded' })
  })

  it('sends deltas that hold something', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const tip = { actor: actorOf(mallory), seq: 1, hash: '0'.repeat(64), signature: new Uint8Array(64) }
    raw.send({ t: 'delta', handle: 1, run: encodeRun([]), tips: [tip] })
    expect(await raw.expect('done')).toMatchObject({ reason: 'malformed' })
  })

  it('is answered once for a frame that is refused as a whole', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    let doc = textDoc(actorOf(alice))
    const changes = Array.from({ length: 50 }, () => {
      const next = insert(doc, 0, 'x')
      doc = next.doc
      return next.bytes
    })
    raw.submit(changes)
    await raw.settled(50)
    const refusals = world.frames.filter(({ frame, to }) => to === 'mallory' && frame.t === 'refuse')
    expect(refusals.map(({ frame }) => [frame.n, frame.count, frame.code])).toEqual([[1, 50, 'actor-not-owned']])
  })
})

describe('a block with many actors and many edits side by side', () => {
  it('is resumed by a replica that says in parts what it has', async () => {
    const writer = new RawReplica(world, bob)
    await writer.begin(notes)
    const actor = actorOf(bob)
    writer.submit([insert(textDoc(actor), 0, 'a').bytes])
    await writer.settled(1)
    const raw = new RawReplica(world, mallory)
    raw.send({ t: 'open', replica: raw.replica, accept: ['raw'], watch: [notes], own: [], cursor: new Uint8Array(1) })
    await raw.expect('resync')
    const others = Array.from({ length: 1_000 }, () => ({ actor: actorOf(alice), seq: 1 }))
    const entry = { address: notes, generation: 1 }
    raw.send({ t: 'have', entries: [{ ...entry, clock: [{ actor, seq: 1 }] }], last: false })
    raw.send({ t: 'have', entries: [{ ...entry, clock: others }], last: true })
    await raw.expect('synced')
    expect(world.count('delta', 'mallory')).toBe(0)
  })

  it('is introduced in one frame', () => {
    const session = new ListenerSession()
    const many = (length: number, digits: number): string[] =>
      Array.from({ length }, (_, n) => n.toString(16).padStart(digits, '0'))
    const intro = { scope: 'space:home', label: 'notes', generation: 1, schema: 'text', meta: {} } as never
    const held = many(4_096, 48).map((actor) => ({ actor, seq: 1 }))
    const [effect] = session.block(1, { ...(intro as object), heads: many(10_000, 64) } as never, held)
    if (effect?.do !== 'send') throw new Error('nothing is sent')
    expect(encodeValue(effect.frame).byteLength).toBeLessThan(limits.maxFrameBytes)
  })
})

describe('a peer that may only read', () => {
  it('has nothing looked up of what its changes build on', async () => {
    const history = vi.fn(async () => new Map())
    const other = await SyncWorld.open(undefined, { history })
    for (const who of [alice, mallory]) await other.approve(who, ...everything)
    // As if all that was written so far had been folded away: what is not known may be among it.
    const blockState = other.storage.blockState.bind(other.storage)
    vi.spyOn(other.storage, 'blockState').mockImplementation(async (block) => {
      const state = await blockState(block)
      return { ...state, row: { ...state.row, horizonSeq: state.row.visibleSeq } }
    })
    const begun = new RawReplica(other, alice)
    await begun.begin(notes)
    const raw = new RawReplica(other, mallory)
    await raw.begin(notes)
    const orphan = assemble({
      ...takeApart(insert(textDoc(actorOf(mallory)), 0, 'x').bytes),
      deps: [Buffer.alloc(32, 7)],
    })
    raw.submit([orphan])
    expect(await raw.outcome(1)).toBe('missing-deps')
    expect(history).toHaveBeenCalledTimes(1)
    other.grants.set(mallory.peer, { grants: [parseGrant('blocks:read:space:home/*')], grantVersion: 1 })
    raw.submit([orphan])
    expect(await raw.outcome(2)).toBe('grant-missing')
    expect(history).toHaveBeenCalledTimes(1)
    await other.close()
  })
})

describe('a frame that takes long to look at', () => {
  it('is not overtaken by the next one, which builds on it', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    let doc = textDoc(actorOf(mallory))
    const made = Array.from({ length: 60 }, () => {
      const next = insert(A.clone(doc, { actor: actorOf(mallory) }), 0, 'x')
      doc = next.doc
      return next.bytes
    })
    const tips = made.map((bytes) => {
      const { actor, hash, seq } = A.decodeChange(bytes)
      const tip = { address: notes, generation: 1, actor, seq, hash } as never
      return { actor, seq, hash, signature: signTip(mallory.seed, tip) }
    })
    raw.send({ t: 'delta', handle: 1, run: encodeRun(made), tips })
    raw.submit([insert(doc, 0, 'on top of them').bytes])
    expect((await raw.answers(61)).size).toBe(0)
  })
})

describe('blocks of one peer', () => {
  it('are counted while they are being made', async () => {
    const { index } = world.log
    vi.spyOn(index, 'ownedBy').mockReturnValue(limits.maxBlocksPerPeer - 1)
    const make = (label: string) =>
      world.log.create({
        origin: { peer: mallory.peer, replica: other },
        grantVersion: 1,
        scope: 'space:home' as never,
        label: label as never,
        meta: {},
        schema: schemaNamed('text'),
      })
    const made = await Promise.allSettled([make('one'), make('two'), make('three')])
    expect(made.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    vi.restoreAllMocks()
  })
})

describe('what waits in memory', () => {
  it('keeps no more of a frame than the changes that were in it', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    raw.submit([insert(textDoc(actorOf(mallory)), 0, 'a').bytes])
    await raw.settled(1)
    const { fanOut, ring } = world.log.watcherComponents
    await vi.waitFor(() => expect(fanOut.position).toBe(world.log.published), 10_000)
    const [group] = ring.after(world.log.published - 1) ?? []
    const [item] = group?.items ?? []
    expect(item?.bytes.buffer.byteLength).toBe(item?.bytes.byteLength)
    expect(group?.tips[0]?.signature.buffer.byteLength).toBe(64)
  })
})
