/** What was said once and is said again, by whoever: nothing comes of it a second time. */
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ReplicaId } from '../../protocol/index.ts'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { actorOf, edit, insert, RawReplica, type TextDoc, textDoc } from '../fixtures/raw-replica.ts'
import { SyncWorld } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
const edits = 50
const other = 'f'.repeat(32) as ReplicaId

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  for (const who of [alice, bob, mallory]) await world.approve(who, ...everything)
})

afterEach(async () => {
  await world.close()
})

type Said = { readonly t: string; readonly [field: string]: unknown }

/** Every frame that someone said so far, as it was said. */
const saidBy = (name: string): Said[] =>
  world.frames.flatMap(({ from, to, frame }) => (from === name && to === 'daemon' ? [frame] : []))

/** Writes, each edit in a frame of its own, and is acknowledged. */
async function write(raw: RawReplica): Promise<void> {
  let doc: TextDoc = textDoc(actorOf(raw.who))
  for (let n = 0; n < edits; n++) {
    const made = insert(doc, n, String(n % 10))
    doc = made.doc
    raw.submit([made.bytes])
  }
  expect((await raw.answers(edits)).size).toBe(0)
}

/** Everything that the log holds. */
async function effects(): Promise<object> {
  const { rows } = await world.storage.readLog({ after: 0, until: world.log.published, maxBytes: 1 << 24 })
  return {
    rows: rows.map(({ seq, hash }) => `${seq} ${hash}`),
    blocks: world.log.index.live().map(({ address, changes, heads }) => ({ address, changes, heads })),
    lastSeq: await world.storage.lastSeq(),
  }
}

/** Says frames on a stream, and waits until what can be settled is. */
async function replay(raw: RawReplica, frames: readonly Said[]): Promise<void> {
  for (const frame of frames) raw.send(frame)
  const deltas = frames.filter(({ t }) => t === 'delta').length
  if (deltas > 0) await raw.settled(deltas)
}

describe('captured frames', () => {
  it('have no effect on the same stream, on a new one, as another replica, or after a restart', async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    await write(raw)
    const captured = saidBy('mallory')
    const deltas = captured.filter(({ t }) => t === 'delta')
    expect(deltas).toHaveLength(edits)
    const before = await effects()

    for (const frame of deltas) raw.send(frame)
    await raw.settled(2 * edits)
    expect(await effects()).toEqual(before)
    raw.end()

    await replay(new RawReplica(world, mallory), captured)
    expect(await effects()).toEqual(before)
    const elsewhere = new RawReplica(world, mallory, other)
    await elsewhere.begin(notes)
    await replay(elsewhere, deltas)
    expect(await effects()).toEqual(before)

    for (let restarts = 0; restarts < 3; restarts++) {
      await world.restart()
      const epochs = (await world.storage.epochs()).length
      await replay(new RawReplica(world, mallory), captured)
      expect(await effects()).toEqual(before)
      expect(epochs).toBe(restarts + 2)
    }
  })

  it('of another plugin have no effect, and their author goes on', async () => {
    const owner = new RawReplica(world, alice)
    await owner.begin(notes)
    await write(owner)
    const captured = saidBy('alice').filter(({ t }) => t === 'delta')
    const before = await effects()
    const thief = new RawReplica(world, mallory)
    await thief.begin(notes)
    await replay(thief, captured)
    expect(await effects()).toEqual(before)
    // Turned around, with some left out, and in another block.
    await thief.create('space:home/other', 3)
    const others = captured.filter((_, n) => n % 3 > 0).reverse()
    for (const frame of others) thief.send({ ...frame, handle: 3 })
    await thief.settled(captured.length + others.length)
    const { rows } = (await effects()) as { rows: string[] }
    expect(rows).toEqual((before as { rows: string[] }).rows)
    const plugin = world.plugin(bob)
    plugin.connect()
    const block = plugin.memory.open(notes, 'text')
    await vi.waitFor(() => expect(block.value.text).toHaveLength(edits), { timeout: 20_000 })
    const next = insert(A.clone(block.value as TextDoc, { actor: actorOf(alice) }), 0, '!')
    owner.submit([next.bytes])
    expect((await owner.answers(edits + 1)).size).toBe(0)
  })

  it('of the daemon, said by a replica, end its stream', async () => {
    const owner = new RawReplica(world, alice)
    await owner.begin(notes)
    await write(owner)
    const reader = new RawReplica(world, bob)
    reader.open([notes])
    await reader.expect('synced')
    const heard = world.frames.flatMap(({ to, frame }) => (to === 'bob' ? [frame] : []))
    const before = await effects()
    for (const frame of heard.filter(({ t }) => t !== 'credit')) {
      const thief = new RawReplica(world, mallory, other)
      await thief.begin(notes)
      thief.send(frame)
      expect(await thief.expect('done'), frame.t).toMatchObject({
        reason: frame.t === 'delta' ? 'malformed' : 'unknown-frame',
      })
    }
    expect(await effects()).toEqual(before)
  })
})

describe('two stories under one sequence number', () => {
  const stories = 1_000

  it(`are refused ${stories} times; the first one stands, for good, and its author goes on`, async () => {
    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const actor = actorOf(mallory)
    const first = insert(textDoc(actor), 0, 'the first story')
    raw.submit([first.bytes])
    expect(await raw.settled(1)).toBe('ok')
    const before = await effects()
    for (let n = 0; n < stories; n++) raw.submit([insert(textDoc(actor), 0, `story ${n}`).bytes])
    const codes = await raw.answers(1 + stories)
    expect(new Set(codes.values())).toEqual(new Set(['equivocation']))
    expect(codes.size).toBe(stories)
    expect(await effects()).toEqual(before)

    await world.restart()
    const again = new RawReplica(world, mallory)
    await again.begin(notes)
    again.submit([insert(textDoc(actor), 0, 'told after a restart').bytes])
    expect(await again.settled(1)).toBe('equivocation')
    again.submit([insert(first.doc, 0, 'next ').bytes])
    expect((await again.answers(2)).get(2)).toBeUndefined()
    const plugin = world.plugin(alice)
    plugin.connect()
    const block = plugin.memory.open(notes, 'text')
    await vi.waitFor(() => expect(block.value.text).toBe('next the first story'), { timeout: 20_000 })
    block.change((draft) => {
      A.splice(draft, ['text'], 0, 0, 'a victim writes: ')
    })
    await block.flushed()
  })

  it('told by two replicas of one key are refused to the later one', async () => {
    const actor = actorOf(mallory)
    const base = edit(textDoc(actor), (draft) => A.splice(draft, ['text'], 0, 0, 'base '))
    const one = new RawReplica(world, mallory)
    const two = new RawReplica(world, mallory, other)
    await one.begin(notes)
    await two.begin(notes)
    one.submit([base.bytes])
    expect(await one.settled(1)).toBe('ok')
    one.submit([insert(A.clone(base.doc, { actor }), 0, 'here ').bytes])
    expect(await one.settled(2)).toBe('ok')
    two.submit([insert(A.clone(base.doc, { actor }), 0, 'there ').bytes])
    expect(await two.settled(1)).toBe('equivocation')
    expect(world.log.index.at(notes as never)?.changes).toBe(2)
  })
})
