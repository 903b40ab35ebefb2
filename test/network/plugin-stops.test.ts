/** A plugin that stops right after its last edit: everything is settled or kept, or whoever waits for it is told otherwise. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type BlockHandle, splice } from '../../plugin-sdk/memory/index.ts'
import { alice } from '../fixtures/cast.ts'
import { type PluginInWorld, SyncWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const notes = 'space:home/notes'

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  await world.approve(alice, ...['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`))
})

afterEach(async () => {
  await world.close()
})

async function open({ memory }: PluginInWorld): Promise<BlockHandle<'text'>> {
  await memory.prepare(notes)
  return memory.open(notes, 'text')
}

const append = (block: BlockHandle<'text'>, text: string): void =>
  block.change((draft) => splice(draft, ['text'], draft.text.length, 0, text))

/** What became of a promise so far. */
function outcomeOf(work: Promise<void>): { readonly now: string } {
  const outcome = { now: 'waits' }
  work.then(
    () => {
      outcome.now = 'resolved'
    },
    ({ code }) => {
      outcome.now = code
    },
  )
  return outcome
}

describe('a plugin that stops right after its last edit', () => {
  it('is told that all of it is at the daemon while it is connected', async () => {
    const plugin = world.plugin(alice)
    plugin.connect()
    const block = await open(plugin)
    await block.live()
    append(block, 'last')
    const flushed = outcomeOf(block.flushed())
    await plugin.memory.beforeStop()
    await plugin.memory.stop()
    expect(flushed.now).toBe('resolved')
    expect(world.log.index.at(block.address)?.changes).toBe(1)
  })

  it('is told offline that it is saved and not at the daemon, where it arrives with the next process', async () => {
    const path = join(tempDir(), 'a.db')
    const plugin = await world.storedPlugin(alice, path)
    const block = await open(plugin)
    append(block, 'last')
    const [saved, flushed, live] = [block.saved(), block.flushed(), block.live()].map(outcomeOf)
    await plugin.memory.beforeStop()
    await plugin.memory.stop()
    await vi.waitFor(() =>
      expect([saved?.now, flushed?.now, live?.now]).toEqual(['resolved', 'cancelled', 'cancelled']),
    )
    const next = await world.storedPlugin(alice, path)
    next.connect()
    const again = await open(next)
    await again.flushed()
    expect(again.value.text).toBe('last')
    expect(world.log.index.at(again.address)?.changes).toBe(1)
  })

  it('is told of what nobody keeps, and takes no more', async () => {
    const plugin = world.plugin(alice)
    const block = await open(plugin)
    append(block, 'lost with the process')
    const flushed = outcomeOf(block.flushed())
    await plugin.memory.stop()
    expect(() => append(block, 'too late')).toThrow(expect.objectContaining({ code: 'wrong-state' }))
    await expect(block.flushed()).rejects.toMatchObject({ code: 'cancelled' })
    await expect(block.live()).rejects.toMatchObject({ code: 'cancelled' })
    expect([flushed.now, block.state, block.reason]).toEqual(['cancelled', 'offline', 'the plugin has stopped'])
  })
})

describe('who gave up waiting', () => {
  it('is told at once', async () => {
    const block = await open(world.plugin(alice))
    append(block, 'offline')
    await expect(block.flushed({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
    await expect(block.live({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
  })
})
