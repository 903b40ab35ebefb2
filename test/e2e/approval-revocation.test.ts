/**
 * A cut holds: after a revocation or a narrowing was answered nothing of that key becomes durable any more, every stream
 * of it is gone within a second, and what had been acknowledged before is in the log.
 */
import { describe, expect, it } from 'vitest'
import { MooringError } from '../../protocol/index.ts'
import {
  approvalWorld,
  approved,
  authorOf,
  homeGrants,
  makeBlock,
  openSync,
  withoutEffect,
} from '../fixtures/approval-world.ts'
import type { Author } from '../fixtures/author.ts'
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts'
import type { WirePlugin } from '../fixtures/wire-plugin.ts'
import { type WireStream, within } from '../fixtures/wire-stream.ts'

const endMs = 1_000
const rounds = 30
/** Replays one run: the seed is in the name of each failing round. */
const seed = Number(process.env.MOORING_TEST_SEED ?? 20_261_121)

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function randomOf(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Writer {
  readonly plugin: WirePlugin
  readonly sync: WireStream
  readonly author: Author
  readonly address: string
}

const label = (round: number): string => `flood-${round}`

async function writerOf(daemon: TestDaemon, round: number): Promise<Writer> {
  const { plugin, connection } = await approved(daemon, homeGrants)
  const sync = await openSync(connection, [])
  const author = await makeBlock(daemon, plugin, sync, { handle: 1, scope: 'space:home', label: label(round) })
  return { plugin, sync, author, address: `space:home/${label(round)}` }
}

/** Writes without pause until the stream ends, and calls `cut` once `after` frames are on their way. */
async function flood({ author, sync }: Writer, after: number, cut: () => void): Promise<number> {
  let sent = 0
  for (; !sync.channel.ended.aborted && sent < 600; sent++) {
    if (sent === after) cut()
    try {
      sync.send(author.delta(1))
    } catch (error) {
      if (error instanceof MooringError && error.code === 'connection-lost') break
      throw error
    }
    // A turn of the event loop now and then: the daemon is in this process, and must get to read.
    if (sent % 4 === 3) await new Promise<void>((resolve) => setImmediate(resolve))
  }
  return sent
}

const ackedOf = ({ heard }: WireStream): number =>
  heard.reduce((most, frame) => (frame.t === 'ack' ? Math.max(most, Number(frame.n)) : most), 0)
const refusedOf = ({ heard }: WireStream): number => heard.filter(({ t }) => t === 'refuse').length

/** The positions of a block's changes on disk. */
function seqsOf(daemon: TestDaemon, address: string): number[] {
  const { block = [], change = [] } = daemon.dump()
  const id = block.map((row) => JSON.parse(row) as unknown[]).find(([, at]) => at === address)?.[0]
  return change
    .map((row) => JSON.parse(row) as number[])
    .filter(([, of]) => of === id)
    .map(([seq = 0]) => seq)
    .sort((a, b) => a - b)
}

describe('a revocation in the middle of a flood', () => {
  it(`lets nothing in after it was answered, and loses nothing acknowledged, ${rounds} times`, {
    timeout: 60_000,
  }, async () => {
    const world = await approvalWorld()
    const { daemon } = world
    const random = randomOf(seed)
    let cutShort = 0
    for (let round = 0; round < rounds; round++) {
      const writer = await writerOf(daemon, round)
      const answered = Promise.withResolvers<number>()
      const sent = await flood(writer, Math.floor(random() * 120), () => {
        daemon.control.peer
          .revoke({ who: writer.plugin.peer })
          .then(() => answered.resolve(daemon.lastSeq()), answered.reject)
      })
      const lastSeq = await answered.promise
      await writer.sync.end(endMs)
      // Whatever was still on its way to the store is there or refused once a later change of another key is.
      await anotherChange(world, round)
      const seqs = seqsOf(daemon, writer.address)
      const what = `seed ${seed}, round ${round}: ${sent} sent, ${seqs.length} stored`
      expect(
        seqs.filter((seq) => seq > lastSeq),
        what,
      ).toEqual([])
      expect(seqs.length, what).toBeGreaterThanOrEqual(ackedOf(writer.sync) - refusedOf(writer.sync))
      if (seqs.length < sent) cutShort++
    }
    // Otherwise every revocation came after the flood and nothing was proven. Which of the two is faster is up to the machine.
    expect(cutShort).toBeGreaterThan(0)
  })
})

describe('a narrowing in the middle of a flood', () => {
  it('refuses what was queued under the wider grant, and lets the key come back with the smaller one', async () => {
    const world = await approvalWorld()
    const { daemon } = world
    const random = randomOf(seed)
    const smaller = ['blocks:read:space:home/*']
    for (let round = 0; round < 8; round++) {
      const writer = await writerOf(daemon, round)
      const { plugin, sync } = writer
      const answered = Promise.withResolvers<number>()
      await flood(writer, Math.floor(random() * 120), () => {
        daemon.control.peer
          .narrow({ who: plugin.peer, grants: smaller })
          .then(() => answered.resolve(daemon.lastSeq()), answered.reject)
      })
      const lastSeq = await answered.promise
      await sync.end(endMs)
      await anotherChange(world, round)
      const before = seqsOf(daemon, writer.address)
      expect(
        before.filter((seq) => seq > lastSeq),
        `seed ${seed}, round ${round}`,
      ).toEqual([])
      expect(before.length).toBeGreaterThanOrEqual(ackedOf(sync) - refusedOf(sync))

      const again = await plugin.connect(daemon)
      expect(await again.hello({ wants: homeGrants })).toMatchObject({ state: 'welcome', grants: smaller })
      const narrowed = await openSync(again, [writer.address])
      const { handle } = await narrowed.frame('block')
      await withoutEffect(daemon, async () => {
        narrowed.send(writer.author.delta(Number(handle)))
        expect(await narrowed.frame('refuse')).toMatchObject({ n: 1, code: 'grant-missing' })
      })
    }
  })
})

describe('a revocation', () => {
  it('ends every stream within a second, and the calls on them', async () => {
    const { daemon } = await approvalWorld()
    const { plugin, connection } = await approved(daemon, homeGrants)
    const syncs = await Promise.all([1, 2].map(() => openSync(connection, ['space:home/*'])))
    await Promise.all(syncs.map((sync) => sync.frame('delta')))
    const host = await connection.open('host')
    // Most likely under way when the revocation comes; what was answered before it may be heard.
    host.send({ t: 'call', id: 1, op: 'block.get', input: { address: 'space:home/notes', offset: 0 } })
    const second = await connection.client.daemon.echo({ text: 'here' })
    expect(second).toEqual({ text: 'here' })
    const nextAnswer = expect(connection.answer()).rejects.toBeInstanceOf(MooringError)
    nextAnswer.catch(() => {})
    const card = await daemon.control.peer.revoke({ who: plugin.peer })
    expect(card).toMatchObject({ state: 'revoked', sessions: [] })
    await Promise.all([...syncs, host].map((stream) => stream.end(endMs)))
    await connection.closed(endMs)
    await within(nextAnswer, 'the end of the hello', endMs)
    await expect(connection.client.daemon.echo({ text: 'still here' })).rejects.toThrow()
    expect(host.heard.filter(({ t }) => t !== 'result')).toEqual([])
  })

  it('cuts every connection of the key and none of another', async () => {
    const { daemon, ownerSync, ownerAuthor } = await approvalWorld()
    const { plugin, connection } = await approved(daemon, homeGrants)
    const waiting = await plugin.connect(daemon)
    await daemon.control.peer.revoke({ who: plugin.peer })
    await Promise.all([connection.closed(endMs), waiting.closed(endMs)])
    ownerSync.send(ownerAuthor.delta(1))
    await ownerSync.until(({ t, n }) => t === 'ack' && n === 3, 'the acknowledgement of the owner')
  })

  it('holds over a restart of the connection and of the claim', async () => {
    const { daemon } = await approvalWorld()
    const invite = await daemon.invite(...homeGrants)
    const { plugin, connection } = await approved(daemon, homeGrants, { invite })
    await daemon.control.peer.revoke({ who: plugin.peer })
    await connection.closed(endMs)
    await withoutEffect(daemon, async () => {
      for (const options of [{}, { wants: homeGrants }, { invite }, { invite, wants: homeGrants }]) {
        const again = await plugin.connect(daemon)
        await expect(again.hello(options)).rejects.toMatchObject({ code: 'revoked' })
        await again.closed(endMs)
      }
    })
  })

  it('ends a key that waits for more at once, and takes its request away', async () => {
    const { daemon } = await approvalWorld()
    const { plugin, connection } = await approved(daemon, ['blocks:read:space:own/*'], {
      wants: ['blocks:read:space:own/*', ...homeGrants],
    })
    const { code, digest } = await daemon.requestOf(plugin.peer)
    await daemon.control.peer.revoke({ who: plugin.peer })
    await connection.closed(endMs)
    await withoutEffect(daemon, async () => {
      await expect(daemon.control.request.approve({ code, digest })).rejects.toMatchObject({ code: 'request-decided' })
    })
  })
})

describe('a daemon that stops', () => {
  it('leaves no stream, no socket and no token, and tells who was connected', async () => {
    const daemon = await startTestDaemon()
    const { connection } = await approved(daemon, homeGrants)
    const sync = await openSync(connection, [])
    expect(await daemon.stop()).toEqual([])
    await sync.end()
    expect(sync.heard.at(-1)).toMatchObject({ t: 'done', reason: 'daemon-stopping' })
    await connection.closed()
    await expect(daemon.control.daemon.status({})).rejects.toBeInstanceOf(MooringError)
  })
})

/** A change of the owner, acknowledged. */
async function anotherChange(
  { daemon, owner, ownerSync }: Awaited<ReturnType<typeof approvalWorld>>,
  round: number,
): Promise<void> {
  const handle = 1_001 + 2 * round
  const author = authorOf(daemon, owner.plugin, `space:home/after-${round}`)
  ownerSync.send({ t: 'create', handle, scope: 'space:home', label: `after-${round}`, schema: 'map', meta: {} })
  await ownerSync.until((frame) => frame.t === 'block' && frame.handle === handle, 'a block of the owner')
  const acked = ackedOf(ownerSync)
  ownerSync.send(author.delta(handle))
  await ownerSync.until(({ t, n }) => t === 'ack' && Number(n) > acked, 'the acknowledgement of the owner')
}
