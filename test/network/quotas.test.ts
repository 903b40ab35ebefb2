/** Each bound on what a plugin may send, met and exceeded by one: the first is taken, the second refused with its code. */
import { createHash } from 'node:crypto'
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { contentOf } from '../../daemon/log/ledger.ts'
import { limits, type MapValue, schemaNamed } from '../../protocol/index.ts'
import { encodeRun, readChange } from '../../protocol/sync/index.ts'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { assemble, bodyOf, type ChangeParts, decodeOps, takeApart, withOps, wrap } from '../fixtures/change-builder.ts'
import { ManualClock } from '../fixtures/clock.ts'
import { actorOf, insert, RawReplica, textDoc } from '../fixtures/raw-replica.ts'
import { SyncWorld } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: SyncWorld
let clock: ManualClock
let raw: RawReplica

beforeEach(async () => {
  clock = new ManualClock()
  world = await SyncWorld.open(undefined, { clock })
  for (const who of [alice, bob, mallory]) await world.approve(who, ...everything)
  raw = new RawReplica(world, mallory)
})

afterEach(async () => {
  await world.close()
})

let sent = 0

/** What becomes of one frame: `ok` or a code. A frame that ends the stream says so with its reason. */
async function outcome(changes: readonly Uint8Array[]): Promise<string> {
  const last = takeApart(changes.at(-1) ?? new Uint8Array(0))
  const plain = assemble(last)
  // A full second's worth for each frame: the rate has a test of its own.
  await clock.advance(1_000)
  raw.submitAs(encodeRun(changes), {
    actor: Buffer.from(last.actor).toString('hex'),
    seq: last.seq[0] ?? 1,
    hash: createHash('sha256').update(plain.subarray(8)).digest('hex'),
  })
  sent += changes.length
  return raw.outcome(sent)
}

const begin = async (schema = 'text'): Promise<void> => {
  sent = 0
  await raw.begin(notes, schema)
}

const mapDoc = (actor = actorOf(mallory)): A.Doc<MapValue> =>
  A.load<MapValue>(schemaNamed('map').initial.bytes, { actor })

function changed(doc: A.Doc<MapValue>, change: (draft: MapValue) => void): { doc: A.Doc<MapValue>; bytes: Uint8Array } {
  const next = A.change(doc, { time: 0 }, change)
  const bytes = A.getLastLocalChange(next)
  if (bytes === undefined) throw new Error('no change was made')
  return { doc: next, bytes }
}

describe('a change', () => {
  it('has at most maxOpsPerFrame operations', async () => {
    await begin()
    expect(await outcome([insert(textDoc(actorOf(mallory)), 0, 'x'.repeat(limits.maxOpsPerFrame)).bytes])).toBe('ok')
    expect(await outcome([insert(textDoc(actorOf(mallory)), 0, 'x'.repeat(limits.maxOpsPerFrame + 1)).bytes])).toBe(
      'change-too-large',
    )
  })

  it('is at most maxChangeBytes long', async () => {
    await begin('map')
    const valued = (length: number): Uint8Array =>
      changed(mapDoc(), (draft) => {
        draft.map.blob = new Uint8Array(length).fill(7)
      }).bytes
    const around = assemble(takeApart(valued(limits.maxChangeBytes - 2_000))).length
    const fill = limits.maxChangeBytes - 2_000 + (limits.maxChangeBytes - around)
    const plain = (length: number): Uint8Array => assemble(takeApart(valued(length)))
    expect(plain(fill).length).toBe(limits.maxChangeBytes)
    expect(await outcome([plain(fill)])).toBe('ok')
    expect(await outcome([plain(fill + 1)])).toBe('ends the stream: change-too-large')
  })

  it('expands to at most maxExpandedBytes', async () => {
    await begin('map')
    const deflated = (length: number): Uint8Array => {
      const parts = takeApart(
        changed(mapDoc(), (draft) => {
          draft.map.blob = 1
        }).bytes,
      )
      const ops = decodeOps(parts).map((op) => ({ ...op, meta: length * 16 + 7, value: new Uint8Array(length) }))
      return wrap(bodyOf(withOps(parts, ops)), { deflate: true })
    }
    expect(await outcome([deflated(limits.maxExpandedBytes - 1_000)])).toBe('ok')
    expect(await outcome([deflated(limits.maxExpandedBytes)])).toBe('change-too-large')
  })

  it('makes objects at most maxObjectDepth deep', async () => {
    await begin('map')
    const nested = (levels: number): Uint8Array =>
      changed(mapDoc(), (draft) => {
        let value: Record<string, unknown> = {}
        for (let n = 1; n < levels; n++) value = { deeper: value }
        draft.map.deep = value as never
      }).bytes
    // The root is nothing, the schema's map is the first.
    expect(await outcome([nested(limits.maxObjectDepth - 1)])).toBe('ok')
    expect(await outcome([nested(limits.maxObjectDepth)])).toBe('bad-change')
  })

  it('names at most maxDeps others that it builds on, of which the block has to have all', async () => {
    await begin()
    const parts = takeApart(insert(textDoc(actorOf(mallory)), 0, 'x').bytes)
    const withDeps = (count: number): ChangeParts => ({
      ...parts,
      deps: Array.from({ length: count }, (_, n) =>
        new Uint8Array(32)
          .fill(0)
          .fill(n >> 8, 0, 1)
          .fill(n & 255, 1, 2),
      ),
    })
    expect(await outcome([assemble(withDeps(limits.maxDeps))])).toBe('missing-deps')
    expect(await outcome([assemble(withDeps(limits.maxDeps + 1))])).toBe('change-too-large')
  })
})

describe('a frame', () => {
  /** Edits of one actor that build on each other, of so many characters each. */
  function chain(count: number, characters = 1): Uint8Array[] {
    let doc = textDoc(actorOf(mallory))
    return Array.from({ length: count }, () => {
      const next = insert(doc, 0, 'x'.repeat(characters))
      doc = next.doc
      return next.bytes
    })
  }

  it('has at most maxChangesPerFrame changes', async () => {
    await begin()
    const taken = chain(100)
    expect(await outcome(taken)).toBe('ok')
    const tooMany = Array.from({ length: limits.maxChangesPerFrame + 1 }, () => taken[0] ?? new Uint8Array(0))
    // The same ones again are settled, however many: only their number is new.
    expect(await outcome(tooMany.slice(1))).not.toMatch(/change-too-large/)
    expect(await outcome(tooMany)).toBe('ends the stream: change-too-large')
  })

  it('has at most maxOpsPerFrame operations in all its changes', async () => {
    await begin()
    const four = limits.maxOpsPerFrame / 4
    expect(await outcome(chain(4, four))).toBe('ok')
    expect(await outcome(chain(4, four + 1))).toBe('change-too-large')
  })
})

describe('a plugin', () => {
  it('writes maxOpsPerPeerSecond operations in a second, over all its replicas, and no more', async () => {
    await begin()
    // A signature counts as well.
    const perTip = 20
    const size = limits.maxOpsPerPeerSecond / 10 - perTip
    const second = new RawReplica(world, mallory, 'e'.repeat(32) as never)
    await second.begin(notes)
    const one = insert(textDoc(actorOf(mallory)), 0, 'x'.repeat(size)).bytes
    await clock.advance(1_000)
    for (let n = 0; n < 5; n++)
      raw.submit([n === 0 ? one : insert(textDoc(actorOf(mallory)), 0, 'x'.repeat(size)).bytes])
    expect((await raw.answers(5)).size).toBe(0)
    for (let n = 0; n < 5; n++) second.submit([insert(textDoc(actorOf(mallory)), 0, 'x'.repeat(size)).bytes])
    expect((await second.answers(5)).size).toBe(0)
    raw.submit([one])
    expect((await raw.answers(6)).get(6)).toBe('rate-limited')
    // Nobody else is held up.
    const bystander = new RawReplica(world, alice)
    await bystander.begin(notes)
    bystander.submit([insert(textDoc(actorOf(alice)), 0, 'y').bytes])
    expect(await bystander.settled(1)).toBe('ok')
  })

  it('has 64 edits side by side in one block, and others may build on all of them', async () => {
    await begin()
    for (let n = 0; n < 64; n++) expect(await outcome([insert(textDoc(actorOf(mallory)), 0, 'x').bytes])).toBe('ok')
    expect(await outcome([insert(textDoc(actorOf(mallory)), 0, 'x').bytes])).toBe('quota-exceeded')
    const plugin = world.plugin(bob)
    plugin.connect()
    const block = plugin.memory.open(notes, 'text')
    await block.live()
    expect(block.value.text).toHaveLength(64)
    block.change((draft) => void A.splice(draft, ['text'], 0, 0, 'on all of them '))
    await block.flushed()
    expect(world.log.index.at(notes as never)?.heads).toHaveLength(1)
  })
})

describe('a block', () => {
  /** As if the block held so much already, or had so many: what a test would need minutes to write. */
  function begunWith(state: { content?: number; objects?: number; actors?: number; ops?: number }): void {
    const { storage } = world
    const blockState = storage.blockState.bind(storage)
    vi.spyOn(storage, 'blockState').mockImplementation(async (block) => {
      const { row, clock, objects, content, ...rest } = await blockState(block)
      const extraClock = Array.from({ length: state.actors ?? 0 }, (_, n) => ({
        ...{ actor: `ff${n.toString(16).padStart(46, '0')}`, seq: 1, maxOp: 1, signature: new Uint8Array() },
        hash: n.toString(16).padStart(64, '0'),
      }))
      const extraObjects = Array.from({ length: state.objects ?? 0 }, (_, n) => ({
        id: `${n}@ff`,
        type: 'map',
        depth: 1,
      }))
      return {
        ...rest,
        row: { ...row, ops: row.ops + (state.ops ?? 0) },
        clock: [...clock, ...extraClock] as typeof clock,
        objects: [...objects, ...extraObjects] as typeof objects,
        content: content + (state.content ?? 0),
      }
    })
  }

  afterEach(() => {
    vi.restoreAllMocks()
  })

  const text = (length: number): Uint8Array => insert(textDoc(actorOf(mallory)), 0, 'x'.repeat(length)).bytes

  it('holds at most maxBytesPerBlock bytes in its changes', async () => {
    await begin()
    const held = contentOf(readChange(text(1_000)).expanded.byteLength)
    begunWith({ content: limits.maxBytesPerBlock - held })
    expect(await outcome([text(1_001)])).toBe('quota-exceeded')
    expect(await outcome([text(1_000)])).toBe('ok')
    expect(await outcome([text(1_000)])).toBe('quota-exceeded')
    // What takes no more than every change does is counted in operations.
    expect(await outcome([text(1)])).toBe('ok')
  })

  it('has at most maxOpsPerBlock operations', async () => {
    await begin()
    begunWith({ ops: limits.maxOpsPerBlock - (world.log.index.at(notes as never)?.ops ?? 0) - 10 })
    expect(await outcome([text(11)])).toBe('quota-exceeded')
    expect(await outcome([text(10)])).toBe('ok')
    expect(await outcome([text(1)])).toBe('quota-exceeded')
  })

  it('has at most maxActorsPerBlock actors, who may go on', async () => {
    await begin()
    // One is that of the schema's first change.
    begunWith({ actors: limits.maxActorsPerBlock - 2 })
    const first = insert(textDoc(actorOf(mallory)), 0, 'x')
    expect(await outcome([first.bytes])).toBe('ok')
    expect(await outcome([text(1)])).toBe('quota-exceeded')
    expect(await outcome([insert(first.doc, 0, 'y').bytes])).toBe('ok')
  })

  it('has at most maxObjectsPerBlock objects', async () => {
    await begin('map')
    begunWith({ objects: limits.maxObjectsPerBlock - 3 })
    const objects = (count: number): Uint8Array =>
      changed(mapDoc(), (draft) => {
        for (let n = 0; n < count; n++) draft.map[`key ${n}`] = {} as never
      }).bytes
    expect(await outcome([objects(3)])).toBe('quota-exceeded')
    expect(await outcome([objects(2)])).toBe('ok')
    expect(await outcome([objects(1)])).toBe('quota-exceeded')
  })
})
