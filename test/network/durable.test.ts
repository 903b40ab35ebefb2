/** Replicas in files and the real log: what an earlier process left reaches the daemon once, and nothing is lost. */
import { randomBytes } from 'node:crypto'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type BlockHandle, splice } from '../../plugin-sdk/memory/index.ts'
import type { BlockAddress } from '../../protocol/index.ts'
import { alice, bob } from '../fixtures/cast.ts'
import { type PluginInWorld, SyncWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const notes = 'space:home/notes' as BlockAddress
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: SyncWorld

beforeEach(async () => {
  world = await SyncWorld.open()
  await world.approve(alice, ...everything)
  await world.approve(bob, ...everything)
})

afterEach(async () => {
  await world.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })

const append = (handle: BlockHandle<'text'>, text: string): void =>
  handle.change((doc) => splice(doc, ['text'], doc.text.length, 0, text))

async function open({ memory }: PluginInWorld, address = notes): Promise<BlockHandle<'text'>> {
  await memory.prepare(address)
  return memory.open(address, 'text')
}

/** As a plugin stops in order. */
async function stop({ memory }: PluginInWorld): Promise<void> {
  await memory.beforeStop()
  await memory.stop()
}

const changesOf = (address = notes): number => world.log.index.at(address)?.changes ?? 0

describe('what is changed offline', () => {
  it('survives stops and starts, and reaches the daemon once', async () => {
    const path = join(tempDir(), 'a.db')
    for (const text of ['one ', 'two ', 'three ']) {
      const run = await world.storedPlugin(alice, path)
      const block = await open(run)
      append(block, text)
      await block.saved()
      expect(block.state).toBe('offline')
      await stop(run)
    }
    const run = await world.storedPlugin(alice, path)
    run.connect()
    const block = await open(run)
    expect(block.value.text).toBe('one two three ')
    expect(block.pending).toBe(3)
    await block.flushed()
    expect(changesOf()).toBe(3)
    await stop(run)

    world.frames.length = 0
    const again = await world.storedPlugin(alice, path)
    again.connect()
    const same = await open(again)
    await same.live()
    expect(same.value.text).toBe('one two three ')
    expect(world.count('delta', 'daemon')).toBe(0)
    expect(world.count('delta', 'alice')).toBe(0)
    expect(changesOf()).toBe(3)
  })

  it('is sent by the next process although nobody opens the block there', async () => {
    const path = join(tempDir(), 'a.db')
    const first = await world.storedPlugin(alice, path)
    append(await open(first), 'left behind')
    await stop(first)
    const next = await world.storedPlugin(alice, path)
    next.connect()
    await until(() => expect(changesOf()).toBe(1))
  })

  it('merges when two make one address', async () => {
    const dir = tempDir()
    const a = await world.storedPlugin(alice, join(dir, 'a.db'))
    const b = await world.storedPlugin(bob, join(dir, 'b.db'))
    const mine = await open(a)
    const theirs = await open(b)
    append(mine, 'A')
    append(theirs, 'B')
    a.connect()
    b.connect()
    await Promise.all([mine.flushed(), theirs.flushed()])
    await until(() => expect(mine.value.text).toHaveLength(2))
    await until(() => expect(theirs.value.text).toBe(mine.value.text))
    expect([...mine.value.text].sort()).toEqual(['A', 'B'])
  })

  it('merges with what the others did meanwhile', async () => {
    const path = join(tempDir(), 'a.db')
    const b = world.plugin(bob)
    b.connect()
    const theirs = b.memory.open(notes, 'text')
    append(theirs, 'begin ')
    await theirs.flushed()
    const online = await world.storedPlugin(alice, path)
    online.connect()
    const seen = await open(online)
    await until(() => expect(seen.value.text).toBe('begin '))
    await until(() => expect(world.count('synced', 'alice')).toBeGreaterThan(0))
    await stop(online)

    append(theirs, 'theirs ')
    await theirs.flushed()
    const offline = await world.storedPlugin(alice, path)
    const mine = await open(offline)
    expect(mine.value.text).toBe('begin ')
    append(mine, 'mine ')
    await stop(offline)

    const back = await world.storedPlugin(alice, path)
    back.connect()
    const both = await open(back)
    await both.flushed()
    await until(() => expect(both.value.text).toMatch(/^begin (?:theirs mine|mine theirs) $/))
    await until(() => expect(theirs.value.text).toBe(both.value.text))
    expect(changesOf()).toBe(3)
  })

  it('is resent once when the process died between writing it down and sending it', async () => {
    const path = join(tempDir(), 'a.db')
    const first = await world.storedPlugin(alice, path)
    first.connect()
    const block = await open(first)
    await block.live()
    append(block, 'sent ')
    await block.flushed()
    append(block, 'saved ')
    // Stopped before the turn in which it would be sent.
    const saved = block.saved()
    await first.memory.stop()
    await saved
    const next = await world.storedPlugin(alice, path)
    next.connect()
    const again = await open(next)
    await again.flushed()
    expect(again.value.text).toBe('sent saved ')
    expect(changesOf()).toBe(2)
  })
})

describe('a block that nobody opened since the start', () => {
  it('takes in what arrives without being loaded, and shows it when it is opened', async () => {
    const path = join(tempDir(), 'a.db')
    const first = await world.storedPlugin(alice, path)
    first.connect()
    const block = await open(first)
    append(block, 'mine ')
    await block.flushed()
    await until(() => expect(world.count('synced', 'alice')).toBeGreaterThan(0))
    await stop(first)

    const b = world.plugin(bob)
    b.connect()
    const theirs = b.memory.open(notes, 'text')
    await theirs.live()
    const second = await world.storedPlugin(alice, path)
    second.connect()
    append(theirs, 'theirs ')
    await until(() => expect(world.count('delta', 'alice')).toBe(1))
    await stop(second)

    const third = await world.storedPlugin(alice, path)
    const offline = await open(third)
    expect([...offline.value.text.trim().split(' ')].sort()).toEqual(['mine', 'theirs'])
  })

  it('is told of to a daemon that asks what there is', async () => {
    const path = join(tempDir(), 'a.db')
    const first = await world.storedPlugin(alice, path)
    first.connect()
    const block = await open(first)
    append(block, 'mine')
    await block.flushed()
    await until(() => expect(world.count('synced', 'alice')).toBeGreaterThan(0))
    await stop(first)
    // Another version of the grant: every cursor that was issued before is void.
    await world.approve(alice, ...everything, 'blocks:read:space:garden/*')
    world.frames.length = 0
    const second = await world.storedPlugin(alice, path)
    second.connect()
    await until(() => expect(world.count('synced', 'alice')).toBe(1))
    expect(world.count('have', 'daemon')).toBe(1)
    expect(world.count('delta', 'alice')).toBe(0)
    expect(world.count('chunk', 'alice')).toBe(0)
  })
})

describe('a copy, or an old backup', () => {
  /** A store with an edit that is settled. */
  async function begin(path: string): Promise<void> {
    const plugin = await world.storedPlugin(alice, path)
    plugin.connect()
    const block = await open(plugin)
    append(block, 'before ')
    await block.flushed()
    await stop(plugin)
  }

  it('receives what the original sent meanwhile, and both go on under actors of their own', async () => {
    const dir = tempDir()
    const path = join(dir, 'a.db')
    await begin(path)
    copyFileSync(path, join(dir, 'copy.db'))

    const original = await world.storedPlugin(alice, path)
    original.connect()
    const here = await open(original)
    append(here, 'original ')
    await here.flushed()

    const copy = await world.storedPlugin(alice, join(dir, 'copy.db'))
    expect(copy.replica).not.toBe(original.replica)
    copy.connect()
    const there = await open(copy)
    append(there, 'copy ')
    await there.flushed()
    await until(() => expect(there.value.text.split(' ').sort()).toEqual(['', 'before', 'copy', 'original']))
    await until(() => expect(here.value.text).toBe(there.value.text))
    expect(changesOf()).toBe(3)
  })

  it('is sent what it was refused itself, once the original may write', async () => {
    const dir = tempDir()
    const path = join(dir, 'a.db')
    await begin(path)
    const alone = await world.storedPlugin(alice, path)
    const edited = await open(alone)
    append(edited, 'offline ')
    await edited.saved()
    await stop(alone)
    copyFileSync(path, join(dir, 'copy.db'))

    await world.approve(alice, 'blocks:read:space:home/*')
    const refused = await world.storedPlugin(alice, join(dir, 'copy.db'))
    refused.connect()
    const denied = await open(refused)
    await until(() => expect(denied.refused).toHaveLength(1))
    await stop(refused)

    await world.approve(alice, ...everything)
    const copy = await world.storedPlugin(alice, join(dir, 'copy.db'))
    copy.connect()
    const there = await open(copy)
    expect(there.value.text).toBe('before ')
    const original = await world.storedPlugin(alice, path)
    original.connect()
    await (await open(original)).flushed()
    await until(() => expect(there.value.text).toBe('before offline '))
  })

  it('is noticed when it is put in the place of the newer one, and loses nothing', async () => {
    const dir = tempDir()
    const path = join(dir, 'a.db')
    // One actor for the edits before and after the backup.
    const first = await world.storedPlugin(alice, path)
    first.connect()
    const block = await open(first)
    append(block, 'before ')
    await block.flushed()
    await until(() => expect(world.count('synced', 'alice')).toBeGreaterThan(0))
    await block.saved()
    // While it is open the file and its log together are the state.
    copyFileSync(path, join(dir, 'backup'))
    copyFileSync(`${path}-wal`, join(dir, 'backup-wal'))
    append(block, 'after ')
    await block.flushed()
    await stop(first)
    // Over the same file: it looks like the one that it was.
    copyFileSync(join(dir, 'backup'), path)
    copyFileSync(join(dir, 'backup-wal'), `${path}-wal`)

    const onShortfall = vi.fn()
    const restored = await world.storedPlugin(alice, path, { onShortfall })
    const back = await open(restored)
    expect(back.value.text).toBe('before ')
    append(back, 'restored ')
    restored.connect()
    await back.flushed()
    await until(() => expect(back.value.text.split(' ').sort()).toEqual(['', 'after', 'before', 'restored']))
    expect(onShortfall).toHaveBeenCalledTimes(1)
    expect(changesOf()).toBe(3)
  })
})

describe('what the daemon refuses', () => {
  it('is still there to be read after the next start, and not in the block', async () => {
    const path = join(tempDir(), 'b.db')
    const a = world.plugin(alice)
    a.connect()
    const mine = a.memory.open(notes, 'text')
    append(mine, 'mine')
    await mine.flushed()
    await world.approve(bob, 'blocks:read:space:home/*')
    const b = await world.storedPlugin(bob, path)
    b.connect()
    const theirs = await open(b)
    await until(() => expect(theirs.value.text).toBe('mine'))
    append(theirs, ' not')
    await expect(theirs.flushed()).rejects.toMatchObject({ code: 'grant-missing' })
    await stop(b)
    const again = await world.storedPlugin(bob, path)
    const block = await open(again)
    expect(block.value.text).toBe('mine')
    expect(block.pending).toBe(0)
    expect(block.refused).toMatchObject([{ code: 'grant-missing' }])
    expect(block.refused[0]?.changes).toHaveLength(1)
  })
})

describe('a disk that is full', () => {
  it('refuses to call an edit saved, sends it all the same, and goes on', async () => {
    const path = join(tempDir(), 'a.db')
    const run = await world.storedPlugin(alice, path, { maxPages: 24 })
    run.connect()
    const block = await open(run)
    await block.live()
    append(block, 'small')
    await block.saved()
    const large = run.memory.open('space:home/blobs', 'map')
    await large.live()
    large.change((doc) => {
      doc.map.blob = new Uint8Array(randomBytes(150_000))
    })
    await expect(large.saved()).rejects.toMatchObject({ code: 'storage-full' })
    await large.flushed()
    append(block, ' edit')
    await expect(block.saved()).rejects.toMatchObject({ code: 'storage-full' })
    await block.flushed()
    expect(block.value.text).toBe('small edit')
    expect(changesOf()).toBe(2)
    await run.memory.stop()
    // What did not fit is at the daemon: nothing is missing after the next start.
    const next = await world.storedPlugin(alice, path)
    next.connect()
    const again = await open(next)
    await until(() => expect(again.value.text).toBe('small edit'))
  })
})

describe('without a store', () => {
  it('never says that anything is saved', async () => {
    const { memory } = world.plugin(alice)
    const block = memory.open(notes, 'text')
    append(block, 'a')
    await expect(block.saved()).rejects.toMatchObject({ code: 'wrong-state' })
  })
})
