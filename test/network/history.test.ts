/** What is told of the history of a block: true whoever wrote, in whatever order it came, and wherever it is kept by now. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Blocks } from '../../daemon/handlers/blocks.ts'
import { History } from '../../daemon/handlers/history.ts'
import { Undo } from '../../daemon/handlers/undo.ts'
import { Edits } from '../../daemon/log/edits.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import { type BlockHandle, splice } from '../../plugin-sdk/memory/index.ts'
import { type BlockAddress, type ChangeHash, hostProtocol, type PeerId, type ReplicaId } from '../../protocol/index.ts'
import { alice, bob, daemonPerson, type Person } from '../fixtures/cast.ts'
import { VerifiedWorld } from '../fixtures/verified-world.ts'

const notes = 'space:home/notes' as BlockAddress
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: VerifiedWorld
let ends: (() => void)[]

beforeEach(async () => {
  world = await VerifiedWorld.open()
  await world.sync.approve(bob, ...everything)
  ends = []
})

afterEach(async () => {
  for (const end of ends) end()
  await world.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })

function historyOf({ sync, views, verification }: VerifiedWorld): History {
  const { log, storage } = sync
  const grantOf = (peer: PeerId) => [alice, bob].find((who) => who.peer === peer)
  const blocks = new Blocks({ log, views, verification })
  return new History({ approvals: { grantOf }, blocks, log, views, storage, self: daemonPerson.peer })
}

const page = (query: { before?: ChangeHash; limit?: number } = {}) =>
  historyOf(world).groups(notes, { before: query.before, limit: query.limit ?? 20 })

async function open(who: Person, schema: 'text' | 'map' = 'text'): Promise<BlockHandle<'text'>> {
  const plugin = world.sync.plugin(who)
  ends.push(plugin.connect())
  await plugin.memory.prepare(notes)
  const handle = plugin.memory.open(notes, schema) as BlockHandle<'text'>
  await handle.live()
  return handle
}

async function write(handle: BlockHandle<'text'>, text: string): Promise<void> {
  handle.change((doc) => splice(doc, ['text'], doc.text.length, 0, text))
  await handle.flushed()
}

describe('the history of a block', () => {
  it('says who wrote, when, how much and what, the newest first', async () => {
    const startMs = Math.floor(Date.now() / 1_000) * 1_000
    const [a, b] = [await open(alice), await open(bob)]
    await write(a, 'one ')
    await write(a, 'two ')
    await until(() => expect(b.value.text).toBe('one two '))
    await write(b, 'three')
    const { groups, more } = await page()
    expect(more).toBe(false)
    expect(groups).toMatchObject([
      { peer: bob.peer, name: 'bob', changes: 1, ops: 5, summary: 'wrote 5 characters', isVouched: false },
      { peer: alice.peer, name: 'alice', changes: 2, ops: 8, summary: 'wrote 8 characters', isFolded: false },
    ])
    const [newest, oldest] = groups
    expect(newest?.heads).toEqual(world.row(notes).heads)
    expect(newest?.first).toBe(newest?.last)
    expect(oldest?.bytes).toBeGreaterThan(2 * 80)
    for (const { fromMs = 0, untilMs = 0 } of groups) {
      expect(fromMs).toBeGreaterThanOrEqual(startMs)
      expect(untilMs).toBeGreaterThanOrEqual(fromMs)
    }
  })

  it('is told in pages that leave nothing out and repeat nothing, and knows no change that is not of it', async () => {
    const [a, b] = [await open(alice), await open(bob)]
    for (let n = 0; n < 4; n++) {
      await write(a, `a${n}`)
      await until(() => expect(b.value.text.endsWith(`a${n}`)).toBe(true))
      await write(b, `b${n}`)
      await until(() => expect(a.value.text.endsWith(`b${n}`)).toBe(true))
    }
    const whole = await page({ limit: 50 })
    expect(whole.groups).toHaveLength(8)
    const paged: typeof whole.groups = []
    for (let more = true; more; ) {
      const before = paged.at(-1)?.first
      const next = await page({ limit: 3, ...(before === undefined ? {} : { before }) })
      paged.push(...next.groups)
      more = next.more
    }
    expect(paged).toEqual(whole.groups)
    await expect(page({ before: 'ab'.repeat(32) as ChangeHash })).rejects.toMatchObject({ code: 'no-such-change' })
  })

  it('is the same after the changes were folded into the snapshot, and says so of them alone', async () => {
    const [a, b] = [await open(alice), await open(bob)]
    await write(a, 'one ')
    await until(() => expect(b.value.text).toBe('one '))
    await write(b, 'two ')
    const before = await page()
    await world.compaction.compact(world.row(notes).id)
    await world.restart()
    for (const end of ends.splice(0)) end()
    const c = await open(alice)
    await until(() => expect(c.value.text).toBe('one two '))
    await write(c, 'three')
    const { groups } = await page()
    expect(groups.map(({ isFolded }) => isFolded)).toEqual([false, true, true])
    expect(groups.slice(1).map((group) => ({ ...group, isFolded: false }))).toEqual(before.groups)
  })

  it('fits an answer, whatever the names in it', async () => {
    const handle = (await open(alice, 'map')) as unknown as BlockHandle<'map'>
    handle.change(({ map }) => Object.assign(map, { ['\u{202e}"'.repeat(4_000)]: 1, b: 2, c: 3, d: 4, e: [1] }))
    await handle.flushed()
    const answer = await page()
    expect(answer.groups[0]?.summary.length).toBeLessThanOrEqual(400)
    expect(answer.groups[0]?.summary).toContain('and 2 more')
    expect(hostProtocol.ops['block.history'].output['~standard'].validate(answer)).not.toHaveProperty('issues')
  })
})

describe('an earlier state', () => {
  it('is shown as it was, and what became of it', async () => {
    const [a, b] = [await open(alice), await open(bob)]
    await write(a, 'the kettle is red\n')
    await until(() => expect(b.value.text).toBe('the kettle is red\n'))
    b.change((doc) => splice(doc, ['text'], 14, 3, 'blue'))
    await b.flushed()
    const [newest, oldest] = (await page()).groups
    const [from, to] = [oldest?.heads ?? [], newest?.heads ?? []]
    const history = historyOf(world)
    expect(await history.at(notes, { heads: from, offset: 0 })).toMatchObject({
      text: 'the kettle is red\n',
      totalChars: 18,
    })
    expect((await history.at(notes, { heads: to, offset: 14 })).text).toBe('blue\n')
    const diff = '@@ line 1\n-the kettle is red\n+the kettle is blue\n '
    for (const until of [to, undefined]) {
      expect(await history.diff(notes, { from, to: until })).toEqual({
        patches: [{ path: '/text', kind: 'text', diff }],
        more: false,
      })
    }
    expect((await history.diff(notes, { from: to, to })).patches).toEqual([])
  })

  it('is refused when there never was such a state, and the block goes on to be shown', async () => {
    await write(await open(alice), 'one')
    const history = historyOf(world)
    const heads = ['ab'.repeat(32) as ChangeHash]
    await expect(history.at(notes, { heads, offset: 0 })).rejects.toMatchObject({ code: 'no-such-change' })
    await expect(history.diff(notes, { from: heads, to: undefined })).rejects.toMatchObject({ code: 'no-such-change' })
    await expect(history.blame(notes, { path: ['text', '0'], offset: 0 })).rejects.toMatchObject({ code: 'no-text' })
    expect(await world.render(notes)).toBe('one')
  })
})

describe('who wrote what', () => {
  it('is told of each part of a text, from wherever it is asked', async () => {
    const [a, b] = [await open(alice), await open(bob)]
    await write(a, 'the \u{1f600} kettle')
    await until(() => expect(b.value.text).toBe('the \u{1f600} kettle'))
    b.change((doc) => splice(doc, ['text'], 4, 0, 'blue '))
    await b.flushed()
    const [newest, oldest] = (await page()).groups
    const history = historyOf(world)
    const { spans, next, totalChars } = await history.blame(notes, { path: ['text'], offset: 0 })
    expect(spans).toMatchObject([
      { text: 'the ', peer: alice.peer, name: 'alice', change: oldest?.last, atMs: oldest?.untilMs },
      { text: 'blue ', peer: bob.peer, name: 'bob', change: newest?.last, isVouched: false },
      { text: '\u{1f600} kettle', peer: alice.peer, change: oldest?.last },
    ])
    expect([next, totalChars]).toEqual([18, 18])
    expect((await history.blame(notes, { path: ['text'], offset: 6 })).spans.map(({ text }) => text)).toEqual([
      'ue ',
      '\u{1f600} kettle',
    ])
  })
})

describe('undo', () => {
  const undoOf = ({ sync, views, verification }: VerifiedWorld): Undo => {
    const { log } = sync
    const random = (bytes: number) => new Uint8Array(randomBytes(bytes))
    const edits = new Edits({ log, self: daemonPerson.peer, seed: daemonPerson.seed, clock: systemClock, random })
    return new Undo({ blocks: new Blocks({ log, views, verification }), edits, log, views, self: daemonPerson.peer })
  }
  const by = (who: Person) => ({
    origin: { peer: who.peer, replica: '1'.repeat(32) as ReplicaId },
    grantVersion: world.sync.grants.get(who.peer)?.grantVersion ?? 0,
  })

  it('reaches everyone as a change by the word of the daemon, and its steps outlive restart and compaction', async () => {
    const [a, b] = [await open(alice), await open(bob)]
    await write(a, 'one ')
    await until(() => expect(b.value.text).toBe('one '))
    await write(b, 'two ')
    await until(() => expect(a.value.text).toBe('one two '))
    await write(a, 'three')
    const undo = undoOf(world)
    expect(await undo.depth(notes, alice.peer)).toEqual({ undo: 2, redo: 0 })
    expect(await undo.take('undo', notes, alice.peer, by(alice))).toMatchObject({ isDone: true, undo: 1, redo: 1 })
    // Both at once: one after the other, and each takes a step of its own back.
    const [next, none] = await Promise.all([
      undo.take('undo', notes, alice.peer, by(alice)),
      undo.take('undo', notes, alice.peer, by(alice)),
    ])
    expect([next.isDone, none.isDone]).toEqual([true, false])
    await until(() => expect([a.value.text, b.value.text]).toEqual(['two ', 'two ']))
    const { groups } = await page({ limit: 2 })
    expect(groups).toMatchObject([
      { peer: alice.peer, name: 'alice', isVouched: true, summary: 'deleted 4 characters' },
      { peer: alice.peer, name: 'alice', isVouched: true, summary: 'deleted 5 characters' },
    ])
    await world.compaction.compact(world.row(notes).id)
    for (const end of ends.splice(0)) end()
    await world.restart()
    const again = undoOf(world)
    expect(await again.depth(notes, alice.peer)).toEqual({ undo: 0, redo: 2 })
    expect(await again.depth(notes, bob.peer)).toEqual({ undo: 1, redo: 0 })
    expect(await again.take('redo', notes, alice.peer, by(alice))).toMatchObject({ isDone: true, undo: 1, redo: 1 })
    // The operator may as well.
    expect(await again.take('redo', notes, alice.peer)).toMatchObject({ isDone: true, undo: 2, redo: 0 })
    expect(await world.render(notes)).toBe('one two three')
    expect((await page({ limit: 1 })).groups[0]).toMatchObject({ peer: alice.peer, isVouched: true })
  })

  it('is refused like any change of the peer that it is for', async () => {
    await write(await open(alice), 'one')
    const undo = undoOf(world)
    const old = by(alice)
    await world.sync.approve(alice, 'blocks:read:space:home/*')
    await expect(undo.take('undo', notes, alice.peer, old)).rejects.toMatchObject({ code: 'grant-changed' })
    expect(await world.render(notes)).toBe('one')
    expect(await undo.depth(notes, alice.peer)).toEqual({ undo: 1, redo: 0 })
  })
})
