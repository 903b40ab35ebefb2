/** Edits by operation: what the daemon writes for a peer is the peer's as far as rights go, and the daemon's as far as blame goes. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BlockEdits } from '../../daemon/handlers/block-edits.ts'
import { Blocks } from '../../daemon/handlers/blocks.ts'
import { Edits } from '../../daemon/log/edits.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import type { BlockHandle } from '../../plugin-sdk/memory/handle.ts'
import { splice } from '../../plugin-sdk/memory/index.ts'
import {
  type BlockAddress,
  createInput,
  editInput,
  type InferInput,
  type SchemaName,
  validate,
} from '../../protocol/index.ts'
import { alice, bob, daemonPerson, type Person } from '../fixtures/cast.ts'
import type { PluginInWorld } from '../fixtures/sync-world.ts'
import { VerifiedWorld } from '../fixtures/verified-world.ts'

const notes = 'space:home/notes' as BlockAddress
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
type Input = InferInput<typeof editInput>

let world: VerifiedWorld
let edits: BlockEdits
let ends: (() => void)[]
let plugins: PluginInWorld[]

function editsOf({ sync, views, verification }: VerifiedWorld): BlockEdits {
  const { log } = sync
  const { peer: self, seed } = daemonPerson
  const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes))
  const blocks = new Blocks({ log, views, verification })
  return new BlockEdits({ blocks, edits: new Edits({ log, self, seed, clock: systemClock, random }), log, views })
}

beforeEach(async () => {
  world = await VerifiedWorld.open()
  await world.sync.approve(bob, ...everything)
  edits = editsOf(world)
  ends = []
  plugins = []
})

afterEach(async () => {
  for (const end of ends) end()
  await world.close()
})

const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 })
const by = (who: Person) => ({
  origin: { peer: who.peer, replica: '1'.repeat(32) as never },
  grantVersion: world.sync.grants.get(who.peer)?.grantVersion ?? 0,
})
/** As bob, who has no replica. */
const edit = (steps: Input['steps'], more: Partial<Input> = {}, who = by(bob)) =>
  edits.edit(validate(editInput, { address: notes, steps, ...more }), who, false)
const text = async () => (await world.views.render(world.row(notes), world.sync.log.published)).text
const typed = (what: string, at?: number): Input['steps'] => [
  { do: 'splice', path: ['text'], ...(at === undefined ? {} : { at }), text: what },
]

async function open<Name extends SchemaName>(who: Person, schema: Name): Promise<BlockHandle<Name>> {
  const plugin = world.sync.plugin(who)
  plugins.push(plugin)
  ends.push(plugin.connect())
  await plugin.memory.prepare(notes)
  const handle = plugin.memory.open(notes, schema)
  await handle.live()
  return handle
}

const unfit: readonly [string, Input['steps'], string, RegExp][] = [
  [
    'a path to nothing',
    [{ do: 'delete', path: ['text', 'a', 'b'] }],
    'bad-edit',
    /step 2, delete text.a.b: text is no map/,
  ],
  ['a missing key', [{ do: 'splice', path: ['nope'], text: 'x' }], 'bad-edit', /there is nothing/],
  ['no text', [{ do: 'increment', path: ['text'] }], 'bad-edit', /is no counter/],
  ['a place beyond the end', [{ do: 'splice', path: ['text'], at: 99, text: 'x' }], 'bad-edit', /has 5 characters/],
  ['too long a deletion', [{ do: 'splice', path: ['text'], remove: 2 ** 40 }], 'bad-edit', /has 5 characters/],
  ['no list', [{ do: 'insert', path: ['text'], value: 1 }], 'bad-edit', /only a list/],
  ['a prototype', [{ do: 'set', path: ['__proto__', 'x'], value: 1 }], 'bad-edit', /__proto__ is not taken/],
  [
    'a hostile key',
    [{ do: 'set', path: ['x'], value: JSON.parse('{"__proto__": 1}') }],
    'bad-edit',
    /step 2, set x: .*__proto__/,
  ],
  ['a deep path', [{ do: 'set', path: Array(60).fill('a'), value: 1 }], 'bad-edit', /nothing at a/],
  ['no time', [{ do: 'set', path: ['x'], value: { $timestamp: 'soon' } }], 'bad-edit', /\$timestamp/],
  ['too much', [{ do: 'splice', path: ['text'], text: 'x'.repeat(20_001) }], 'change-too-large', /step 2/],
]

describe('an edit by operation', () => {
  it('reaches every replica, also those of who asked for it, and merges with what they write', async () => {
    const [a, b] = [await open(alice, 'text'), await open(bob, 'text')]
    a.change((doc) => splice(doc, ['text'], 0, 0, 'milk'))
    await a.flushed()
    const first = await edit(typed(', eggs'))
    const second = await edit([{ do: 'splice', path: ['text'], at: 0, remove: 1, text: 'M' }], { heads: first.heads })
    await until(() => expect([a.value.text, b.value.text]).toEqual(['Milk, eggs', 'Milk, eggs']))
    expect(world.row(notes)).toMatchObject({ heads: [second.change], changes: 3 })
    b.change((doc) => splice(doc, ['text'], 0, 0, '> '))
    await until(() => expect(a.value.text).toBe('> Milk, eggs'))
  })

  it('is signed by the daemon and asked for by the peer, in the log and after a restart, with one actor', async () => {
    await world.block(notes)
    await edit(typed('a'))
    // Whoever is refused in between does not make the daemon begin another one.
    await expect(edit([{ do: 'increment', path: ['text'] }])).rejects.toMatchObject({ code: 'bad-edit' })
    await edit(typed('b'))
    const { rows } = await world.sync.storage.readLog({
      block: world.row(notes).id,
      after: 0,
      until: 99,
      maxBytes: 9_999,
    })
    expect(rows.map(({ origin, actorSeq }) => [origin.peer, actorSeq])).toEqual([
      [bob.peer, 1],
      [bob.peer, 2],
    ])
    expect(rows.map(({ actor }) => world.sync.log.authors.of(actor))).toEqual([daemonPerson.peer, daemonPerson.peer])
    await world.restart()
    edits = editsOf(world)
    await edit(typed('c'))
    const a = await open(alice, 'text')
    expect([a.value.text, await text()]).toEqual(['abc', 'abc'])
  })

  it('does every kind of step, and every kind of value comes out as what it is', async () => {
    await world.block(notes, 'map')
    const a = await open(alice, 'map')
    await edit([
      { do: 'set', path: ['map', 'n'], value: { $counter: 3 } },
      { do: 'increment', path: ['map', 'n'], by: 4 },
      { do: 'set', path: ['map', 'at'], value: { $timestamp: '2026-01-31T12:00:00Z' } },
      { do: 'set', path: ['map', 'raw'], value: { $bytes: 'AQI=' } },
      { do: 'set', path: ['map', 'list'], value: [1, { a: null }, 'x'] },
      { do: 'insert', path: ['map', 'list', 0], value: true },
      { do: 'insert', path: ['map', 'list', '-'], value: 1.5 },
      { do: 'delete', path: ['map', 'list', '1'] },
      { do: 'splice', path: ['map', 'list', 2], text: 'yz' },
      { do: 'set', path: ['map', 'constructor'], value: { prototype: true } },
      { do: 'set', path: ['map', 'gone'], value: {} },
      { do: 'delete', path: ['map', 'gone'] },
    ])
    expect(JSON.parse(await text())).toMatchObject({
      n: 7,
      at: '2026-01-31T12:00:00.000Z',
      list: [true, { a: null }, 'xyz', 1.5],
      constructor: { prototype: true },
    })
    await until(() => expect(Object.hasOwn(a.value.map, 'list')).toBe(true))
    expect(a.value.map).toMatchObject({ at: new Date('2026-01-31T12:00:00Z'), raw: Uint8Array.of(1, 2) })
    expect(Object.hasOwn(a.value.map, 'gone')).toBe(false)
    const { change } = await edit([{ do: 'set', path: ['map', 'n'], value: 9 }])
    expect(change).toBeDefined()
    await edit([{ do: 'increment', path: ['map', 'n'] }])
    expect(JSON.parse(await text())).toMatchObject({ n: 10 })
  })

  it('that sets a text keeps what others write into it at the same time', async () => {
    await world.block(notes)
    await edit(typed('one two three'))
    const a = await open(alice, 'text')
    for (const end of ends.splice(0)) end()
    await until(() => expect(a.state).toBe('offline'))
    a.change((doc) => splice(doc, ['text'], 0, 0, '> '))
    await edit([{ do: 'set', path: ['text'], value: 'one 2 three' }])
    ends.push(plugins[0]?.connect() ?? (() => {}))
    await a.flushed()
    await until(() => expect(a.value.text).toBe('> one 2 three'))
    expect((await edit([{ do: 'set', path: ['text'], value: '> one 2 three' }])).change).toBeUndefined()
  })

  it('that does not fit is refused with the step, and nothing of it is done', async () => {
    await world.block(notes)
    await edit(typed('milk'))
    const { heads, changes } = world.row(notes)
    for (const [what, steps, code, detail] of unfit) {
      const refusal = { code, detail: expect.stringMatching(detail) }
      await expect(edit([...typed('!'), ...steps]), what).rejects.toMatchObject(refusal)
    }
    expect(world.row(notes)).toMatchObject({ heads, changes })
    await edit(typed(', eggs'))
    expect(await text()).toBe('milk, eggs')
  })

  it.each([
    ['10,000 steps', Array(10_000).fill({ do: 'delete', path: ['a'] })],
    ['a path of 100', [{ do: 'delete', path: Array(100).fill('a') }]],
    ['half a character', [{ do: 'set', path: ['a'], value: '\ud800' }]],
    ['a number that is none', [{ do: 'set', path: ['a'], value: Number.NaN }]],
    ['a function', [{ do: 'set', path: ['a'], value: () => 1 }]],
    ['no step', []],
  ])('of %s is no edit', (_what, steps) => {
    expect(() => validate(editInput, { address: notes, steps })).toThrow(
      expect.objectContaining({ code: 'invalid-input' }),
    )
  })

  it('for one state is refused at another, with the heads that there are', async () => {
    await world.block(notes)
    const { heads } = await edit(typed('a'))
    const both = await Promise.allSettled([edit(typed('b'), { heads }), edit(typed('c'), { heads })])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(both[1]).toMatchObject({ reason: { code: 'heads-differ', detail: world.row(notes).heads.join(' ') } })
    expect(await text()).toBe('ab')
  })

  it('that many ask for at once are made one after the other', async () => {
    await world.block(notes)
    await Promise.all(Array.from({ length: 20 }, (_, n) => edit(typed(String.fromCharCode(97 + n)))))
    expect(await text()).toBe('abcdefghijklmnopqrst')
    expect(world.row(notes).heads).toHaveLength(1)
  })
})

describe('who asks for an edit', () => {
  it('needs the right at the moment that it is stored', async () => {
    await world.block(notes)
    const before = by(bob)
    await edit(typed('a'), {}, before)
    await world.sync.approve(bob, 'blocks:read:space:home/*')
    await expect(edit(typed('b'), {}, before)).rejects.toMatchObject({ code: 'grant-changed' })
    expect(await text()).toBe('a')
    await world.sync.approve(bob, ...everything)
    await edit(typed('c'))
    expect(await text()).toBe('ac')
  })

  it('is refused while it is suspended, and pays for what is written', async () => {
    await world.block(notes)
    await edit(typed('x'.repeat(10_000)))
    expect([world.sync.log.usage.of(bob.peer) > 0, world.sync.log.usage.of(daemonPerson.peer)]).toEqual([true, 0])
    const cause = undefined
    const found = {
      hash: 'ab'.repeat(32) as never,
      seq: 1,
      actor: '00' as never,
      actorSeq: 1,
      peer: bob.peer,
      cause,
      reason: 'a test',
    }
    const other = await world.block('space:home/other')
    await world.sync.log.setAside(other.id, [found])
    await expect(edit(typed('b'))).rejects.toMatchObject({ code: 'suspended' })
    await edit(typed('a'), {}, by(alice))
  })

  it('is not blamed for a change of the daemon that has to be set aside', async () => {
    await world.block(notes)
    await edit(typed('a'))
    const row = world.row(notes)
    const { rows } = await world.sync.storage.readLog({ block: row.id, after: 0, until: 99, maxBytes: 9_999 })
    const [{ hash, seq, actor, actorSeq, origin } = {} as never] = rows
    const found = { hash, seq, actor, actorSeq, peer: origin.peer, cause: undefined, reason: 'a test' }
    await world.sync.log.setAside(row.id, [found])
    world.views.forget(row.id)
    expect(world.sync.log.quarantine.suspension(bob.peer)).toBeUndefined()
    await edit(typed('b'))
    expect(await text()).toBe('b')
  })

  it('changes what is read-only only as an admin', async () => {
    await world.block(notes, 'map')
    await world.sync.log.describe(notes, { options: { fields: [{ name: 'id', type: 'number', readOnly: true }] } })
    for (const path of [['map', 'id'], ['map'], ['map', 'id', 'x']]) {
      await expect(edit([{ do: 'set', path, value: 1 }])).rejects.toMatchObject({ code: 'grant-missing' })
    }
    await edit([{ do: 'set', path: ['map', 'other'], value: 1 }])
    await edits.edit(
      validate(editInput, { address: notes, steps: [{ do: 'set', path: ['map', 'id'], value: 2 }] }),
      by(bob),
      true,
    )
    expect(JSON.parse(await text())).toEqual({ id: 2, other: 1 })
  })
})

describe('a block that is made by operation', () => {
  const create = (input: InferInput<typeof createInput>, mayKnow = true) =>
    edits.create(validate(createInput, input), by(bob), mayKnow)

  it("is its maker's, is there for replicas, and is the same one when it is asked for again", async () => {
    const made = await create({ address: notes, schema: 'text', meta: { description: 'Shopping' } })
    expect([made, await create({ address: notes, schema: 'text' })]).toEqual([
      { address: notes, generation: made.generation, isNew: true },
      { address: notes, generation: made.generation, isNew: false },
    ])
    expect(world.row(notes)).toMatchObject({ owner: bob.peer, meta: { description: 'Shopping' } })
    await edit(typed('milk'))
    const a = await open(alice, 'text')
    expect([a.value.text, a.meta]).toEqual(['milk', { description: 'Shopping' }])
  })

  it("takes nobody's place, and tells who may only create no more than that something is there", async () => {
    await create({ address: notes, schema: 'text' })
    await expect(create({ address: notes, schema: 'map' })).rejects.toMatchObject({ code: 'address-taken' })
    const unseen = await create({ address: notes, schema: 'text' }, false).catch((error: unknown) => error)
    expect(unseen).toMatchObject({ code: 'address-taken', detail: undefined })
    const options = { maxItems: 3 }
    const wrong = create({ address: 'space:home/other', schema: 'text', meta: { options } })
    await expect(wrong).rejects.toMatchObject({ code: 'invalid-input' })
  })
})
