/**
 * Every frame of the sync protocol from a key that is welcomed: without a right to the block, with every right to it, and
 * revoked in the middle of the stream. The codes, nothing else, and no effect but the allowed one.
 */
import { describe, expect, it } from 'vitest'
import type { PluginProtocolName, pluginProtocols } from '../../protocol/index.ts'
import { runEncodings } from '../../protocol/sync/index.ts'
import {
  approvalWorld,
  approved,
  elsewhereGrants,
  groundOf,
  homeGrants,
  openSync,
  secretText,
  withoutEffect,
} from '../fixtures/approval-world.ts'
import { samples } from '../fixtures/hostile-frames.ts'
import type { WireConnection } from '../fixtures/wire-plugin.ts'
import { type Heard, sayIfOpen, type WireStream } from '../fixtures/wire-stream.ts'

interface Row {
  /** What is said on the stream before. */
  readonly before: 'nothing' | 'half an open' | 'open' | 'open elsewhere' | 'open with a useless cursor'
  /** The answer to a key with no right to the block. A line is the type of a frame and its code or reason. */
  readonly lacking: readonly string[]
  /** The answer to a key with every right to it. */
  readonly allowed: readonly string[]
  /** Whether the allowed one changes what is stored. */
  readonly writes?: true
}

const syncRows = {
  open: { before: 'nothing', lacking: [], allowed: ['block', 'delta'] },
  'open-more': { before: 'half an open', lacking: [], allowed: ['block', 'delta'] },
  have: { before: 'open with a useless cursor', lacking: ['gone out-of-scope'], allowed: ['block', 'delta'] },
  watch: { before: 'open elsewhere', lacking: [], allowed: ['block', 'delta'] },
  unwatch: { before: 'open', lacking: [], allowed: ['gone no-match'] },
  create: { before: 'open', lacking: ['refuse grant-missing'], allowed: ['block'], writes: true },
  delta: { before: 'open', lacking: ['refuse grant-missing', 'ack'], allowed: ['ack'], writes: true },
  supplied: { before: 'open', lacking: [], allowed: [] },
  poison: { before: 'open', lacking: [], allowed: [] },
  credit: { before: 'open', lacking: [], allowed: [] },
  done: { before: 'open', lacking: [], allowed: [] },
} as const satisfies { readonly [Type in keyof (typeof samples)['sync']]: Row }

/** What each protocol of frames answers to a welcomed key; one without rows does not compile. */
const rows = { sync: syncRows } as const satisfies {
  readonly [Name in PluginProtocolName as (typeof pluginProtocols)[Name]['kind'] extends 'frames' ? Name : never]: {
    readonly [Type in keyof (typeof samples)[Name]]: Row
  }
}

type SyncType = keyof typeof syncRows
const syncTypes = Object.keys(rows.sync) as SyncType[]

describe('an approved key on the sync protocol', () => {
  it('without a right to the block is told so for every frame, and nothing about it', async () => {
    const { daemon } = await approvalWorld()
    for (const type of syncTypes) {
      const { plugin, connection } = await approved(daemon, elsewhereGrants)
      const sync = await begin(connection, rows.sync[type].before, 'space:shared/*')
      const handle = Number(sync.heard.find(({ t }) => t === 'block')?.handle ?? 1)
      // A block that it may read and not write; everything else is about a block that it may not even know.
      const ground = groundOf(daemon, plugin, { handle, deltaFor: 'space:shared/board' })
      await withoutEffect(daemon, async () => {
        const heard = await say(sync, samples.sync[type](ground), { scope: 'space:own', label: 'fence' })
        expect(linesOf(heard), type).toEqual(rows.sync[type].lacking)
        expect(JSON.stringify(heard), type).not.toContain(secretText)
      })
      await connection.dialled.connection.close()
    }
  })

  it.each(syncTypes)('with every right to the block is answered so for %s', async (type) => {
    const world = await approvalWorld()
    const { plugin, connection } = await approved(world.daemon, homeGrants)
    const sync = await begin(connection, rows.sync[type].before, 'space:home/*')
    const handle = Number(sync.heard.find(({ t }) => t === 'block')?.handle ?? 1)
    const ground = groundOf(world.daemon, plugin, { handle })
    const row: Row = rows.sync[type]
    const before = world.daemon.lastSeq()
    const heard = await say(sync, samples.sync[type](ground), { scope: 'space:home', label: 'notes' })
    // Who may write is asked for what it says to hold beyond the log, at a moment of the daemon's choosing.
    expect(linesOf(heard.filter(({ t }) => t !== 'lacks'))).toEqual(row.allowed)
    expect(world.daemon.lastSeq() - before).toBe(row.writes === true ? 1 : 0)
  })

  it('does nothing with any frame once it is revoked in the middle of the stream', async () => {
    const { daemon } = await approvalWorld()
    for (const type of syncTypes) {
      const { plugin, connection } = await approved(daemon, homeGrants)
      const sync = await begin(connection, rows.sync[type].before, 'space:home/*')
      const handle = Number(sync.heard.find(({ t }) => t === 'block')?.handle ?? 1)
      const ground = groundOf(daemon, plugin, { handle })
      await daemon.control.peer.revoke({ who: plugin.peer })
      const heard = sync.heard.length
      await withoutEffect(daemon, async () => {
        sayIfOpen(sync, samples.sync[type](ground))
        await Promise.all([sync.end(1_000), connection.closed(1_000)])
        // Its end may still be told; a stream that is reset may also just end.
        expect(['', 'done revoked'], type).toContain(linesOf(sync.heard.slice(heard)).join())
        const again = await plugin.connect(daemon)
        await expect(again.hello({ wants: homeGrants })).rejects.toMatchObject({ code: 'revoked' })
      })
    }
  })
})

/** A sync stream as far as the row wants it. */
async function begin(connection: WireConnection, before: Row['before'], watch: string): Promise<WireStream> {
  if (before === 'nothing') return connection.open('sync')
  if (before === 'open elsewhere') return openSync(connection, ['space:elsewhere/*'])
  if (before === 'open') {
    const sync = await openSync(connection, [watch])
    await sync.frame('delta')
    return sync
  }
  const sync = await connection.open('sync')
  const { replica } = connection.plugin
  if (before === 'half an open') {
    sync.send({ t: 'open', replica, accept: [...runEncodings], watch: [], own: [], more: true })
    return sync
  }
  sync.send({
    t: 'open',
    replica,
    accept: [...runEncodings],
    watch: ['space:home/*'],
    own: [],
    cursor: new Uint8Array(8),
  })
  await sync.frame('resync')
  return sync
}

/** Says a frame, and hears everything up to the answer to a later one that changes nothing. */
async function say(sync: WireStream, frame: object, fence: { scope: string; label: string }): Promise<Heard[]> {
  const from = sync.heard.length
  sync.send(frame)
  if ('t' in frame && frame.t === 'done') {
    await sync.end()
    return sync.heard.slice(from)
  }
  // What goes to the store is answered in its own time; everything else in order.
  const type = 't' in frame ? frame.t : ''
  if (type === 'delta') await sync.frame('ack', from)
  if (type === 'create') await sync.until(({ t }) => t === 'block' || t === 'refuse', 'the answer to a create', from)
  sync.send({ t: 'create', handle: 201, ...fence, schema: 'map', meta: {} })
  const last = await sync.until(({ t, handle }) => t === 'block' && handle === 201, 'the fence', from)
  return sync.heard.slice(from, sync.heard.indexOf(last))
}

/** Cursors and credit say nothing about any block; a block that is made and watched may be introduced for both reasons. */
const linesOf = (heard: readonly Heard[]): string[] => [
  ...new Set(
    heard
      .filter(({ t }) => t !== 'synced' && t !== 'credit')
      .map(({ t, code, reason }) => [t, code, reason].filter((part) => part !== undefined).join(' ')),
  ),
]
