/** Who says that a block is further than the daemon knows: believed is only the daemon's own word. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { BlockAddress } from '../../protocol/index.ts'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { RawReplica } from '../fixtures/raw-replica.ts'
import { RestorableWorld } from '../fixtures/restorable-world.ts'

const notes = 'space:home/notes' as BlockAddress
const block = { scope: 'space:home', label: 'notes', schema: 'text', meta: {} }
const grantsOf = (...rights: string[]): string[] => rights.map((right) => `blocks:${right}:space:home/*`)
const everything = grantsOf('read', 'write', 'create')

let daemon: RestorableWorld
/** Of the only generation that there is. */
let seen: Awaited<ReturnType<RawReplica['create']>>

beforeEach(async () => {
  daemon = await RestorableWorld.open(new Map([alice, bob, mallory].map((who) => [who, everything])))
  const owner = new RawReplica(daemon.world, alice)
  owner.open()
  seen = await owner.create(notes, 1)
  owner.end()
})

afterEach(async () => {
  await daemon.close()
})

const row = () => daemon.world.log.index.at(notes)

const sealed = ({ owner, createdAtMs, metaAtMs, seal }: typeof seen) => ({ owner, createdAtMs, metaAtMs, seal })

/** What becomes of a create: the generation that is shown, or the code of its refusal. */
async function create(raw: RawReplica, fields: object): Promise<unknown> {
  raw.send({ t: 'create', handle: 1, ...block, ...fields })
  const answer = await raw.expect('block', 'refuse')
  if (answer.t === 'block') return answer.generation
  return answer.detail === undefined ? answer.code : `${answer.code} ${answer.detail}`
}

function stranger(who = mallory): RawReplica {
  const raw = new RawReplica(daemon.world, who)
  raw.open()
  return raw
}

describe('a later generation that somebody claims', () => {
  it.each<[string, () => object]>([
    ['nothing', () => ({})],
    ['a seal of its own making', () => ({ sealed: { ...sealed(seen), seal: new Uint8Array(32).fill(7) } })],
    ['the seal of the one that is there', () => ({ sealed: sealed(seen) })],
    ['itself as the owner', () => ({ sealed: { ...sealed(seen), owner: mallory.peer } })],
    ['another time', () => ({ sealed: { ...sealed(seen), createdAtMs: seen.createdAtMs + 1 } })],
  ])('is not there with %s to show for it', async (_what, claim) => {
    for (const generation of [2, 1_900_000_000, Number.MAX_SAFE_INTEGER]) {
      expect(await create(stranger(), { generation, ...claim() })).toBe('generation-lost')
    }
    expect(row()).toMatchObject({ id: 1, generation: 1, deletedSeq: 0 })
    expect(await create(stranger(bob), {})).toBe(1)
  })

  it('is not there at another address, under another schema, or with something else said of it', async () => {
    const backup = await daemon.backUp()
    await daemon.delete(notes)
    const generation = await daemon.create(notes)
    const raw = stranger()
    const later = await raw.create(notes, 3)
    expect(later.generation).toBe(generation)
    raw.end()
    await daemon.restore(backup)
    const claim = { generation, sealed: sealed(later) }
    for (const lie of [{ label: 'other' }, { schema: 'map' }, { meta: { description: 'mine' } }]) {
      expect(await create(stranger(), { ...claim, ...lie })).toBe('generation-lost')
    }
    expect(await create(stranger(), { ...claim, generation: generation + 1 })).toBe('generation-lost')
    expect(row()?.generation).toBe(1)
    // As it was said it is believed, whoever says it, and once.
    expect(await create(stranger(), claim)).toBe(generation)
    expect(row()).toMatchObject({ generation, owner: later.owner })
    await daemon.delete(notes)
    expect(await create(stranger(), claim)).toBe('block-deleted')
    const next = await daemon.create(notes)
    expect(await create(stranger(), claim)).toBe(next)
  })

  it('is brought back only by who may create, and in place of another one only by who may write', async () => {
    const backup = await daemon.backUp()
    await daemon.delete(notes)
    const generation = await daemon.create(notes)
    const raw = stranger()
    const claim = { generation, sealed: sealed(await raw.create(notes, 3)) }
    raw.end()
    await daemon.restore(backup)
    await daemon.world.approve(mallory, ...grantsOf('read', 'write'))
    expect(await create(stranger(), claim)).toBe(`generation-lost blocks:create:${notes}`)
    await daemon.world.approve(mallory, ...grantsOf('read', 'create'))
    expect(await create(stranger(), claim)).toBe(`generation-lost blocks:write:${notes}`)
    await daemon.world.approve(mallory, ...grantsOf('create'))
    expect(await create(stranger(), claim)).toBe('address-taken')
    await daemon.world.approve(mallory, 'blocks:read:space:garden/*')
    expect(await create(stranger(), claim)).toBe(`grant-missing blocks:create:${notes}`)
    await daemon.world.approve(mallory, ...grantsOf('create'))
    expect(row()?.generation).toBe(1)
    await daemon.delete(notes)
    expect(await create(stranger(), claim)).toBe(generation)
  })

  it('keeps the one that is there from nobody but who claims it, until it is refused', async () => {
    const raw = new RawReplica(daemon.world, mallory)
    raw.send({ t: 'open', replica: raw.replica, accept: ['raw'], watch: [notes], cursor: new Uint8Array(), own: [] })
    await raw.expect('resync')
    const entry = { address: notes, generation: Number.MAX_SAFE_INTEGER, clock: [] }
    raw.send({ t: 'have', entries: [entry], last: true })
    expect(await raw.expect('gone')).toMatchObject({ reason: 'unknown', address: notes })
    const b = daemon.world.plugin(bob)
    b.connect()
    const theirs = b.memory.open(notes, 'text')
    await theirs.live()
    theirs.change((doc) => Object.assign(doc, { text: 'unharmed' }))
    await theirs.flushed()
    expect(daemon.world.count('delta', 'mallory')).toBe(0)
    expect(await create(raw, { generation: entry.generation })).toBe('generation-lost')
    expect(await raw.expect('block')).toMatchObject({ generation: 1 })
    await vi.waitFor(() => expect(daemon.world.count('delta', 'mallory')).toBe(1), { timeout: 10_000 })
  })
})
