/** Poison in the log: what a block cannot be made with is set aside, and everything else goes on. */
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MooringError, schemaNamed } from '../../protocol/index.ts'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { type Poison, poisons } from '../fixtures/poison-kinds.ts'
import { actorOf, insert, RawReplica, textDoc } from '../fixtures/raw-replica.ts'
import { VerifiedWorld } from '../fixtures/verified-world.ts'

const notes = 'space:home/notes'
const other = 'space:home/other'

let world: VerifiedWorld

beforeEach(async () => {
  world = await VerifiedWorld.open()
})

afterEach(async () => {
  await world.close()
})

const hashOf = (bytes: Uint8Array): string => A.decodeChange(bytes).hash
const aside = () => world.sync.log.quarantine.rows()

/** What the block shows when it is made of the honest changes alone. */
function expected({ schema }: Poison, ...honest: Uint8Array[]): string {
  const doc = A.load<Record<string, unknown>>(schemaNamed(schema).initial.bytes)
  const [made] = A.applyChanges(doc, honest)
  return schemaNamed(schema).describe(A.toJS(made) as never)
}

describe.each(poisons)('$kind', (poison) => {
  it('is set aside when it is in the log, and the block shows the rest', async () => {
    const { honest, poison: bad } = poison.make(actorOf(alice), actorOf(mallory))
    const { id } = await world.block(notes, poison.schema)
    const neighbour = await world.block(other, 'text')
    await world.inject(id, alice, honest)
    await world.inject(id, mallory, bad)
    await world.inject(neighbour.id, alice, insert(textDoc(actorOf(alice)), 0, 'untouched').bytes)
    await world.restart()

    await world.verification.verify(id)
    expect(aside()).toMatchObject([{ block: id, peer: mallory.peer, cause: undefined }])
    expect(await world.render(notes)).toBe(expected(poison, honest))
    expect(await world.render(other)).toBe('untouched')
    expect(world.sync.log.quarantine.suspensions().map(({ peer }) => peer)).toEqual([mallory.peer])

    // And again: what was found is durable, and is not looked for a second time.
    await world.restart()
    expect(aside()).toHaveLength(1)
    expect(await world.render(notes)).toBe(expected(poison, honest))
    expect((await world.verification.verify(id))?.changes).toBe(1)
    expect(aside()).toHaveLength(1)
    expect(world.row(notes)).toMatchObject({ changes: 1 })
  })
})

describe.each(poisons.filter(({ passes }) => passes))('$kind, sent by a plugin', (poison) => {
  it('is acknowledged, then set aside; its plugin may not write until it is released', async () => {
    const { honest, poison: bad } = poison.make(actorOf(alice), actorOf(mallory))
    const writer = new RawReplica(world.sync, alice)
    await writer.begin(notes, poison.schema)
    writer.submit([honest])
    expect(await writer.settled(1)).toBe('ok')
    const attacker = new RawReplica(world.sync, mallory)
    await attacker.begin(notes, poison.schema)
    attacker.submit([bad])
    expect(await attacker.settled(1)).toBe('ok')

    await world.verification.verify(world.row(notes).id)
    expect(aside().map(({ hash }) => hash)).toEqual([hashOf(bad)])
    expect(await world.render(notes)).toBe(expected(poison, honest))
    expect(world.row(notes).heads).toEqual([hashOf(honest)])

    attacker.submit([poison.make(actorOf(mallory), actorOf(alice)).honest])
    expect(await attacker.settled(2)).toBe('suspended')
    attacker.send({ t: 'create', handle: 3, scope: 'space:home', label: 'other', schema: 'text', meta: {} })
    expect(await attacker.expect('refuse')).toMatchObject({ n: 2, code: 'suspended', retryAfterMs: 10_000 })
    expect(await attacker.expect('refuse')).toMatchObject({ handle: 3, code: 'suspended' })
    await world.restart()
    expect(world.sync.log.quarantine.suspension(mallory.peer)?.reason).toContain(notes)
    await world.sync.log.unsuspend(mallory.peer)
    const again = new RawReplica(world.sync, mallory)
    await again.begin(other)
    again.submit([insert(textDoc(actorOf(mallory)), 0, 'more').bytes])
    expect(await again.settled(1)).toBe('ok')
  })
})

const [wrongKey, wrongMark] = poisons
if (wrongKey === undefined || wrongMark === undefined) throw new Error('there are no poisons')
const marked = (honestActor = actorOf(alice), badActor = actorOf(mallory)) => wrongMark.make(honestActor, badActor)

/** A change of `actor` on top of the given ones. */
function editOn(actor: string, base: readonly Uint8Array[], text: string): Uint8Array {
  const [doc] = A.applyChanges(textDoc(actor), [...base])
  return insert(doc, 0, text).bytes
}

describe('who builds on what is set aside', () => {
  it('is told, is not suspended, and is refused what builds on it further', async () => {
    await world.sync.approve(bob, ...['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`))
    const { honest, poison } = marked()
    const [author, attacker, builder] = [alice, mallory, bob].map((who) => new RawReplica(world.sync, who))
    if (author === undefined || attacker === undefined || builder === undefined) throw new Error('nobody')
    await author.begin(notes)
    author.submit([honest])
    await author.settled(1)
    await attacker.begin(notes)
    attacker.submit([poison])
    await attacker.settled(1)
    builder.open(['space:home/*'])
    const { handle } = await builder.create(notes, 1)
    const built = editOn(actorOf(bob), [honest, poison], 'built on it ')
    const concurrent = editOn(actorOf(bob), [honest], 'not built on it ')
    builder.submit([built], { handle })
    builder.submit([concurrent], { handle })
    expect(await builder.settled(2)).toBe('ok')

    await world.verification.verify(world.row(notes).id)
    expect(aside()).toMatchObject([
      { hash: hashOf(poison), peer: mallory.peer, cause: undefined },
      { hash: hashOf(built), peer: bob.peer, cause: hashOf(poison) },
    ])
    expect(world.sync.log.quarantine.suspensions().map(({ peer }) => peer)).toEqual([mallory.peer])
    const told = [await builder.expect('quarantined'), await builder.expect('quarantined')]
    expect(told.map(({ hash }) => hash)).toEqual([hashOf(poison), hashOf(built)])
    expect(await world.render(notes)).toBe('not built on it hello')

    builder.submit([editOn(actorOf(bob), [honest, poison], 'again ')], { handle })
    expect(await builder.settled(3)).toBe('quarantined')
    // Not acknowledged a second time either, as a duplicate would be.
    const duplicate = new RawReplica(world.sync, bob)
    await duplicate.begin(notes)
    duplicate.submit([built])
    expect(await duplicate.settled(1)).toBe('quarantined')
    const onward = new RawReplica(world.sync, bob)
    await onward.begin(notes)
    onward.submit([editOn(actorOf(bob), [honest, concurrent], 'and on ')])
    expect(await onward.settled(1)).toBe('ok')
  })

  it('is found also when its change was on its way meanwhile', async () => {
    const { id } = await world.block(notes)
    const { honest, poison } = marked()
    await world.inject(id, alice, honest)
    await world.inject(id, mallory, poison)
    await world.restart()
    await world.verification.verify(id)
    await world.inject(id, alice, editOn(actorOf(alice), [honest, poison], 'late '))
    await world.restart()
    await world.verification.verify(id)
    expect(aside()).toMatchObject([{ cause: undefined }, { cause: hashOf(poison), peer: alice.peer }])
    expect(world.sync.log.quarantine.suspensions().map(({ peer }) => peer)).toEqual([mallory.peer])
    expect(await world.render(notes)).toBe('hello')
  })
})

describe('what is set aside', () => {
  it('is sent to nobody, from the ring or from disk, and those who have it are told when they come back', async () => {
    const { honest, poison } = marked()
    const { id } = await world.block(notes)
    await world.inject(id, alice, honest)
    await world.inject(id, mallory, poison)
    await world.restart()
    const before = new RawReplica(world.sync, alice)
    before.open(['space:home/*'])
    const { cursor } = await before.expect('synced')
    before.end()
    await world.verification.verify(id)

    const fresh = new RawReplica(world.sync, alice, '1'.repeat(32) as never)
    fresh.open(['space:home/*'])
    await fresh.expect('synced')
    expect(fresh.received()).toEqual([hashOf(honest)])
    const back = new RawReplica(world.sync, alice)
    back.send({ t: 'open', replica: back.replica, accept: ['raw'], watch: ['space:home/*'], own: [], cursor })
    expect(await back.expect('quarantined')).toMatchObject({ hash: hashOf(poison) })
    await back.expect('synced')
    expect(back.received()).toEqual([])
  })

  it('comes back with what builds on it when it is released, to everyone, and is verified again', async () => {
    const { honest, poison } = marked()
    const { id } = await world.block(notes)
    const built = editOn(actorOf(alice), [honest, poison], 'built ')
    await world.inject(id, alice, honest)
    await world.inject(id, mallory, poison)
    await world.inject(id, alice, built)
    await world.restart()
    await world.verification.verify(id)
    const watcher = new RawReplica(world.sync, alice)
    watcher.open(['space:home/*'])
    await watcher.expect('synced')
    const [row] = aside()
    if (row === undefined) throw new Error('nothing is set aside')
    expect(await world.sync.log.quarantinedBytes(row)).toEqual(poison)

    const released = await world.sync.log.release(id, row.hash)
    expect(released.map(({ hash }) => hash)).toEqual([hashOf(poison), hashOf(built)])
    expect(aside()).toEqual([])
    await watcher.expect('synced')
    expect(watcher.received()).toEqual([hashOf(honest), hashOf(poison), hashOf(built)])
    expect(world.row(notes)).toMatchObject({ changes: 3, heads: [hashOf(built)] })
    await expect(world.sync.log.release(id, row.hash)).rejects.toMatchObject({ code: 'change-not-found' })

    // It is no better than it was.
    await world.restart()
    await world.verification.verify(id)
    expect(aside().map(({ hash }) => hash)).toEqual([hashOf(poison), hashOf(built)])
    expect(await world.render(notes)).toBe('hello')
  })

  it('is found among many, several at once, and only those', async () => {
    const { id } = await world.block(notes)
    const { honest, poison } = marked()
    const second = marked(actorOf(alice), actorOf(mallory)).poison
    let doc = A.applyChanges(textDoc(actorOf(alice)), [honest])[0]
    const log: Uint8Array[] = [honest]
    for (let n = 0; n < 300; n++) {
      const made = insert(doc, doc.text.length, String(n % 10))
      doc = made.doc
      log.push(made.bytes)
      if (n === 70) log.push(poison)
    }
    await world.inject(id, alice, ...log)
    // Builds on a change of its own that the block does not have, so it is no use to anyone.
    await world.inject(id, mallory, second)
    await world.restart()
    await world.verification.verify(id)
    expect(aside().map(({ hash }) => hash)).toEqual([hashOf(poison), hashOf(second)])
    expect(world.row(notes).changes).toBe(301)
    expect((await world.render(notes)).length).toBe(305)
  })
})

describe('a plugin that cannot take a change', () => {
  it('has its block verified', async () => {
    const replica = new RawReplica(world.sync, alice)
    await replica.begin(notes)
    replica.send({ t: 'poison', handle: 1, hash: 'a'.repeat(64) })
    replica.submit([insert(textDoc(actorOf(alice)), 0, 'x').bytes])
    await replica.settled(1)
    expect(world.sync.poisoned).toEqual([world.row(notes).id])
  })
})

describe('in the background', () => {
  it('a block is verified some time after it changed, and not again while nothing changes', async () => {
    const replica = new RawReplica(world.sync, alice)
    await replica.begin(notes)
    replica.submit([insert(textDoc(actorOf(alice)), 0, 'x').bytes])
    await replica.settled(1)
    const { id } = world.row(notes)
    expect(world.verification.verifiedSeq(id)).toBe(0)
    await world.clock.advance(2_000)
    await world.verification.verify(id)
    expect(world.verification.verifiedSeq(id)).toBe(world.row(notes).visibleSeq)
    await world.restart()
    expect(world.verification.verifiedSeq(id)).toBe(world.row(notes).visibleSeq)
    expect(world.clock.pending).toEqual([])
  })

  it('a block waits while it is written to, and not for ever', async () => {
    const replica = new RawReplica(world.sync, alice)
    await replica.begin(notes)
    let doc = textDoc(actorOf(alice))
    const { id } = world.row(notes)
    const verify = vi.spyOn(world.views, 'verify')
    for (let second = 0; second < 20; second++) {
      expect(verify).not.toHaveBeenCalled()
      const next = insert(doc, 0, 'x')
      doc = next.doc
      replica.submit([next.bytes])
      await replica.settled(second + 1)
      await world.clock.advance(1_000)
    }
    await vi.waitFor(() => expect(world.verification.verifiedSeq(id)).toBeGreaterThan(0), { timeout: 20_000 })
  })

  it('goes on to the end of the log when it is verified part by part', async () => {
    const { id } = await world.block(notes)
    let { doc, bytes } = insert(textDoc(actorOf(alice)), 0, 'a')
    for (const letter of 'bcd') {
      await world.inject(id, alice, bytes)
      const next = insert(doc, 0, letter)
      doc = next.doc
      bytes = next.bytes
    }
    await world.restart()
    const verify = world.views.verify.bind(world.views)
    const parts: number[] = []
    world.views.verify = async (block, options) => {
      const until = Math.min(options.until, options.after + 2)
      parts.push(until)
      return verify(block, { ...options, until })
    }
    expect((await world.verification.verify(id))?.changes).toBe(3)
    expect(parts).toEqual([2, 4])
    expect(world.verification.verifiedSeq(id)).toBe(world.row(notes).visibleSeq)
  })

  it('a block that could not be verified when somebody asked for it is verified later', async () => {
    const { id } = await world.block(notes)
    await world.inject(id, alice, insert(textDoc(actorOf(alice)), 0, 'x').bytes)
    await world.restart()
    const verify = world.views.verify.bind(world.views)
    world.views.verify = () => Promise.reject(new MooringError('storage-full'))
    await expect(world.compaction.compact(id)).rejects.toThrow(MooringError)
    world.views.verify = verify
    await world.clock.advance(120_000)
    await vi.waitFor(() => expect(world.verification.verifiedSeq(id)).toBe(world.row(notes).visibleSeq), 10_000)
  })

  it('goes on with the next block when one cannot be verified', async () => {
    const [bad, good] = [await world.block(notes), await world.block(other)]
    await world.inject(bad.id, alice, insert(textDoc(actorOf(alice)), 0, 'x').bytes)
    await world.inject(good.id, alice, insert(textDoc(actorOf(alice)), 0, 'y').bytes)
    await world.restart()
    const verify = world.views.verify.bind(world.views)
    world.views.verify = async (block, options) => {
      if (block.id === bad.id) throw new Error('the disk is tired')
      return verify(block, options)
    }
    await world.clock.advance(2_000)
    await world.verification.verify(good.id)
    await world.clock.advance(2_000)
    expect(world.verification.verifiedSeq(bad.id)).toBe(0)
    expect(world.verification.verifiedSeq(good.id)).toBeGreaterThan(0)
    expect(aside()).toEqual([])
  })
})
