/** How far a long catch-up has come: told while it lasts, whatever way the blocks come, and never for what is short. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type BlockHandle, type CatchUpProgress, splice } from '../../plugin-sdk/memory/index.ts'
import type { BlockAddress } from '../../protocol/index.ts'
import { alice, bob } from '../fixtures/cast.ts'
import type { PluginInWorld, SyncWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'
import { VerifiedWorld } from '../fixtures/verified-world.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let verified: VerifiedWorld
let world: SyncWorld

beforeEach(async () => {
  verified = await VerifiedWorld.open()
  world = verified.sync
  await world.approve(bob, ...everything)
})

afterEach(async () => {
  await verified.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 30_000, interval: 5 })

/** Bytes that no compression makes fewer, others for each number. */
function noise(bytes: number, seed: number): Uint8Array {
  const parts = Array.from({ length: bytes / 64 }, (_, n) => createHash('sha512').update(`${seed} ${n}`).digest())
  return new Uint8Array(Buffer.concat(parts))
}

function append(block: BlockHandle<'text'>, text: string): void {
  block.change((doc) => splice(doc, ['text'], doc.text.length, 0, text))
}

/** A block of several megabytes: 100 changes, each with one value. */
async function writeLong(): Promise<BlockHandle<'map'>> {
  const writer = world.plugin(alice)
  writer.connect()
  const block = writer.memory.open(notes, 'map')
  for (let n = 0; n < 100; n++) {
    block.change((draft) => {
      draft.map[`${n}`] = noise(40_960, n)
    })
  }
  await block.flushed()
  return block
}

async function write(edits: number): Promise<BlockHandle<'text'>> {
  const writer = world.plugin(alice)
  writer.connect()
  const block = writer.memory.open(notes, 'text')
  for (let n = 0; n < edits; n++) append(block, `${n} `)
  await block.flushed()
  return block
}

function reader(): { plugin: PluginInWorld; told: CatchUpProgress[] } {
  const told: CatchUpProgress[] = []
  return { plugin: world.plugin(bob, 'one', { onProgress: (progress) => told.push(progress) }), told }
}

/** It grows to the whole, in several steps, and never goes back. */
function expectWhole(told: readonly CatchUpProgress[], total: number): void {
  expect(told.length).toBeGreaterThan(2)
  expect(told.map(({ received }) => received)).toEqual(told.map(({ received }) => received).sort((a, b) => a - b))
  for (const each of told) expect(each.received).toBeLessThanOrEqual(each.total)
  expect(told.at(-1)).toEqual({ received: total, total })
  // Steps, and not all of it at once at the end.
  const halfway = told.filter(({ received }) => received > total / 10 && received < (total * 9) / 10)
  expect(halfway.length).toBeGreaterThan(0)
}

describe('progress is told', () => {
  it('of a block of several megabytes that comes change by change', async () => {
    const written = await writeLong()
    const { plugin, told } = reader()
    plugin.connect()
    const block = plugin.memory.open(notes, 'map')
    await until(() => expect(told.at(-1)?.received).toBe(100))
    expectWhole(told, 100)
    expect(block.value.map).toEqual(written.value.map)
  })

  it('of a block of several megabytes that comes as a snapshot', async () => {
    const written = await writeLong()
    await verified.compaction.compact(verified.row(notes).id)
    const { plugin, told } = reader()
    plugin.connect()
    const block = plugin.memory.open(notes, 'map')
    await until(() => expect(told.at(-1)?.received).toBe(100))
    expect(world.count('chunk', 'bob')).toBeGreaterThan(20)
    expect(world.count('delta', 'bob')).toBe(0)
    expectWhole(told, 100)
    expect(block.value.map).toEqual(written.value.map)
  })

  it('of a thousand blocks of a watched pattern', async () => {
    const writer = world.plugin(alice)
    writer.connect()
    const blocks = Array.from({ length: 1_000 }, (_, n) => writer.memory.open(`space:home/note${n}`, 'text'))
    for (const [n, block] of blocks.entries()) append(block, `${n}`)
    await Promise.all(blocks.map((block) => block.flushed()))
    const { plugin, told } = reader()
    const watch = plugin.memory.watch('space:home/*')
    plugin.connect()
    await until(() => expect(told.at(-1)?.received).toBe(1_000))
    expectWhole(told, 1_000)
    expect(watch.blocks).toHaveLength(1_000)
  })

  it('of what was missed while the plugin was away', async () => {
    const path = join(tempDir(), 'b.db')
    const told: CatchUpProgress[] = []
    const stored = () => world.storedPlugin(bob, path, { onProgress: (progress) => told.push(progress) })
    const written = await write(1)
    const first = await stored()
    const end = first.connect()
    await until(() => expect(first.memory.open(notes, 'text').state).toBe('live'))
    await until(() => expect(world.frames.findLast(({ to }) => to === 'bob')?.frame.t).toBe('synced'))
    expect(told).toEqual([])
    end()
    for (let n = 1; n <= 1_000; n++) append(written, `${n} `)
    await written.flushed()
    first.connect()
    await until(() => expect(told.at(-1)?.received).toBe(1_000))
    expect(world.count('resync', 'bob')).toBe(0)
    expectWhole(told, 1_000)
  })

  it('of what a replica lacks whose cursor is of no use', async () => {
    const path = join(tempDir(), 'b.db')
    const told: CatchUpProgress[] = []
    const written = await write(1)
    const plugin = await world.storedPlugin(bob, path, { onProgress: (progress) => told.push(progress) })
    const end = plugin.connect()
    const block = plugin.memory.open(notes, 'text')
    await until(() => expect(block.state).toBe('live'))
    await until(() => expect(world.frames.findLast(({ to }) => to === 'bob')?.frame.t).toBe('synced'))
    end()
    for (let n = 1; n < 1_000; n++) append(written, `${n} `)
    await written.flushed()
    // Another view: the cursor was given for one that did not have this block.
    plugin.memory.open('space:home/other' as BlockAddress, 'text')
    plugin.connect()
    await until(() => expect(told.at(-1)?.received).toBe(1_000))
    expect(world.count('resync', 'bob')).toBe(1)
    expectWhole(told, 1_000)
    expect(block.value.text).toBe(written.value.text)
  })
})

describe('progress is not told', () => {
  it('of a short catch-up, nor of what others write from then on', async () => {
    const written = await write(2)
    const { plugin, told } = reader()
    plugin.connect()
    const block = plugin.memory.open(notes, 'text')
    await until(() => expect(block.state).toBe('live'))
    for (let n = 0; n < 600; n++) append(written, `${n} `)
    await until(() => expect(block.value.text).toBe(written.value.text))
    expect(told).toEqual([])
    expect(world.count('progress', 'bob')).toBe(0)
  })
})

describe('what is pending', () => {
  it('is counted for each block and for all of them, until the daemon has settled it', async () => {
    const { memory, connect } = world.plugin(alice)
    const [one, other] = [memory.open(notes, 'text'), memory.open('space:home/other', 'text')]
    for (const text of ['a', 'b']) append(one, text)
    append(other, 'c')
    expect([one.pending, other.pending, memory.pending]).toEqual([2, 1, 3])
    connect()
    await Promise.all([one.flushed(), other.flushed()])
    expect([one.pending, other.pending, memory.pending]).toEqual([0, 0, 0])
  })

  it('counts the edits of an earlier process that nobody has opened', async () => {
    const path = join(tempDir(), 'a.db')
    const first = await world.storedPlugin(alice, path)
    const block = first.memory.open(notes, 'text')
    for (const text of ['a', 'b']) append(block, text)
    await block.saved()
    await first.memory.stop()
    const second = await world.storedPlugin(alice, path)
    expect(second.memory.pending).toBe(2)
    second.connect()
    await until(() => expect(second.memory.pending).toBe(0))
  })
})
