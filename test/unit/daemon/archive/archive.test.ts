/** The archive: ids that rise, and who may do what with an entry. */
import { describe, expect, it, onTestFinished } from 'vitest'
import { Archive } from '../../../../daemon/archive/archive.ts'
import { ArchiveIds } from '../../../../daemon/archive/archive-ids.ts'
import { archiveHandlers } from '../../../../daemon/handlers/host/archive.ts'
import { archiveDisk } from '../../../../daemon/storage/archive-rows.ts'
import { type ArchiveId, isArchiveId, limits, type PeerId, type Scope } from '../../../../protocol/index.ts'
import { alice, bob, daemonPerson, mallory, type Person } from '../../../fixtures/cast.ts'
import { ManualClock } from '../../../fixtures/clock.ts'
import { SyncWorld } from '../../../fixtures/sync-world.ts'

const home = 'space:home' as Scope
const ones = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(255)

describe('ids of entries', () => {
  it('are UUIDs of version 7 that begin with the time', () => {
    const clock = new ManualClock()
    const { id, atMs } = new ArchiveIds(clock, ones).next()
    expect(isArchiveId(id)).toBe(true)
    expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(atMs)
    expect(atMs).toBe(clock.nowMs())
  })

  it('rise within a millisecond, however many there are, and also when the clock is set back', () => {
    let nowMs = 1_700_000_000_000
    const ids = new ArchiveIds({ nowMs: () => nowMs }, ones)
    const made = Array.from({ length: 10_000 }, () => ids.next().id)
    nowMs -= 60_000
    made.push(ids.next().id)
    nowMs += 120_000
    made.push(ids.next().id)
    expect(made.every(isArchiveId)).toBe(true)
    expect([...made].sort()).toEqual(made)
    expect(new Set(made).size).toBe(made.length)
  })
})

describe('the archive for plugins', () => {
  async function open(maxBytesPerPeer?: number) {
    const quotas = maxBytesPerPeer === undefined ? {} : { quotas: { maxBytesPerPeer } }
    const clock = new ManualClock()
    const world = await SyncWorld.open(undefined, { ...quotas, clock })
    onTestFinished(() => world.close())
    const { storage, log } = world
    const archive = new Archive({ storage, log, clock, random: ones, self: daemonPerson.peer })
    const handlers = archiveHandlers({ archive } as never)
    /** The operation as a peer with the grants that it has now. */
    const as = (who: Person) => {
      const context = { session: { peer: who.peer as PeerId, ...world.grants.get(who.peer) } } as never
      const text = 'the kettle is blue'
      return {
        insert: async (scope = home, entry = {}) =>
          handlers['archive.insert']({ scope, text, metadata: { from: 'ann' }, ...entry }, context),
        get: async (id: ArchiveId) => handlers['archive.get']({ id }, context),
        list: async (scope = home) => handlers['archive.list']({ scope, after: '', limit: 30 }, context),
        remove: async (id: ArchiveId) => handlers['archive.delete']({ id }, context),
      }
    }
    return { archive, as, clock, world }
  }
  const everything = (right: string) => `blocks:${right}:space:home/*`

  it('says who the owner is by the connection, and mints id and time', async () => {
    const { as, clock, world } = await open()
    await world.approve(alice, everything('create'), everything('read'))
    const { id, createdAtMs } = await as(alice).insert()
    expect(createdAtMs).toBe(clock.nowMs())
    expect(await as(alice).get(id)).toEqual({
      ...{ id, createdAtMs, scope: home, owner: alice.peer },
      ...{ metadata: { from: 'ann' }, text: 'the kettle is blue' },
    })
    const { entries } = await as(alice).list()
    expect(entries).toMatchObject([{ id, excerpt: 'the kettle is blue', totalChars: 18 }])
  })

  it('shows nothing, and no difference to nothing, without the right to read all of the scope', async () => {
    const { as, world } = await open()
    await world.approve(alice, everything('create'))
    const { id } = await as(alice).insert()
    for (const grants of [
      ['blocks:read:space:other/*'],
      ['blocks:read:space:home/notes', everything('create')],
      ['blocks:read:agent:home/*'],
      [everything('read'), `!${everything('read')}`],
      [everything('write')],
    ]) {
      await world.approve(mallory, ...grants)
      await expect(as(mallory).get(id)).rejects.toMatchObject({ code: 'archive-not-found' })
      await expect(as(mallory).remove(id)).rejects.toMatchObject({ code: 'archive-not-found' })
    }
    await world.approve(bob, 'blocks:read:space:*/*', '!blocks:read:space:home/secret')
    expect(await as(bob).get(id)).toMatchObject({ id })
  })

  it('takes entries from who may create, and lets the owner or an admin delete them', async () => {
    const { archive, as, world } = await open()
    await world.approve(alice, everything('create'))
    await world.approve(bob, everything('read'), everything('write'))
    const [first, second] = [await as(alice).insert(), await as(alice).insert()]
    await expect(as(bob).remove(first.id)).rejects.toMatchObject({ code: 'grant-missing' })
    await as(alice).remove(first.id)
    await expect(as(alice).remove(first.id)).rejects.toMatchObject({ code: 'archive-not-found' })
    await world.approve(alice, everything('read'))
    await expect(as(alice).remove(second.id)).rejects.toMatchObject({ code: 'grant-missing' })
    await world.approve(mallory, everything('admin'))
    await as(mallory).remove(second.id)
    expect((await archive.list(undefined, { after: '', limit: 9 })).rows).toEqual([])
  })

  it('stores nothing under a grant that changed on the way', async () => {
    const { archive, world } = await open()
    await world.approve(alice, everything('create'))
    await world.approve(alice)
    const late = archive.insert({ peer: alice.peer, grantVersion: 1 }, { scope: home, text: 'late', metadata: {} })
    await expect(late).rejects.toMatchObject({ code: 'grant-changed' })
    expect([await world.storage.usage(), world.log.usage.of(alice.peer)]).toEqual([[], 0])
  })

  it('counts in the quota of its owner, with what is on its way, and gives back what goes', async () => {
    const text = 'x'.repeat(1_000)
    const one = archiveDisk({ text, metadata: {} })
    const { archive, as, clock, world } = await open(2 * one)
    await world.approve(alice, everything('create'))
    const insert = () => as(alice).insert(home, { text, metadata: {} })
    const [first] = await Promise.all([insert(), insert()])
    await expect(insert()).rejects.toMatchObject({ code: 'quota-exceeded' })
    await as(alice).remove(first.id)
    await insert()
    expect(world.log.usage.of(alice.peer)).toBe(2 * one)
    await archive.insert(archive.own, { scope: home, text, metadata: {} })
    await clock.advance(0)
  })

  it('costs a peer operations, so that it cannot fill the disk of everybody at once', async () => {
    const { as, world } = await open()
    await world.approve(alice, everything('create'))
    const all = await Promise.allSettled(Array.from({ length: 400 }, () => as(alice).insert()))
    const codes = all.map((each) => (each.status === 'fulfilled' ? 'ok' : each.reason.code))
    expect(codes.filter((code) => code === 'ok').length).toBeLessThan(limits.maxOpsPerPeerSecond / 500 + 1)
    expect(new Set(codes)).toEqual(new Set(['ok', 'rate-limited']))
  })
})
