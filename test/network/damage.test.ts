/** Rows that rot in the store: never served, supplied by whoever holds them, and nobody is stopped by them. */
import { join } from 'node:path'
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BlockHandle } from '../../plugin-sdk/memory/index.ts'
import { splice } from '../../plugin-sdk/memory/index.ts'
import type { BlockAddress } from '../../protocol/index.ts'
import { schemaNamed, type TextValue } from '../../protocol/index.ts'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { DamagedWorld } from '../fixtures/damaged-world.ts'
import { RawReplica } from '../fixtures/raw-replica.ts'
import type { PluginInWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const notes = 'space:home/notes' as BlockAddress
const other = 'space:home/other' as BlockAddress

let world: DamagedWorld

beforeEach(async () => {
  world = await DamagedWorld.open()
})

afterEach(async () => {
  await world.close()
})

const until = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 20 })

const append = (block: BlockHandle<'text'>, text: string): void =>
  block.change((doc) => splice(doc, ['text'], doc.text.length, 0, text))

/** Words of one author, each a change and a row of its own. */
async function write(plugin: PluginInWorld, address: BlockAddress, ...words: readonly string[]) {
  const block = plugin.memory.open(address, 'text')
  for (const word of words) {
    append(block, word)
    await block.flushed()
  }
  return block
}

const reported = (message: RegExp) => world.lines.filter((line) => message.test(line.message))
const found = () => reported(/a damaged row was found/)
const text = (plugin: PluginInWorld, address = notes): string => plugin.memory.open(address, 'text').value.text

/** All of it is in the log again, readable from the first row to the last. */
async function expectWhole(expected: string): Promise<void> {
  await until(async () => expect(await world.render(notes)).toBe(expected))
  await until(() => expect(world.repair.blocks).toEqual([]))
  const fresh = world.sync.plugin(mallory, 'fresh')
  fresh.connect()
  fresh.memory.open(notes, 'text')
  await until(() => expect(text(fresh)).toBe(expected))
  await until(async () => void (await world.storage.blockState(world.row(notes).id)))
}

describe('a change that rots', () => {
  it.each(['bytes', 'hash', 'actor', 'actor_seq', 'max_op', 'origin'])(
    'in its %s is supplied by a replica that holds it, and whoever comes meanwhile gets it',
    async (column) => {
      const a = world.sync.plugin(alice)
      a.connect()
      await write(a, notes, 'one ', 'two ', 'three ')
      world.damageChange(a, 2, column)
      const b = world.sync.plugin(bob)
      b.connect()
      b.memory.open(notes, 'text')
      await until(() => expect(text(b)).toBe('one two three '))
      await write(b, notes, 'four')
      await expectWhole('one two three four')
      expect(found().map(({ fields }) => fields.table)).toEqual(['change'])
      expect(reported(/set back/)).toMatchObject([{ fields: { block: notes, damaged: 1, lost: 1, waiting: 1 } }])
    },
  )

  it('is noticed by whoever writes, and by the verification', async () => {
    const a = world.sync.plugin(alice)
    a.connect()
    await write(a, notes, 'one ', 'two ')
    await write(a, other, 'three ', 'four ')
    world.damageChange(a, 1)
    world.damageChange(a, 3)
    await world.verification.verify(world.row(other).id).catch(() => {})
    await until(() => expect(reported(/set back/)).toMatchObject([{ fields: { block: other } }]))
    // What is known of the block is read again, as after a while in which nobody wrote.
    world.sync.log.repairComponents.ledgers.drop(world.row(notes).id)
    append(a.memory.open(notes, 'text'), 'five')
    await until(() => expect(reported(/set back/)).toHaveLength(2))
    await a.memory.open(notes, 'text').flushed()
    await expectWhole('one two five')
    expect(await world.render(other)).toBe('three four ')
  })

  it('that is the newest of all is supplied, and its author goes on', async () => {
    const a = world.sync.plugin(alice)
    a.connect()
    await write(a, notes, 'one ', 'two ')
    world.damageChange(a, 2)
    const b = world.sync.plugin(bob)
    b.connect()
    b.memory.open(notes, 'text')
    await write(a, notes, 'three ')
    await until(() => expect(text(b)).toBe('one two three '))
    await expectWhole('one two three ')
  })

  it('is no hindrance to who edits on top of it before it is back, nor to other blocks', async () => {
    const a = world.sync.plugin(alice)
    const b = world.sync.plugin(bob)
    const leave = a.connect()
    b.connect()
    await write(a, notes, 'one ', 'two ')
    b.memory.open(notes, 'text')
    b.memory.open(other, 'text')
    await until(() => expect(text(b)).toBe('one two '))
    leave()
    world.damageChange(a, 2)
    world.sync.log.repairComponents.ledgers.drop(world.row(notes).id)
    append(b.memory.open(notes, 'text'), 'three ')
    await write(b, other, 'beside')
    await b.memory.open(notes, 'text').flushed()
    await expectWhole('one two three ')
    expect(await world.render(other)).toBe('beside')
  })

  it('that is gone without a word is missed by the verification', async () => {
    const a = world.sync.plugin(alice)
    a.connect()
    await write(a, notes, 'one ', 'two ', 'three ')
    world.damage('DELETE FROM change WHERE seq = 3')
    await world.verification.verify(world.row(notes).id).catch(() => {})
    await expectWhole('one two three ')
    expect(reported(/set back/)).toMatchObject([{ fields: { damaged: 0, lost: 1, waiting: 1 } }])
  })

  it('at the end of the log, of which nothing but a count is left, is missed as well', async () => {
    const a = world.sync.plugin(alice)
    a.connect()
    await write(a, notes, 'one ', 'two ')
    world.damage('DELETE FROM change WHERE seq = 3')
    await world.verification.verify(world.row(notes).id).catch(() => {})
    await expectWhole('one two ')
  })

  it('that nobody holds leaves what does not build on it, and is back as soon as somebody brings it', async () => {
    const path = join(tempDir(), 'alice.db')
    const a = await world.sync.storedPlugin(alice, path)
    const leave = a.connect()
    await a.memory.prepare(notes)
    await write(a, notes, 'one ', 'two ', 'three ')
    await write(a, other, 'beside')
    leave()
    await a.memory.stop()
    world.damageChange(a, 2)
    const b = world.sync.plugin(bob)
    b.connect()
    for (const address of [notes, other]) b.memory.open(address, 'text')
    await until(() => expect([text(b), text(b, other)]).toEqual(['one ', 'beside']))
    await until(() =>
      expect(world.repair.blocks).toMatchObject([{ address: notes, lost: 1, waiting: 1, isOpen: false }]),
    )
    // What can be written is written meanwhile, and nobody waits for what is missing.
    await write(b, notes, 'bob ')
    expect(await world.render(notes)).toBe('one bob ')
    expect(found()).toHaveLength(1)

    const again = await world.sync.storedPlugin(alice, path)
    await again.memory.prepare(notes)
    again.connect()
    const mine = again.memory.open(notes, 'text')
    await until(() => expect(mine.value.text).toContain('bob'))
    await until(() => expect(text(b)).toBe(mine.value.text))
    for (const word of ['one ', 'two ', 'three ', 'bob ']) expect(mine.value.text).toContain(word)
    await expectWhole(mine.value.text)
  })

  it('is found at the next start as well', async () => {
    const path = join(tempDir(), 'alice.db')
    const a = await world.sync.storedPlugin(alice, path)
    a.connect()
    await write(a, notes, 'one ', 'two ', 'three ')
    world.damageChange(a, 1)
    await world.close()
    world = await DamagedWorld.open(world.dir)
    const again = await world.sync.storedPlugin(alice, path)
    await again.memory.prepare(notes)
    again.connect()
    again.memory.open(notes, 'text')
    const b = world.sync.plugin(bob)
    b.connect()
    b.memory.open(notes, 'text')
    await until(() => expect(text(b)).toBe('one two three '))
    await expectWhole('one two three ')
  })

  it('is missing at the next start when nobody brought it before', async () => {
    const a = world.sync.plugin(alice)
    const leave = a.connect()
    await write(a, notes, 'one ', 'two ', 'three ')
    leave()
    world.damageChange(a, 2)
    const b = world.sync.plugin(bob)
    b.connect()
    b.memory.open(notes, 'text')
    const missing = [{ address: notes, lost: 1, waiting: 1 }]
    await until(() => expect(world.repair.blocks).toMatchObject(missing))
    await world.close()
    world = await DamagedWorld.open(world.dir)
    expect(world.repair.blocks).toMatchObject(missing)
    expect(found()).toEqual([])
    const c = world.sync.plugin(alice, 'another')
    c.connect()
    c.memory.open(notes, 'text')
    await until(() => expect(text(c)).toBe('one '))
  })

  it('takes along what another wrote on top of it, which comes back by itself', async () => {
    const path = join(tempDir(), 'alice.db')
    const a = await world.sync.storedPlugin(alice, path)
    const b = world.sync.plugin(bob)
    const leave = [a.connect(), b.connect()]
    await write(a, notes, 'one ', 'two ')
    await until(() => expect(text(b)).toBe('one two '))
    leave[0]?.()
    await a.memory.stop()
    // Nobody but the daemon has these by now.
    await write(b, notes, 'three ', 'four ')
    leave[1]?.()
    world.damageChange(a, 2)
    const fresh = world.sync.plugin(mallory, 'reader')
    fresh.connect()
    fresh.memory.open(notes, 'text')
    await until(() => expect(world.repair.blocks).toMatchObject([{ lost: 1, waiting: 2 }]))
    expect(text(fresh)).toBe('one ')
    const again = await world.sync.storedPlugin(alice, path)
    await again.memory.prepare(notes)
    again.connect()
    again.memory.open(notes, 'text')
    await until(() => expect(text(fresh)).toBe('one two three four '))
    await expectWhole('one two three four ')
  })
})

describe('a lost change', () => {
  /** Alice wrote it, bob holds it, and the log lost it while nobody was there. */
  async function lost() {
    const a = world.sync.plugin(alice)
    const b = world.sync.plugin(bob)
    const leave = [a.connect(), b.connect()]
    await write(a, notes, 'one ', 'two ', 'three ')
    b.memory.open(notes, 'text')
    await until(() => expect(text(b)).toBe('one two three '))
    for (const end of leave) end()
    world.damageChange(a, 2)
    await world.verification.verify(world.row(notes).id).catch(() => {})
    await until(() => expect(world.repair.blocks).toMatchObject([{ lost: 1, waiting: 1, isOpen: false }]))
    return { a, b }
  }

  it('is taken from another than its author, also when that one may not write any more', async () => {
    const { b } = await lost()
    world.sync.grants.delete(alice.peer)
    b.connect()
    await expectWhole('one two three ')
  })

  it('reaches who follows the block as what its author wrote, whoever brought it', async () => {
    const { b } = await lost()
    const c = world.sync.plugin(mallory, 'follower')
    c.connect()
    const theirs = c.memory.open(notes, 'text')
    await until(() => expect(theirs.value.text).toBe('one '))
    const before = world.sync.frames.length
    b.connect()
    await until(() => expect(theirs.value.text).toBe('one two three '))
    const frames = world.sync.frames.slice(before).filter(({ to }) => to === 'mallory')
    const tips = frames.flatMap(({ frame: { tips = [] } }) => tips as { peer: string }[])
    expect(tips.map(({ peer }) => peer).filter((peer) => peer !== alice.peer)).toEqual([])
    expect(frames.filter(({ frame: { t } }) => t === 'resync' || t === 'done')).toEqual([])
  })

  it('is not taken from who may not write', async () => {
    const { b } = await lost()
    await world.sync.approve(bob, 'blocks:read:space:home/*')
    b.connect()
    await until(() =>
      expect(world.sync.frames.some(({ frame, to }) => frame.t === 'synced' && to === 'bob')).toBe(true),
    )
    expect(world.repair.blocks).toMatchObject([{ lost: 1, waiting: 1 }])
  })

  it('is not replaced by another under its number', async () => {
    const { a } = await lost()
    const { actor = '' } = world.sync.log.missing.lostOf(world.row(notes).id)[0] ?? {}
    const { storage } = world
    const [row] = (await storage.readLog({ after: 0, until: 2, maxBytes: 1 })).rows
    if (row === undefined) throw new Error('the first change is gone')
    const first = A.load<TextValue>(schemaNamed('text').initial.bytes, { actor })
    const [doc] = A.applyChanges(first, [row.bytes])
    const forged = A.getLastLocalChange(
      A.change(doc, { time: 0 }, (draft) => A.splice(draft, ['text'], 4, 0, 'forged ')),
    )
    if (!forged) throw new Error('nothing was forged')
    const raw = new RawReplica(world.sync, alice)
    await raw.begin(notes)
    raw.submit([forged])
    expect(await raw.settled(1)).toBe('equivocation')
    a.connect()
    await expectWhole('one two three ')
  })
})

describe('a block that is written to on and on', () => {
  it('is set back all the same, and nothing of what was written meanwhile is lost', async () => {
    const { storage } = world
    const a = world.sync.plugin(alice)
    a.connect()
    const mine = await write(a, notes, 'one ', 'two ', 'three ')
    world.damageChange(a, 2)
    const refused = () =>
      world.sync.frames.filter(({ frame: { t, code } }) => t === 'refuse' && code === 'block-damaged')
    const remains = storage.remains.bind(storage)
    let looks = 0
    // Whenever what is left of the block is looked at, another edit arrives.
    storage.remains = async (block) => {
      const [published, before] = [world.sync.log.published, refused().length]
      append(mine, `${++looks} `)
      await until(() => expect(world.sync.log.published > published || refused().length > before).toBe(true))
      return remains(block)
    }
    const b = world.sync.plugin(bob)
    b.connect()
    b.memory.open(notes, 'text')
    await until(() => expect(reported(/set back/)).toHaveLength(1))
    expect(reported(/could not be set back/)).toEqual([])
    storage.remains = remains
    await mine.flushed()
    expect(mine.value.text).toMatch(/^one two three 1 2 $/)
    await expectWhole(mine.value.text)
  })
})

describe('what a damaged row says of a lost change', () => {
  it('does not count against what the clock says of it', async () => {
    const a = world.sync.plugin(alice)
    const b = world.sync.plugin(bob)
    const leave = [a.connect(), b.connect()]
    await write(a, notes, 'one ', 'two ')
    b.memory.open(notes, 'text')
    await until(() => expect(text(b)).toBe('one two '))
    // Names the hash of the second one.
    await write(b, notes, 'three ')
    await until(() => expect(text(a)).toBe('one two three '))
    await write(a, notes, 'four ')
    await until(() => expect(text(b)).toBe('one two three four '))
    for (const end of leave) end()
    // It says that it is the third of its author, of which nothing is left.
    world.damageChange(a, 2, 'actor_seq')
    world.damage('DELETE FROM change WHERE seq = (SELECT max(seq) FROM change)')
    await world.verification.verify(world.row(notes).id).catch(() => {})
    await until(() => expect(world.repair.blocks).toMatchObject([{ lost: 2, waiting: 1, isOpen: false }]))
    a.connect()
    b.connect()
    await expectWhole('one two three four ')
  })
})

describe('a snapshot that rots', () => {
  /** Five changes, of which the first three are folded when `isFolded`. */
  async function compacted(isFolded: boolean) {
    const a = world.sync.plugin(alice)
    const leave = a.connect()
    await write(a, notes, 'one ', 'two ', 'three ')
    const { id } = world.row(notes)
    if (isFolded) await world.compaction.compact(id)
    else {
      const snapshot = await world.verification.verify(id)
      if (snapshot !== undefined) await world.storage.putSnapshot(snapshot)
    }
    await write(a, notes, 'four ', 'five ')
    return { a, leave, id }
  }

  const all = 'one two three four five '
  const damageSnapshot = (): void => world.damage('UPDATE snapshot SET bytes = zeroblob(length(bytes))')

  it('is made anew while its rows are there', async () => {
    const { id } = await compacted(false)
    damageSnapshot()
    const b = world.sync.plugin(bob)
    b.connect()
    b.memory.open(notes, 'text')
    await until(() => expect(text(b)).toBe(all))
    await until(async () => expect((await world.storage.snapshot(id))?.changes).toBe(5))
    expect(reported(/set back/)).toEqual([])
    await expectWhole(all)
  })

  it('is supplied by a replica when nothing else is left of it', async () => {
    await compacted(true)
    damageSnapshot()
    const b = world.sync.plugin(bob)
    b.connect()
    b.memory.open(notes, 'text')
    await until(() => expect(text(b)).toBe(all))
    expect(reported(/set back/)).toMatchObject([{ fields: { lost: 3, waiting: 2 } }])
    await expectWhole(all)
  })

  it('leaves nothing but the empty block while nobody is there who holds it', async () => {
    const { a, leave } = await compacted(true)
    leave()
    damageSnapshot()
    const b = world.sync.plugin(bob)
    b.connect()
    b.memory.open(notes, 'text')
    await until(() => expect(world.repair.blocks).toMatchObject([{ lost: 3, waiting: 2 }]))
    expect(text(b)).toBe('')
    a.connect()
    await until(() => expect(text(b)).toBe(all))
    await expectWhole(all)
  })

  it('makes good for rows that rot and are not folded yet', async () => {
    const { a, leave } = await compacted(false)
    leave()
    world.damageChange(a, 2)
    const b = world.sync.plugin(bob)
    b.connect()
    b.memory.open(notes, 'text')
    await until(() => expect(text(b)).toBe(all))
    await expectWhole(all)
    expect(reported(/set back/)).toEqual([])
  })
})

describe('what is known of a block', () => {
  it.each([
    ['heads', 'UPDATE block SET heads = zeroblob(64)'],
    ['creation', "UPDATE event SET data = '{}' WHERE kind = 'create'"],
  ])('is good enough when its %s rots under the running daemon', async (_what, sql) => {
    const a = world.sync.plugin(alice)
    a.connect()
    await write(a, notes, 'one ', 'two ')
    world.damage(sql)
    const { id } = world.row(notes)
    world.sync.log.repairComponents.ledgers.drop(id)
    append(a.memory.open(notes, 'text'), 'three')
    await a.memory.open(notes, 'text').flushed()
    await until(() => expect(world.repair.blocks).toEqual([]))
    expect(await world.render(notes)).toBe('one two three')
    expect((await world.storage.remains(id)).isSound).toBe(true)
  })

  it('is not made up when nothing is left that says what it was: others are served, and it is refused and reported', async () => {
    const a = world.sync.plugin(alice)
    a.connect()
    await write(a, notes, 'one ')
    await write(a, other, 'beside')
    const { id } = world.row(notes)
    await world.close()
    world.damage('UPDATE block SET heads = zeroblob(64) WHERE id = ?', id)
    world.damage("UPDATE event SET data = '{}' WHERE kind = 'create' AND block = ?", id)
    world = await DamagedWorld.open(world.dir)
    const b = world.sync.plugin(bob)
    b.connect()
    b.memory.open(other, 'text')
    await until(() => expect(text(b, other)).toBe('beside'))
    await write(b, other, ' more')
    await until(() => expect(world.repair.blocks).toMatchObject([{ block: id, address: undefined, isOpen: true }]))
    const mine = b.memory.open(notes, 'text')
    append(mine, 'two')
    await until(() => expect(mine.state).toBe('denied'))
    expect(mine.value.text).toBe('two')
    expect(text(b, other)).toBe('beside more')
  })

  it.each([
    ['clock', 'UPDATE clock SET seq = seq + 1'],
    ['clock, as far as it is signed', 'UPDATE clock SET signature = zeroblob(64) WHERE length(signature) = 64'],
    ['objects', 'UPDATE object SET depth = depth + 1'],
    ['heads', 'UPDATE block SET heads = zeroblob(64)'],
    ['counts', 'UPDATE block SET ops = 1, gaps = 9'],
    ['schema', "UPDATE block SET schema = 'map'"],
    ['owner', "UPDATE block SET owner = 'nobody'"],
  ])('is made from its changes when its %s rots', async (_what, sql) => {
    const path = join(tempDir(), 'alice.db')
    const a = await world.sync.storedPlugin(alice, path)
    a.connect()
    await write(a, notes, 'one ', 'two ')
    const before = world.row(notes)
    await world.close()
    world.damage(sql)
    world = await DamagedWorld.open(world.dir)
    const b = world.sync.plugin(bob)
    b.connect()
    b.memory.open(notes, 'text')
    await until(() => expect(text(b)).toBe('one two '))
    await write(b, notes, 'three')
    await expectWhole('one two three')
    const { schema, owner, createdSeq, generation, changes } = world.row(notes)
    expect({ schema, owner, createdSeq, generation }).toEqual({
      schema: before.schema,
      owner: before.owner,
      createdSeq: before.createdSeq,
      generation: before.generation,
    })
    expect(changes).toBe(3)
  })
})
