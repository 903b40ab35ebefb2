/**
 * No plugin stops service for another with what it may do: whatever one writes within its grant, everyone else still
 * reads, lists and syncs.
 */
import { describe, expect, it } from 'vitest'
import type { BlockAddress } from '../../protocol/index.ts'
import { encodeRun } from '../../protocol/sync/index.ts'
import { approvalWorld, approved, authorOf, homeGrants, openSync } from '../fixtures/approval-world.ts'

describe('a block with more edits side by side than one peer may make', () => {
  it('is still sent to everyone who may read it', async () => {
    const { daemon } = await approvalWorld()
    const { plugin, connection } = await approved(daemon, homeGrants)
    const sync = await openSync(connection, ['space:home/*'])
    const { handle } = await sync.frame('block')
    const [rounds, each] = [2, 64]
    for (let round = 0; round < rounds; round++) {
      // Every actor of its own: no change knows of another, so each is a head.
      const made = Array.from({ length: each }, () => {
        const author = authorOf(daemon, plugin, 'space:home/notes')
        const change = author.change()
        return { bytes: change.bytes, tip: author.tip([change]) }
      })
      sync.send({
        t: 'delta',
        handle,
        run: encodeRun(made.map(({ bytes }) => bytes)),
        tips: made.map(({ tip }) => tip),
      })
    }
    // Without a wait in between: in it the daemon would merge what stands side by side, and there would be room again.
    await sync.until(({ t, n }) => t === 'ack' && n === rounds * each, 'the last acknowledgement')
    const refused = sync.heard.filter(({ t }) => t === 'refuse')
    expect(refused).not.toEqual([])
    for (const { code } of refused) expect(code).toBe('quota-exceeded')

    const { connection: bob } = await approved(daemon, homeGrants)
    const reading = await openSync(bob, ['space:home/*'])
    expect(await reading.frame('block')).toMatchObject({ label: 'notes' })
    await reading.until(
      ({ t, seq, last }) => seq === daemon.lastSeq() || (t === 'chunk' && last === true),
      'its content',
    )
    const shown = await bob.client.block.get({ address: 'space:home/notes' as BlockAddress, offset: 0 })
    expect(shown.totalChars).toBeGreaterThan(0)
  })
})

describe('blocks with descriptions of many bytes', () => {
  it('are all listed, in pages that fit a frame', async () => {
    const { daemon } = await approvalWorld()
    const { connection } = await approved(daemon, homeGrants)
    const sync = await openSync(connection, [])
    const meta = { description: '語'.repeat(500) }
    for (let n = 0; n < 200; n++) {
      sync.send({ t: 'create', handle: 2 * n + 1, scope: 'space:home', label: `page-${n}`, schema: 'map', meta })
    }
    await sync.until(({ t, handle }) => t === 'block' && handle === 399, 'the last block')
    for (const client of [connection.client.block, daemon.control.block]) {
      const seen = new Set<string>()
      for (let after = '', more = true; more; ) {
        const page = await client.list({ after, limit: 200 })
        for (const { address } of page.blocks) seen.add(address)
        more = page.more
        after = page.blocks.at(-1)?.address ?? ''
      }
      expect([...seen].filter((address) => address.includes('/page-'))).toHaveLength(200)
    }
  })
})

describe('a key that may only create', () => {
  it('learns nothing of a block that is there, and cannot write to it', async () => {
    const { daemon } = await approvalWorld()
    const { connection } = await approved(daemon, ['blocks:create:space:home/*'])
    const sync = await openSync(connection, ['space:home/*'])
    for (const [index, schema] of ['map', 'text'].entries()) {
      const handle = 2 * index + 1
      sync.send({ t: 'create', handle, scope: 'space:home', label: 'notes', schema, meta: {} })
      const answer = await sync.until((frame) => frame.handle === handle, 'an answer')
      expect(answer).toEqual({ t: 'refuse', handle, code: 'address-taken' })
    }
    expect(sync.heard.filter(({ t }) => t === 'block' || t === 'delta')).toEqual([])
  })
})

describe('a session that ends from this side', () => {
  it('is told why on its sync stream', async () => {
    const { daemon } = await approvalWorld()
    const { plugin, connection } = await approved(daemon, homeGrants)
    const sync = await openSync(connection, [])
    await sync.frame('synced')
    // The same process comes back: the newer connection takes over.
    await plugin.enter(daemon)
    await sync.end()
    expect(sync.heard.at(-1)).toMatchObject({ t: 'done', reason: 'superseded' })
  })
})
