/** Waiting for a block to be live ends: also when it will not be. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BlockHandle } from '../../plugin-sdk/memory/index.ts'
import { alice, bob } from '../fixtures/cast.ts'
import { type PluginInWorld, SyncWorld } from '../fixtures/sync-world.ts'

const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: SyncWorld
let plugin: PluginInWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  await world.approve(alice, ...everything)
  await world.approve(bob, 'blocks:read:space:home/mine')
  plugin = world.plugin(bob)
  await plugin.memory.prepare('space:home/mine')
})

afterEach(async () => {
  await world.close()
})

const codeOf = (block: BlockHandle): Promise<string> =>
  block.live().then(
    () => 'live',
    (error) => error.code,
  )

describe('waiting for a block to be live', () => {
  it.each(['space:home/mine', 'space:home/other'])('ends when the plugin may not make %s', async (address) => {
    plugin.connect()
    const block = plugin.memory.open(address, 'text')
    expect(await codeOf(block)).toBe('grant-missing')
    expect(block.state).toBe('denied')
    // Whoever asks later is told the same.
    expect(await codeOf(block)).toBe('grant-missing')
  })

  it('ends when the block at the address has another schema', async () => {
    const owner = world.plugin(alice)
    owner.connect()
    await owner.memory.prepare('space:home/mine')
    await owner.memory.open('space:home/mine', 'map').live()
    const block = plugin.memory.open('space:home/mine', 'text')
    const waits = codeOf(block)
    plugin.connect()
    expect(await waits).toBe('address-taken')
    expect(block.state).toBe('denied')
  })

  it('goes on when the daemon was asked in vain on an earlier conversation', async () => {
    const end = plugin.connect()
    const block = plugin.memory.open('space:home/mine', 'text')
    expect(await codeOf(block)).toBe('grant-missing')
    end()
    await world.approve(bob, ...everything)
    plugin.connect()
    await expect.poll(() => block.state).not.toBe('denied')
    expect(await codeOf(block)).toBe('live')
  })
})
