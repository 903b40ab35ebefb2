/**
 * Work that looks small from outside: what is asked for is paid for by what it makes the daemon do, refused or not, so that no
 * key keeps the daemon from everybody else. With a clock that stands still nobody gets more than what is there at once.
 */
import { createHash } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Blocks } from '../../daemon/handlers/blocks.ts'
import { listReader } from '../../daemon/handlers/list-reader.ts'
import { BlockIndex } from '../../daemon/log/block-index.ts'
import { maxActorsPerOwner } from '../../daemon/log/placement.ts'
import { type BlockAddress, limits, parseGrant, type ReplicaId, schemaNamed } from '../../protocol/index.ts'
import { actorPrefix, encodeRun, makeActor, signTip } from '../../protocol/sync/index.ts'
import { alice, daemonPerson, mallory } from '../fixtures/cast.ts'
import { assemble, takeApart } from '../fixtures/change-builder.ts'
import { uleb } from '../fixtures/change-encoding.ts'
import { ManualClock } from '../fixtures/clock.ts'
import { actorOf, insert, RawReplica, textDoc } from '../fixtures/raw-replica.ts'
import { SyncWorld, silentLog } from '../fixtures/sync-world.ts'

const notes = 'space:home/notes' as BlockAddress
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)

let world: SyncWorld
let clock: ManualClock

beforeEach(async () => {
  clock = new ManualClock()
  world = await SyncWorld.open(undefined, { clock })
  for (const who of [alice, mallory]) await world.approve(who, ...everything)
})

afterEach(async () => {
  await world.close()
})

describe('a change that is small and inflates to a mebibyte', () => {
  /** About a thousand bytes, with a checksum that does not fit. */
  function bomb(): Uint8Array {
    const body = deflateRawSync(new Uint8Array(1024 * 1024 - 64), { level: 9 })
    return Uint8Array.from([0x85, 0x6f, 0x4a, 0x83, 1, 2, 3, 4, 2, ...uleb(body.length), ...body])
  }

  it('is paid for by the mebibyte, on however many streams it comes', async () => {
    const run = encodeRun([bomb()])
    const frames = 60
    const streams: RawReplica[] = []
    for (let n = 0; n < 4; n++) {
      const raw = new RawReplica(world, mallory, String(n).padStart(32, '0') as ReplicaId)
      await raw.begin(`space:home/mine${n}`)
      streams.push(raw)
    }
    for (const raw of streams) for (let n = 0; n < frames; n++) raw.send({ t: 'delta', handle: 1, run, tips: [] })
    const codes = (await Promise.all(streams.map((raw) => raw.answers(frames)))).flatMap((each) => [...each.values()])
    const looked = codes.filter((code) => code === 'bad-change').length
    // A second's worth at a thousand operations each, and what was begun when it was used up.
    expect(looked).toBeGreaterThan(50)
    expect(looked).toBeLessThanOrEqual(Math.ceil(limits.maxOpsPerPeerSecond / 1_000) + streams.length)
    expect(codes.filter((code) => code === 'rate-limited')).toHaveLength(codes.length - looked)
  })
})

describe('actors of one key', () => {
  it('leave room for those of everybody else', async () => {
    const honest = new RawReplica(world, alice)
    await honest.begin(notes)
    honest.submit([insert(textDoc(actorOf(alice)), 0, 'a').bytes])
    expect(await honest.outcome(1)).toBe('ok')

    const raw = new RawReplica(world, mallory)
    await raw.begin(notes)
    const like = takeApart(insert(textDoc(actorOf(mallory)), 0, 'x').bytes)
    const startOp = Buffer.from(like.startOp)[0] ?? 0
    const prefix = actorPrefix(daemonPerson.peer, mallory.peer)
    let [made, code, last] = [0, 'ok', undefined as Buffer | undefined]
    while (code === 'ok' && made < 2 * maxActorsPerOwner) {
      const changes: Uint8Array[] = []
      const tips = []
      for (let n = 0; n < 50; n++, made++) {
        const random = new Uint8Array(8)
        new DataView(random.buffer).setUint32(4, made + 1)
        const actor = makeActor(prefix, random)
        const deps = last === undefined ? like.deps : [last]
        const chunk = assemble({ ...like, actor: Buffer.from(actor, 'hex'), startOp: uleb(startOp + made), deps })
        last = createHash('sha256').update(chunk.subarray(8)).digest()
        const tip = { actor, seq: 1, hash: last.toString('hex') as never }
        tips.push({ ...tip, signature: signTip(mallory.seed, { ...tip, address: notes, generation: 1 }) })
        changes.push(chunk)
      }
      await clock.advance(100)
      raw.send({ t: 'delta', handle: 1, run: encodeRun(changes), tips })
      code = await raw.outcome(made)
    }
    expect([code, made]).toEqual(['quota-exceeded', maxActorsPerOwner + 50])

    // Every process mints an actor for each block.
    honest.end()
    const again = new RawReplica(world, alice)
    await again.begin(notes)
    again.submit([insert(textDoc(actorOf(alice)), 0, 'b').bytes])
    expect(await again.outcome(1)).toBe('ok')
  })
})

describe('complaints about changes', () => {
  it('reach the log of the daemon so many times a minute, on however many streams they are made', async () => {
    const warn = vi.spyOn(silentLog, 'warn')
    for (let n = 0; n < 5; n++) {
      const raw = new RawReplica(world, mallory, '0'.repeat(32) as ReplicaId)
      await raw.begin('space:home/mine')
      for (let k = 0; k < 12; k++) raw.send({ t: 'poison', handle: 1, hash: k.toString(16).padStart(64, '0') })
      raw.send({ t: 'create', handle: 3, scope: 'space:home', label: 'mine', schema: 'map', meta: {} })
      await raw.expect('refuse')
      raw.end()
    }
    expect(warn).toHaveBeenCalledTimes(10)
    expect(world.poisoned).toHaveLength(10)
    warn.mockRestore()
  })
})

describe('a list', () => {
  it('has what may be read, and passes over the rest without looking at it', async () => {
    const origin = { peer: mallory.peer, replica: '0'.repeat(32) as ReplicaId }
    const made = { origin, grantVersion: 1, meta: {}, schema: schemaNamed('text') }
    await world.approve(mallory, 'blocks:create:space:*/*')
    const create = (scope: string, label: string) =>
      world.log.create({ ...made, grantVersion: 2, scope: scope as never, label: label as never })
    for (let n = 0; n < 100; n++) await create('space:busy', `b${n}`)
    for (const scope of ['space:alpha', 'space:home', 'space:zeta']) {
      for (const label of ['diary', 'notes', 'x']) await create(scope, label)
    }
    const looks = vi.spyOn(BlockIndex.prototype, 'at')
    const blocks = new Blocks({ log: world.log } as never)
    const list = (...grants: string[]): string[] => {
      looks.mockClear()
      const found = blocks.list({ after: '', limit: 200 }, listReader(grants.map(parseGrant)))
      expect(looks.mock.calls.length).toBeLessThan(found.blocks.length + 3 * grants.length + 3)
      return found.blocks.map(({ address }) => address)
    }
    const read = (pattern: string): string => `blocks:read:${pattern}`
    expect(list(read('space:zeta/*'))).toEqual(['space:zeta/diary', 'space:zeta/notes', 'space:zeta/x'])
    expect(list(read('space:home/notes'), read('space:alpha/x'))).toEqual(['space:alpha/x', 'space:home/notes'])
    expect(list(read('space:*/*'), '!blocks:read:space:busy/*', '!blocks:read:space:home/notes')).toEqual([
      ...['space:alpha/diary', 'space:alpha/notes', 'space:alpha/x', 'space:home/diary', 'space:home/x'],
      ...['space:zeta/diary', 'space:zeta/notes', 'space:zeta/x'],
    ])
    expect(list('blocks:write:space:home/*', '!blocks:read:space:home/x')).toEqual([])
    looks.mockRestore()
  })
})
