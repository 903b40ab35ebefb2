/** Edits that are not over when they return, and drafts that outlive their edit: none of it gets into a block. */
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { getBackend } from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type BlockHandle, splice } from '../../plugin-sdk/memory/index.ts'
import { alice, bob } from '../fixtures/cast.ts'
import { SyncWorld, silentLog } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
type Draft = { text: string }

let world: SyncWorld
let block: BlockHandle<'text'>

beforeEach(async () => {
  world = await SyncWorld.open()
  await world.approve(alice, ...everything)
  await world.approve(bob, ...everything)
  const plugin = world.plugin(alice)
  plugin.connect()
  await plugin.memory.prepare(notes)
  block = plugin.memory.open(notes, 'text')
  await block.live()
})

afterEach(async () => {
  await world.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })

const type = (text: string): void => block.change((draft) => splice(draft, ['text'], draft.text.length, 0, text))

/** All that the daemon has is what the plugin shows, and nothing waits. */
async function expectAll(text: string, changes: number): Promise<void> {
  await block.flushed()
  expect(block.value.text).toBe(text)
  expect(block.state).toBe('live')
  expect(world.log.index.at(block.address)?.changes).toBe(changes)
  const other = world.plugin(bob)
  other.connect()
  await other.memory.prepare(notes)
  const seen = other.memory.open(notes, 'text')
  await until(() => expect(seen.value.text).toBe(text))
}

describe('an edit that is async', () => {
  it('is refused at once, and neither what it did nor what it does later has an effect', async () => {
    let isDone = false
    const edit = async (draft: Draft): Promise<void> => {
      splice(draft, ['text'], 0, 0, 'early')
      await nextTurn()
      splice(draft, ['text'], 0, 0, 'late')
      isDone = true
    }
    expect(() => block.change(edit as never)).toThrow(expect.objectContaining({ code: 'invalid-input' }))
    await until(() => expect(isDone).toBe(true))
    type('a')
    type('b')
    await expectAll('ab', 2)
  })

  it('and fails does not end the process', async () => {
    const edit = async (): Promise<void> => {
      await nextTurn()
      throw new Error('a bug in the edit')
    }
    expect(() => block.change(edit as never)).toThrow(expect.objectContaining({ code: 'invalid-input' }))
    await nextTurn()
    await nextTurn()
    type('a')
    await expectAll('a', 1)
  })
})

describe('a draft that is written to after its edit', () => {
  const keep = (): Draft => {
    let kept: Draft | undefined
    block.change((draft) => {
      kept = draft
      splice(draft, ['text'], 0, 0, 'x')
    })
    if (kept === undefined) throw new Error('no draft')
    return kept
  }

  it.each([
    ['an edit', () => type('y'), 'xy'],
    ['a look at the block', () => void block.value, 'x'],
    ['a batch of another', () => {}, 'x'],
  ])('has no effect before %s, and its author is told', async (name, next, text) => {
    const warn = vi.spyOn(silentLog, 'warn')
    const draft = keep()
    await block.flushed()
    splice(draft, ['text'], 0, 0, 'stray')
    next()
    if (name === 'a batch of another') {
      const other = world.plugin(bob)
      other.connect()
      await other.memory.prepare(notes)
      const theirs = other.memory.open(notes, 'text')
      await theirs.live()
      theirs.change((each) => splice(each, ['text'], 1, 0, 'z'))
      await until(() => expect(block.value.text).toBe('xz'))
      await expectAll('xz', 2)
    } else await expectAll(text, text.length)
    expect(warn).toHaveBeenCalledWith({ address: notes, operations: 5 }, expect.stringContaining('draft'))
    warn.mockRestore()
  })
})

describe('a stored edit that builds on what nobody has', () => {
  const shared = 'space:home/shared'

  it('is kept aside, its author is told why, and the block goes on', async () => {
    const path = join(tempDir(), 'replica.db')
    const first = await world.storedPlugin(alice, path)
    await first.memory.prepare(shared)
    const before = first.memory.open(shared, 'text')
    // As a process did whose drafts were not kept out: a change that the SDK never saw.
    const engine = getBackend(before.value)
    engine.splice('/text', 0, 0, 'nobody knows ')
    engine.commit(undefined, 0)
    before.change((draft) => splice(draft, ['text'], 0, 0, 'waits '))
    await before.saved()
    await first.memory.stop()

    const second = await world.storedPlugin(alice, path)
    await second.memory.prepare(shared)
    const after = second.memory.open(shared, 'text')
    expect(after.pending).toBe(1)
    const flushed = after.flushed()
    second.connect()
    await expect(flushed).rejects.toMatchObject({ code: 'missing-deps' })
    expect(after).toMatchObject({ state: 'denied', pending: 0, refused: [{ code: 'missing-deps' }] })
    expect(after.reason).toContain('neither here nor at the daemon')
    after.change((draft) => splice(draft, ['text'], 0, 0, 'new'))
    await after.flushed()
    await until(() => expect(after.state).toBe('live'))
    expect(after.value.text).toBe('new')
    await second.memory.stop()

    const third = await world.storedPlugin(alice, path)
    await third.memory.prepare(shared)
    const again = third.memory.open(shared, 'text')
    expect(again).toMatchObject({ pending: 0, refused: [{ code: 'missing-deps' }] })
    expect(again.value.text).toBe('new')
  })
})
