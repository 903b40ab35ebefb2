/** What a plugin may take up on the disk: met, and exceeded by one byte; who is full waits, and nobody else does. */
import { createHash } from 'node:crypto'
import * as A from '@automerge/automerge'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { openStorage, type Storage } from '../../daemon/storage/index.ts'
import { splice } from '../../plugin-sdk/memory/index.ts'
import { type MapValue, schemaNamed } from '../../protocol/index.ts'
import { encodeRun } from '../../protocol/sync/index.ts'
import { alice, bob, daemonPerson, mallory } from '../fixtures/cast.ts'
import { assemble, takeApart } from '../fixtures/change-builder.ts'
import { ManualClock } from '../fixtures/clock.ts'
import { actorOf, RawReplica } from '../fixtures/raw-replica.ts'
import { SyncWorld, silentLog } from '../fixtures/sync-world.ts'
import { VerifiedWorld } from '../fixtures/verified-world.ts'

const notes = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
const maxBytesPerPeer = 100_000
/** Beside the bytes of a change: its row and its actor. */
const beside = 160 + 200

let clock: ManualClock

beforeEach(() => {
  clock = new ManualClock()
})

afterEach(() => {
  vi.restoreAllMocks()
})

/** One change with so many bytes in it, uncompressed. */
function blob(length: number, who = mallory): Uint8Array {
  const doc = A.load<MapValue>(schemaNamed('map').initial.bytes, { actor: actorOf(who) })
  const next = A.change(doc, { time: 0 }, (draft) => {
    draft.map.blob = new Uint8Array(length).fill(7)
  })
  return assemble(takeApart(A.getLastLocalChange(next) ?? new Uint8Array()))
}

class Sender {
  readonly #raw: RawReplica
  #sent = 0

  constructor(world: SyncWorld, who = mallory) {
    this.#raw = new RawReplica(world, who)
  }

  async begin(): Promise<this> {
    await this.#raw.begin(notes, 'map')
    return this
  }

  /** `ok`, or the code. */
  async outcome(change: Uint8Array): Promise<string> {
    const { actor, seq } = takeApart(change)
    await clock.advance(1_000)
    const hash = createHash('sha256').update(change.subarray(8)).digest('hex')
    this.#raw.submitAs(encodeRun([change]), { actor: Buffer.from(actor).toString('hex'), seq: seq[0] ?? 1, hash })
    return this.#raw.outcome(++this.#sent)
  }
}

async function open(storage?: Storage): Promise<SyncWorld> {
  const world = await SyncWorld.open(storage, { clock, quotas: { maxBytesPerPeer } })
  for (const who of [alice, bob, mallory]) await world.approve(who, ...everything)
  return world
}

describe('the disk', () => {
  it('is taken up by one plugin as far as it may, and by the others as before', async () => {
    const world = await open()
    const sender = await new Sender(world).begin()
    const around = blob(50_000).length - 50_000
    expect(await sender.outcome(blob(50_000))).toBe('ok')
    const load = vi.spyOn(world.storage, 'blockState')
    const append = vi.spyOn(world.storage, 'append')
    const rest = 50_000 - 2 * (beside + around)
    for (let n = 0; n < 20; n++) expect(await sender.outcome(blob(rest + 1))).toBe('quota-exceeded')
    // Refused before anything is done for it: nothing is thrown away that others need as well.
    expect([load.mock.calls.length, append.mock.calls.flat(2).length]).toEqual([0, 0])
    expect(await sender.outcome(blob(rest))).toBe('ok')
    expect(world.log.usage.of(mallory.peer)).toBe(maxBytesPerPeer)
    expect(await sender.outcome(blob(1))).toBe('quota-exceeded')
    expect(await (await new Sender(world, alice).begin()).outcome(blob(1_000, alice))).toBe('ok')
    await world.close()
  })

  it('keeps a plugin that is full waiting until the operator gives it more, over a restart of the daemon', async () => {
    const storage = await openStorage({ backend: 'memory', dir: '', log: silentLog, self: daemonPerson.peer })
    const first = await open(storage)
    const sender = await new Sender(first).begin()
    expect(await sender.outcome(blob(90_000))).toBe('ok')
    await first.log.settled()

    const second = await open(storage)
    const plugin = second.plugin(mallory)
    const leave = plugin.connect()
    const block = plugin.memory.open(notes, 'map')
    await block.live()
    block.change((draft) => {
      draft.map.more = new Uint8Array(20_000).fill(1)
    })
    await vi.waitFor(() => expect(block.state).toBe('denied'))
    expect(block.reason).toMatch(/maxBytesPerPeer.*quota\.peer_mib/)
    leave()

    const third = await SyncWorld.open(storage, { clock, quotas: { maxBytesPerPeer: 2 * maxBytesPerPeer } })
    plugin.connect(third)
    await block.flushed()
    await vi.waitFor(() => expect(block.state).toBe('live'))
    expect(third.log.usage.of(mallory.peer)).toBeGreaterThan(110_000)
    await second.close()
  })

  it('has room again when compaction has made some, and what waited is taken', async () => {
    const world = await VerifiedWorld.open(undefined, { quotas: { maxBytesPerPeer: 20_000 } })
    const { log, storage } = world.sync
    await world.sync.approve(bob, ...everything)
    const plugin = world.sync.plugin(bob)
    const leave = plugin.connect()
    const block = plugin.memory.open(notes, 'text')
    await block.live()
    const write = (edits: number): void => {
      for (let n = 0; n < edits; n++) block.change((doc) => splice(doc, ['text'], doc.text.length, 0, `${n} `))
    }
    write(45)
    await block.flushed()
    write(45)
    await vi.waitFor(() => expect(block.state).toBe('denied'))
    expect(log.usage.of(bob.peer)).toBeLessThanOrEqual(20_000)
    const before = log.usage.of(bob.peer)
    await world.compaction.compact(world.row(notes).id)
    expect(log.usage.of(bob.peer)).toBeLessThan(before)
    expect([{ peer: bob.peer, disk: log.usage.of(bob.peer) }]).toEqual(await storage.usage())
    leave()
    plugin.connect()
    await block.flushed()
    await world.close()
  })
})
