/** A block that begins anew: the content stays, the history does not, and nobody's edits vanish without a word. */

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { HistoryReset } from '../../daemon/log/history-reset.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import { type BlockHandle, splice } from '../../plugin-sdk/memory/index.ts'
import { openSqliteStore } from '../../plugin-sdk/memory/sqlite-store.ts'
import type { BlockAddress } from '../../protocol/index.ts'
import { alice, bob, daemonPerson } from '../fixtures/cast.ts'
import { actorOf, RawReplica } from '../fixtures/raw-replica.ts'
import type { PluginInWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'
import { VerifiedWorld } from '../fixtures/verified-world.ts'

const notes = 'space:home/notes' as BlockAddress
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: VerifiedWorld

beforeEach(async () => {
  world = await VerifiedWorld.open()
  await world.sync.approve(bob, ...everything)
})

afterEach(async () => {
  await world.close()
})

const reset = (views: Pick<VerifiedWorld['views'], 'rewrite'> = world.views) => {
  const { log } = world.sync
  const { peer: self, seed } = daemonPerson
  const random = (bytes: number): Uint8Array => new Uint8Array(randomBytes(bytes))
  const init = { log, views, verification: world.verification, self, seed, clock: systemClock, random }
  return new HistoryReset(init).reset(notes)
}

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000, interval: 5 })

/** The plugin was told of the new generation: what it writes from here on is for that. */
const renewed = (name: string): Promise<void> =>
  until(() => {
    const told = world.sync.frames.filter(
      ({ frame, to }) => to === name && frame.t === 'block' && Number(frame.generation) > 1,
    )
    expect(told).not.toEqual([])
  })

const append = (handle: BlockHandle<'text'>, text: string): void =>
  handle.change((doc) => splice(doc, ['text'], doc.text.length, 0, text))

async function open({ memory }: PluginInWorld): Promise<BlockHandle<'text'>> {
  await memory.prepare(notes)
  return memory.open(notes, 'text')
}

describe('a block that begins anew', () => {
  it('has its content and not its history, for who is there, who comes, and after a restart', async () => {
    const plugin = world.sync.plugin(alice)
    plugin.connect()
    const handle = await open(plugin)
    for (let n = 0; n < 20; n++) append(handle, `${n} `)
    await handle.flushed()
    const { text } = handle.value
    const made = await reset()
    expect(made).toMatchObject({ changes: 1, owner: alice.peer, heads: { length: 1 } })
    expect(made.generation).toBeGreaterThan(1)
    await renewed('alice')
    await until(() => expect([handle.state, handle.value.text]).toEqual(['live', text]))
    append(handle, 'on')
    await handle.flushed()
    const comer = world.sync.plugin(bob)
    comer.connect()
    const same = await open(comer)
    await until(() => expect(same.value.text).toBe(`${text}on`))
    await world.restart()
    expect(await world.render(notes)).toBe(`${text}on`)
    expect((await world.verification.verify(world.row(notes).id))?.changes).toBe(2)
    const generations = (await world.sync.storage.blocks()).map(({ generation, deletedSeq, changes }) => [
      generation,
      deletedSeq > 0,
      changes,
    ])
    expect(generations).toEqual([
      [1, true, 20],
      [made.generation, false, 2],
    ])
  })

  it.each([
    ['in memory', false],
    ['on disk', true],
  ])('sets aside what a replica %s made for the old one while it was away', async (_where, isStored) => {
    const writer = world.sync.plugin(alice)
    writer.connect()
    const handle = await open(writer)
    append(handle, 'shared ')
    await handle.flushed()
    const path = join(tempDir(), 'b.db')
    const away = isStored ? await world.sync.storedPlugin(bob, path) : world.sync.plugin(bob)
    const leave = away.connect()
    const mine = await open(away)
    await until(() => expect([mine.state, mine.value.text]).toEqual(['live', 'shared ']))
    leave()
    await until(() => expect(mine.state).toBe('offline'))
    append(mine, 'mine')
    await reset()
    await renewed('alice')
    await until(() => expect(handle.value.text).toBe('shared '))
    append(handle, 'theirs')
    away.connect()
    await until(() => expect(mine.value.text).toBe('shared theirs'))
    expect(mine.refused).toMatchObject([{ code: 'block-deleted', changes: { length: 1 } }])
    await until(() => expect(mine.state).toBe('live'))
    append(mine, '!')
    await mine.flushed()
    await until(() => expect(handle.value.text).toBe('shared theirs!'))
  })

  it('is not mixed with the old one by who reads that from disk when it is told of the new one', async () => {
    const path = join(tempDir(), 'b.db')
    const before = await world.sync.storedPlugin(bob, path)
    before.connect()
    const first = await open(before)
    append(first, 'shared ')
    await first.flushed()
    await before.memory.stop()
    await reset()
    const told = Promise.withResolvers<void>()
    let isReading = false
    const openStore: typeof openSqliteStore = async (...args) => {
      const store = await openSqliteStore(...args)
      const read = store.read.bind(store)
      store.read = async (address) => {
        const content = await read(address)
        const isFirst = !isReading
        isReading = true
        if (isFirst) await told.promise
        return content
      }
      return store
    }
    const again = await world.sync.storedPlugin(bob, path, { openStore })
    const prepared = again.memory.prepare(notes)
    await until(() => expect(isReading).toBe(true))
    again.connect()
    await renewed('bob')
    await until(() =>
      expect(world.sync.frames.some(({ frame, to }) => to === 'bob' && frame.t === 'synced')).toBe(true),
    )
    told.resolve()
    await prepared
    const handle = again.memory.open(notes, 'text')
    await until(() => expect([handle.state, handle.value.text]).toEqual(['live', 'shared ']))
    append(handle, 'on')
    await handle.flushed()
    expect(await world.render(notes)).toBe('shared on')
  })

  it('has what was written while its value was made', async () => {
    const plugin = world.sync.plugin(alice)
    plugin.connect()
    const handle = await open(plugin)
    append(handle, 'before ')
    await handle.flushed()
    let made = 0
    const slow = {
      rewrite: async (...args: Parameters<VerifiedWorld['views']['rewrite']>) => {
        const rewritten = await world.views.rewrite(...args)
        if (made++ < 2) append(handle, `meanwhile ${made} `)
        await handle.flushed()
        return rewritten
      },
    }
    await reset(slow)
    await renewed('alice')
    expect(made).toBe(3)
    await until(() => expect(handle.value.text).toBe('before meanwhile 1 meanwhile 2 '))
    expect(handle.refused).toEqual([])
  })

  it('is not begun when it is written to all the time, and not when there is none', async () => {
    await expect(reset()).rejects.toMatchObject({ code: 'block-not-found' })
    const plugin = world.sync.plugin(alice)
    plugin.connect()
    const handle = await open(plugin)
    append(handle, 'a')
    await handle.flushed()
    const restless = {
      rewrite: async (...args: Parameters<VerifiedWorld['views']['rewrite']>) => {
        const rewritten = await world.views.rewrite(...args)
        append(handle, 'b')
        await handle.flushed()
        return rewritten
      },
    }
    await expect(reset(restless)).rejects.toMatchObject({ code: 'wrong-state' })
    expect(world.row(notes)).toMatchObject({ generation: 1, changes: 11 })
    expect(handle.state).toBe('live')
  })

  it('keeps every kind of value, and texts longer than one change', async () => {
    const raw = new RawReplica(world.sync, alice)
    await raw.begin(notes, 'map')
    const { schemaNamed } = await import('../../protocol/index.ts')
    type Doc = { map: Record<string, unknown> }
    let doc = A.load<Doc>(schemaNamed('map').initial.bytes, { actor: actorOf(alice) })
    const made: Uint8Array[] = []
    const change = (edit: (draft: Doc) => void): void => {
      doc = A.change(doc, { time: 0 }, edit)
      made.push(A.getLastLocalChange(doc) ?? new Uint8Array())
    }
    change((draft) => {
      Object.assign(draft.map, {
        text: 'plain 😀',
        fixed: new A.ImmutableString('fixed'),
        whole: 7,
        broken: 1.5,
        yes: true,
        nothing: null,
        when: new Date(1_700_000_000_000),
        bytes: Uint8Array.of(1, 2, 3),
        count: new A.Counter(5),
        list: ['one', { two: ['three', 4] }, new A.Counter(1)],
        nested: { deep: { deeper: 'text' } },
      })
    })
    change((draft) => A.mark(draft, ['map', 'text'], { start: 0, end: 5, expand: 'none' }, 'bold', true))
    for (let n = 0; n < 3; n++)
      change((draft) => {
        draft.map[`long ${n}`] = `${n}😀`.repeat(4_000)
      })
    change((draft) => A.splitBlock(draft, ['map', 'text'], 5, { type: 'heading' }))
    for (const bytes of made) raw.submit([bytes])
    expect(await raw.settled(made.length)).toBe('ok')
    const shown = await world.render(notes)
    const row = await reset()
    expect(row.changes).toBeGreaterThan(1)
    expect(await world.render(notes)).toBe(shown)
    const snapshot = await world.verification.verify(row.id)
    const loaded = A.load<Doc>(snapshot?.bytes ?? new Uint8Array())
    expect(A.toJS(loaded)).toEqual(A.toJS(doc))
    expect(A.spans(loaded, ['map', 'text'])).toEqual(A.spans(doc, ['map', 'text']))
    expect(A.marks(loaded, ['map', 'text'])).toEqual(A.marks(doc, ['map', 'text']))
  })
})
