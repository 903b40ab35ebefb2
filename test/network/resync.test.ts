/**
 * Replicas that cannot go on from a cursor say what they have: thousands of blocks, or a lie. Honest ones come back in
 * step, and what the daemon keeps of it meanwhile is bounded.
 */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { splice } from '../../plugin-sdk/memory/index.ts'
import { limits } from '../../protocol/index.ts'
import { decodeRun, HaveAllowance } from '../../protocol/sync/index.ts'
import { alice, bob, mallory } from '../fixtures/cast.ts'
import { actorOf, insert, RawReplica, textDoc } from '../fixtures/raw-replica.ts'
import { SyncWorld } from '../fixtures/sync-world.ts'
import { tempDir } from '../fixtures/temp-dir.ts'

const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
const addressOf = (n: number): string => `space:home/note${n}`
const useless = new TextEncoder().encode('no cursor')

let world: SyncWorld

async function newWorld(): Promise<SyncWorld> {
  const made = await SyncWorld.open()
  for (const who of [alice, bob, mallory]) await made.approve(who, ...everything)
  return made
}

beforeEach(async () => {
  world = await newWorld()
})

afterEach(async () => {
  await world.close()
})

/** Asks the daemon to ask what it has. */
async function asked(raw: RawReplica, watch: readonly string[] = ['space:home/*']): Promise<void> {
  raw.send({ t: 'open', replica: raw.replica, accept: ['raw'], watch, own: [], cursor: useless })
  await raw.expect('resync')
}

/** Says what it has, a frame for each, as far as it is asked each time. */
async function say(raw: RawReplica, entries: readonly ReturnType<typeof entry>[]): Promise<void> {
  const allowed = new HaveAllowance()
  allowed.grant(limits.haveBytes)
  for (const [n, each] of entries.entries()) {
    while (allowed.isUsedUp) {
      await raw.expect('resync')
      allowed.grant(limits.haveBytes)
    }
    allowed.use([each])
    raw.send({ t: 'have', entries: [each], last: n === entries.length - 1 })
  }
}

const entry = (address: string, actors = 0) => ({
  address,
  generation: 1,
  clock: Array.from({ length: actors }, () => ({ actor: actorOf(mallory), seq: 1 })),
})

/** The most that is held for a peer, seen each time that something is added. */
function peakOf(daemon: SyncWorld, peer: typeof mallory.peer): () => number {
  let peak = 0
  const { holdings } = daemon.log
  const begin = holdings.begin.bind(holdings)
  vi.spyOn(holdings, 'begin').mockImplementation((who) => {
    const holding = begin(who)
    const add = holding.add.bind(holding)
    holding.add = (bytes) => {
      add(bytes)
      if (who === peer) peak = Math.max(peak, holdings.of(peer))
    }
    return holding
  })
  return () => peak
}

describe('a replica that says what it has', () => {
  it('says no more than it was asked for while the daemon has not answered', async () => {
    const writer = new RawReplica(world, alice)
    await writer.begin(addressOf(0))
    writer.submit([insert(textDoc(actorOf(alice)), 0, 'a').bytes])
    await writer.settled(1)
    // In the middle of the first block.
    const busy = Promise.withResolvers<void>()
    const readLog = world.storage.readLog.bind(world.storage)
    vi.spyOn(world.storage, 'readLog').mockImplementation(async (query) => {
      await busy.promise
      return readLog(query)
    })
    const peak = peakOf(world, mallory.peer)
    const raw = new RawReplica(world, mallory)
    await asked(raw)
    raw.send({ t: 'have', entries: [entry(addressOf(0))], last: false })
    for (let n = 1; n < 20 && !raw.channel.ended.aborted; n++) {
      raw.send({ t: 'have', entries: [entry(addressOf(n), 1_000)], last: false })
    }
    expect(await raw.expect('done')).toMatchObject({ reason: 'quota-exceeded', detail: 'haveBytes' })
    // What JavaScript makes of it is a few times as long as it is on the wire.
    expect(peak()).toBeLessThan(4 * limits.haveBytes)
    busy.resolve()
    await vi.waitFor(() => expect(world.log.holdings.of(mallory.peer)).toBe(0), 10_000)
  })

  it('is asked as often as it takes, and no more of it is held than it may say at once', async () => {
    const peak = peakOf(world, mallory.peer)
    const raw = new RawReplica(world, mallory)
    // Watched by nobody: answered, and nothing of it is remembered.
    await asked(raw, [])
    await say(
      raw,
      Array.from({ length: 200 }, (_, n) => entry(addressOf(n), 200)),
    )
    await raw.expect('synced')
    expect(world.count('gone', 'mallory')).toBe(200)
    expect(world.count('resync', 'mallory')).toBeGreaterThan(5)
    expect(peak()).toBeLessThan(10 * 1024 * 1024)
  })

  it('may have any number of blocks that are unknown, of which it is remembered what fits', async () => {
    const peak = peakOf(world, mallory.peer)
    const raw = new RawReplica(world, mallory)
    await asked(raw)
    await say(
      raw,
      Array.from({ length: 80 }, (_, n) => entry(addressOf(n), 1_000)),
    )
    await raw.expect('synced')
    expect(peak()).toBeLessThan(10 * 1024 * 1024)
  })
})

describe('a replica that edited while it was away, and cannot go on from its cursor', () => {
  it('sends what it made once', async () => {
    const plugin = world.plugin(alice)
    const end = plugin.connect()
    const block = plugin.memory.open(addressOf(1), 'text')
    block.change((doc) => splice(doc, ['text'], 0, 0, 'a'))
    await block.flushed()
    await vi.waitFor(() => expect(world.frames.findLast(({ to }) => to === 'alice')?.frame.t).toBe('synced'), 10_000)
    end()
    await vi.waitFor(() => expect(block.state).toBe('offline'), 10_000)
    // A cursor is given for one grant.
    await world.approve(alice, ...everything)
    const edits = 20
    for (let n = 0; n < edits; n++) block.change((doc) => splice(doc, ['text'], 0, 0, 'b'))
    const before = world.frames.length
    plugin.connect()
    await block.flushed()
    await vi.waitFor(() => expect(world.frames.findLast(({ to }) => to === 'alice')?.frame.t).toBe('synced'), 10_000)
    const since = world.frames.slice(before)
    expect(since.some(({ frame: { t } }) => t === 'resync')).toBe(true)
    const sent = since.flatMap(({ from, frame: { run } }) =>
      from === 'alice' && run instanceof Uint8Array ? decodeRun(run) : [],
    )
    expect(sent).toHaveLength(edits)
    expect(world.log.index.at(block.address)?.changes).toBe(edits + 1)
  })
})

describe('a daemon that lost all of a plugin that has thousands of blocks', () => {
  const count = 1_200
  /** As long as they may be, so that fewer do. */
  const longAddress = (n: number): string => `space:home/${'x'.repeat(110)}${n}`

  it('gets them back, asking for what it has a part at a time', async () => {
    const path = join(tempDir(), 'a.db')
    const plugin = await world.storedPlugin(alice, path)
    const end = plugin.connect()
    const blocks = Array.from({ length: count }, (_, n) => plugin.memory.open(longAddress(n), 'text'))
    for (const [n, block] of blocks.entries()) block.change((doc) => splice(doc, ['text'], 0, 0, `${n}`))
    await Promise.all(blocks.map((block) => block.flushed()))
    await vi.waitFor(() => expect(world.frames.findLast(({ to }) => to === 'alice')?.frame.t).toBe('synced'), 10_000)
    end()
    const older = await newWorld()
    const peak = peakOf(older, alice.peer)
    plugin.connect(older)
    await vi.waitFor(() => expect(older.log.index.live().filter(({ changes }) => changes === 1)).toHaveLength(count), {
      timeout: 60_000,
      interval: 50,
    })
    expect(older.count('resync', 'alice')).toBeGreaterThan(1)
    expect(peak()).toBeLessThan(10 * 1024 * 1024)
    await Promise.all(blocks.map((block) => block.live()))
    await older.close()
  }, 120_000)
})
