/** The archive: what is put in stays as it was, is counted for its owner, and goes once. */
import { describe, expect, it } from 'vitest'
import { type ArchiveRow, archiveDisk } from '../../daemon/storage/archive-rows.ts'
import type { CheckPosition, Storage } from '../../daemon/storage/storage.ts'
import type { ArchiveId, Scope } from '../../protocol/ids.ts'
import { alice, approve, bob, change, createBlock, daemon, self } from '../fixtures/storage-entries.ts'
import type { StorageSetup } from './storage.suite.ts'

const idOf = (n: number): ArchiveId => `019b0a3c-7d00-7000-8000-${String(n).padStart(12, '0')}` as ArchiveId

const entry = (n: number, fields: Partial<ArchiveRow> = {}): ArchiveRow => ({
  id: idOf(n),
  scope: 'space:home' as Scope,
  owner: alice.peer,
  createdAtMs: 1_000 + n,
  metadata: { from: 'a-test' },
  text: `entry ${n}`,
  ...fields,
})

const everything = { after: '', limit: 100, maxChars: 1_000_000 }
const ids = async (storage: Storage, query: Partial<typeof everything> & { scope?: Scope } = {}) =>
  (await storage.archive.list({ ...everything, ...query })).rows.map(({ id }) => id)

export function archiveCases(setup: StorageSetup): void {
  const open = async () => {
    const subject = await setup(self)
    for (const who of [alice, bob]) await approve(subject.storage, who)
    return { ...subject, archive: subject.storage.archive }
  }

  describe('the archive', () => {
    it('gives back what was put in, whatever is in the text', async () => {
      const { archive } = await open()
      const texts = ['plain', 'two\nlines', 'nul \0 inside', 'Grüße 👍🏽', '{"a":1}', "'; DROP TABLE archive; --", ' ']
      for (const [n, text] of texts.entries()) await archive.insert(entry(n, { text, metadata: { a: text } }), 1)
      for (const [n, text] of texts.entries()) {
        expect(await archive.get(idOf(n))).toEqual(entry(n, { text, metadata: { a: text } }))
      }
      expect(await archive.get(idOf(99))).toBeUndefined()
    })

    it('numbers entries in the order in which they were stored, and uses no number twice', async () => {
      const { archive, storage } = await open()
      const numbers = [await archive.insert(entry(5), 1), await archive.insert(entry(1), 1)]
      await archive.remove(idOf(1), { peer: alice.peer, grantVersion: 1 })
      numbers.push(await archive.insert(entry(3), 1))
      expect(numbers).toEqual([1, 2, 3])
      expect((await archive.numbered(0, 10)).map(({ n, id }) => [n, id])).toEqual([
        [1, idOf(5)],
        [3, idOf(3)],
      ])
      expect((await archive.numbered(1, 1)).map(({ n }) => n)).toEqual([3])
      expect(await archive.numbered(3, 10)).toEqual([])
      expect([await archive.existing([3, 2, 1, 9]), await archive.last()]).toEqual([[3, 1], 3])
      expect(await ids(storage)).toEqual([idOf(3), idOf(5)])
    })

    it('is listed by id, a scope at a time or all, page by page', async () => {
      const { archive, storage } = await open()
      const other = 'agent:home' as Scope
      for (const n of [4, 2, 1, 3]) await archive.insert(entry(n, n === 3 ? { scope: other } : {}), 1)
      expect(await ids(storage)).toEqual([1, 2, 3, 4].map(idOf))
      expect(await ids(storage, { scope: 'space:home' as Scope })).toEqual([1, 2, 4].map(idOf))
      expect(await ids(storage, { scope: other, after: idOf(3) })).toEqual([])
      const page = await archive.list({ ...everything, limit: 2 })
      expect([page.rows.map(({ id }) => id), page.more]).toEqual([[idOf(1), idOf(2)], true])
      const rest = await archive.list({ ...everything, limit: 2, after: idOf(2) })
      expect([rest.rows.map(({ id }) => id), rest.more]).toEqual([[idOf(3), idOf(4)], false])
      const short = await archive.list({ ...everything, maxChars: 8 })
      expect([short.rows.length, short.more]).toEqual([2, true])
      expect((await archive.list({ ...everything, maxChars: 1 })).rows).toHaveLength(1)
    })

    it('takes an id once', async () => {
      const { archive } = await open()
      await archive.insert(entry(1), 1)
      await expect(archive.insert(entry(1, { text: 'another' }), 1)).rejects.toMatchObject({ code: 'wrong-state' })
      expect((await archive.get(idOf(1)))?.text).toBe('entry 1')
    })

    it('takes nothing under a grant that has changed, and lets nobody remove under one', async () => {
      const { archive, storage } = await open()
      await expect(archive.insert(entry(1), 2)).rejects.toMatchObject({ code: 'grant-changed' })
      await expect(archive.insert(entry(1, { owner: 'nobody' as never }), 0)).rejects.toMatchObject({
        code: 'grant-changed',
      })
      expect([await ids(storage), await storage.usage()]).toEqual([[], []])
      await archive.insert(entry(1), 1)
      const stale = archive.remove(idOf(1), { peer: alice.peer, grantVersion: 2 })
      await expect(stale).rejects.toMatchObject({ code: 'grant-changed' })
      expect(await ids(storage)).toEqual([idOf(1)])
      await archive.insert(entry(2, { owner: daemon.peer }), 0)
      await archive.remove(idOf(1), { peer: daemon.peer, grantVersion: 0 })
      expect(await ids(storage)).toEqual([idOf(2)])
    })

    it('counts for the owner beside what its changes take, until it is removed by whoever', async () => {
      const { archive, storage } = await open()
      const block = await createBlock(storage)
      await storage.append([change(block, 'a', 1, { origin: alice, grantVersion: 1, bytes: new Uint8Array(40) })])
      const long = entry(1, { text: 'ü'.repeat(1_000) })
      await archive.insert(long, 1)
      await archive.insert(entry(2, { owner: bob.peer }), 1)
      const disk = archiveDisk(long)
      expect(disk).toBeGreaterThan(2_000)
      expect(await storage.usage()).toEqual([
        { peer: alice.peer, disk: 160 + 200 + 40 + disk },
        { peer: bob.peer, disk: archiveDisk(entry(2)) },
      ])
      const by = { peer: bob.peer, grantVersion: 1 }
      expect(await archive.remove(idOf(1), by)).toEqual({ n: 1, usage: { peer: alice.peer, disk: -disk } })
      await expect(archive.remove(idOf(1), by)).rejects.toMatchObject({ code: 'archive-not-found' })
      expect((await storage.usage())[0]).toEqual({ peer: alice.peer, disk: 160 + 200 + 40 })
    })

    it('is looked through, and is whole', async () => {
      const { archive, storage } = await open()
      for (let n = 1; n <= 30; n++) await archive.insert(entry(n, { text: 'x'.repeat(40_000) }), 1)
      const met: unknown[] = []
      storage.onDamage((row) => met.push(row))
      let pieces = 0
      for (let at: CheckPosition | undefined = { part: 'log', after: 0 }; at !== undefined; pieces++) {
        at = await storage.lookThrough(at)
      }
      expect([met, pieces > 0]).toEqual([[], true])
    })

    it('is there after a restart, with its numbers and what it counts for', async () => {
      const { archive, storage, reopen } = await open()
      await archive.insert(entry(1), 1)
      await archive.insert(entry(2), 1)
      await archive.remove(idOf(2), { peer: alice.peer, grantVersion: 1 })
      const usage = await storage.usage()
      expect(usage).toHaveLength(1)
      if (reopen === undefined) return
      const again = await reopen()
      expect(await again.archive.get(idOf(1))).toEqual(entry(1))
      expect(await again.usage()).toEqual(usage)
      expect([await again.archive.last(), await again.archive.insert(entry(3), 1)]).toEqual([2, 3])
    })

    it('refuses every call once it is closed', async () => {
      const { archive, storage } = await open()
      await storage.close()
      await expect(archive.get(idOf(1))).rejects.toMatchObject({ code: 'daemon-stopping' })
      await expect(archive.insert(entry(1), 1)).rejects.toMatchObject({ code: 'daemon-stopping' })
    })
  })
}
