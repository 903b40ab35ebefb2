/** Search and archive of a whole daemon, over its control socket and over QUIC. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { approvalWorld, approved, homeGrants } from '../fixtures/approval-world.ts'

it('finds what the operator and a plugin have put in, each by what it may read, and after a reindex too', async () => {
  const { daemon } = await approvalWorld()
  const { connection } = await approved(daemon, homeGrants)
  const mine = await connection.client.archive.insert({ scope: 'space:home', text: 'the kettle is blue' })
  const other = await daemon.control.archive.insert({ scope: 'space:other', text: 'another kettle' })
  const { hits } = await connection.client.search.query({ text: 'kettle' })
  expect(hits).toMatchObject([
    { kind: 'archive', id: mine.id, snippet: 'the kettle is blue', marks: [{ from: 4, to: 10 }] },
  ])
  expect(await connection.client.archive.search({ text: 'kettle -blue' })).toEqual({ hits: [] })
  await expect(connection.client.search.query({ text: '"open' })).rejects.toMatchObject({ code: 'query-invalid' })
  const made = await daemon.control.search.reindex({}, { timeoutMs: 60_000 })
  expect(made.entries).toBe(2)
  const all = await daemon.control.search.query({ text: 'kettle', kinds: ['archive'] })
  expect(all.hits.map((hit) => (hit.kind === 'archive' ? hit.id : '')).sort()).toEqual([mine.id, other.id].sort())
  expect(existsSync(join(daemon.places.stateDir, 'search.db'))).toBe(true)
  await connection.client.archive.delete({ id: mine.id })
  expect(await connection.client.search.query({ text: 'kettle' })).toEqual({ hits: [] })
})
