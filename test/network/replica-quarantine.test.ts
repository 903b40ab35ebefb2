/** Replicas that took a change before the daemon found out about it: they come to be what everyone else has. */
import { join } from 'node:path'
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type BlockHandle, splice } from '../../plugin-sdk/memory/index.ts'
import type { SchemaName } from '../../protocol/index.ts'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { type Poison, poisons } from '../fixtures/poison-kinds.ts'
import { actorOf, RawReplica } from '../fixtures/raw-replica.ts'
import type { PluginInWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'
import { VerifiedWorld } from '../fixtures/verified-world.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: VerifiedWorld

beforeEach(async () => {
  world = await VerifiedWorld.open()
  await world.sync.approve(bob, ...everything)
})

afterEach(async () => {
  await world.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })

function kindOf(schema: SchemaName): Poison {
  const poison = poisons.find((each) => each.passes && each.schema === schema)
  if (poison === undefined) throw new Error(`no poison of ${schema} passes`)
  return poison
}

/** An honest change of alice and a change of mallory on top of it, both durable. */
async function send(schema: SchemaName): Promise<{ readonly honest: Uint8Array; readonly bad: string }> {
  const { honest, poison } = kindOf(schema).make(actorOf(alice), actorOf(mallory))
  for (const [who, bytes] of [
    [alice, honest],
    [mallory, poison],
  ] as const) {
    const raw = new RawReplica(world.sync, who)
    await raw.begin(notes, schema)
    raw.submit([bytes])
    expect(await raw.settled(1)).toBe('ok')
    raw.end()
  }
  return { honest, bad: A.decodeChange(poison).hash }
}

async function open({ memory }: PluginInWorld): Promise<BlockHandle<'text'>> {
  await memory.prepare(notes)
  return memory.open(notes, 'text')
}

async function stop({ memory }: PluginInWorld): Promise<void> {
  await memory.beforeStop()
  await memory.stop()
}

const verify = () => world.verification.verify(world.row(notes).id)
const headsAtDaemon = () => [...world.row(notes).heads].sort()
const headsOf = ({ value }: BlockHandle<'text'>) => A.getHeads(value).sort()

describe('a change that the daemon sets aside after a replica took it', () => {
  it('leaves the document with what builds on it; own edits are kept aside and told', async () => {
    const { bad } = await send('text')
    const path = join(tempDir(), 'b.db')
    const run = await world.sync.storedPlugin(bob, path)
    run.connect()
    const block = await open(run)
    await block.live()
    expect(A.hasHeads(block.value, [bad as never])).toBe(true)
    block.change((doc) => splice(doc, ['text'], 0, 0, 'mine '))
    await block.flushed()
    const refused = vi.fn()
    block.on('refused', refused)

    await verify()
    await until(() => expect(refused).toHaveBeenCalledTimes(1))
    expect(block.value.text).toBe('hello')
    expect(headsOf(block)).toEqual(headsAtDaemon())
    expect(block.refused).toMatchObject([{ code: 'quarantined' }])
    expect(A.decodeChange(block.refused[0]?.changes[0] ?? new Uint8Array()).deps).toContain(bad)

    block.change((doc) => splice(doc, ['text'], 0, 0, 'again '))
    await block.flushed()
    expect(block.value.text).toBe('again hello')
    await stop(run)
    const next = await world.sync.storedPlugin(bob, path)
    const same = await open(next)
    expect(same.value.text).toBe('again hello')
    expect(same.refused).toMatchObject([{ code: 'quarantined', changes: [expect.anything()] }])
    const [kept] = same.refused
    if (kept !== undefined) same.dropRefused(kept)
    expect(same.refused).toEqual([])
    await stop(next)
    expect((await open(await world.sync.storedPlugin(bob, path))).refused).toEqual([])
  })

  it.each(['with its cursor', 'asked what it has'])('leaves a block that is on disk only, %s', async (how) => {
    await send('text')
    const path = join(tempDir(), 'b.db')
    const first = await world.sync.storedPlugin(bob, path)
    const disconnect = first.connect()
    const read = await open(first)
    await read.live()
    expect(read.value.text).toBe('hello')
    const marked = headsOf(read)
    await until(() => expect(world.sync.frames.findLast(({ to }) => to === 'bob')?.frame.t).toBe('synced'))
    await stop(first)
    disconnect()
    await verify()
    expect(headsAtDaemon()).not.toEqual(marked)
    if (how === 'asked what it has') await world.sync.approve(bob, ...everything)

    world.sync.frames.length = 0
    const next = await world.sync.storedPlugin(bob, path)
    next.connect()
    await until(() => expect(world.sync.count('quarantined', 'bob')).toBe(1))
    await until(() => expect(world.sync.count('synced', 'bob')).toBe(1))
    // Live once it has seen that too.
    await (await open(next)).live()
    expect(world.sync.count('resync', 'bob')).toBe(how === 'asked what it has' ? 1 : 0)
    await stop(next)
    const offline = await world.sync.storedPlugin(bob, path)
    expect(headsOf(await open(offline))).toEqual(headsAtDaemon())
  })
})

describe('a change that the engine of a replica cannot take', () => {
  it('is left out and reported before anybody sees it, and stays out until the daemon has set it aside', async () => {
    const { honest } = await send('map')
    const path = join(tempDir(), 'b.db')
    for (const part of ['received', 'stored']) {
      const run = await world.sync.storedPlugin(bob, path)
      const disconnect = run.connect()
      await run.memory.prepare(notes)
      const block = run.memory.open(notes, 'map')
      await block.live()
      expect(A.toJS(block.value), part).toEqual({ map: { a: 1, b: 2 } })
      await until(() => expect(world.sync.poisoned.length).toBeGreaterThan(0))
      world.sync.poisoned.length = 0
      await stop(run)
      disconnect()
    }
    const run = await world.sync.storedPlugin(bob, path)
    run.connect()
    await run.memory.prepare(notes)
    const block = run.memory.open(notes, 'map')
    await block.live()
    block.change(({ map }) => Object.assign(map, { c: 3 }))
    await block.flushed()
    await verify()
    await until(() => expect(world.sync.count('quarantined', 'bob')).toBe(1))
    await until(() => expect(A.getHeads(block.value).sort()).toEqual(headsAtDaemon()))
    expect(A.hasHeads(block.value, [A.decodeChange(honest).hash as never])).toBe(true)
    expect(block.refused).toEqual([])
    await stop(run)
    world.sync.poisoned.length = 0
    const offline = await world.sync.storedPlugin(bob, path)
    await offline.memory.prepare(notes)
    expect(A.toJS(offline.memory.open(notes, 'map').value)).toEqual({ map: { a: 1, b: 2, c: 3 } })
    expect(world.sync.poisoned).toEqual([])
  })
})
