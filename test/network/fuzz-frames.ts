/**
 * Frames that nobody would say, in both directions: to the daemon from a plugin that was let in, and to a plugin from a
 * daemon. Everything follows from the seed. Keeps watch over what must hold meanwhile: no stream stays open that was
 * told to end, an honest plugin goes on, nothing is thrown where nobody catches it.
 */
import * as A from '@automerge/automerge'
import { systemClock } from '../../daemon/system-clock.ts'
import { createMemory } from '../../plugin-sdk/memory/index.ts'
import {
  type BlockAddress,
  Channel,
  encodeFrame,
  encodeValue,
  type FrameTable,
  MooringError,
  type ReplicaId,
} from '../../protocol/index.ts'
import { syncFrames } from '../../protocol/sync/index.ts'
import { Author } from '../fixtures/author.ts'
import { alice, bob, daemonPerson, mallory } from '../fixtures/cast.ts'
import { brokenBodies, type Ground, lengthOf, listenerSamples, samples, spoil } from '../fixtures/hostile-frames.ts'
import { createStreamPair } from '../fixtures/stream-pair.ts'
import { SyncWorld, silentLog } from '../fixtures/sync-world.ts'
import { WireStream, within } from '../fixtures/wire-stream.ts'
import { SimRandom } from './sim-random.ts'

export interface FuzzFigures {
  /** Frames said, or bytes in place of one. */
  readonly frames: number
  readonly streams: number
  /** How streams to the daemon ended, and what was refused on them, by code. */
  readonly codes: ReadonlyMap<string, number>
  /** Edits of the honest plugin that were settled meanwhile. */
  readonly honest: number
}

const address = 'space:home/notes' as BlockAddress
const [scope, label] = ['space:home', 'notes'] as const
const replica = '0'.repeat(32) as ReplicaId
const framesPerStream = 16
/** Streams of one plugin that the frames of a daemon are said to. */
const streamsPerPlugin = 16
const streamsPerHonestEdit = 8
const waitMs = 60_000

export async function fuzzFrames({ count, seed }: { count: number; seed: string }): Promise<FuzzFigures> {
  const world = await SyncWorld.open()
  const grants = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
  for (const who of [alice, mallory]) await world.approve(who, ...grants)
  const fuzz = new Fuzz(world, seed)
  try {
    return await fuzz.run(count)
  } finally {
    await world.close()
  }
}

class Fuzz {
  readonly #world: SyncWorld
  readonly #random: SimRandom
  readonly #codes = new Map<string, number>()
  #frames = 0
  #streams = 0
  #victim: Victim | undefined
  /** Whether everything said on the present stream was whole frames. */
  #isFramed = true

  constructor(world: SyncWorld, seed: string) {
    this.#world = world
    this.#random = new SimRandom(`fuzz ${seed}`)
  }

  async run(count: number): Promise<FuzzFigures> {
    const plugin = this.#world.plugin(alice)
    plugin.connect()
    const block = plugin.memory.open(address, 'map')
    await block.live()
    let honest = 0
    while (this.#frames < count) {
      if (this.#random.chance(0.6)) await this.#towardsDaemon()
      else await this.#towardsPlugin()
      this.#streams++
      // What was heard is not needed any more, and there is no end to it.
      this.#world.frames.length = 0
      if (this.#streams % streamsPerHonestEdit !== 0) continue
      honest++
      block.change((draft) => {
        draft.map.honest = honest
      })
      await within(block.flushed(), `the settlement of honest edit ${honest}`, waitMs)
    }
    await this.#victim?.memory.stop()
    await this.#checkLog(honest)
    return { frames: this.#frames, streams: this.#streams, codes: this.#codes, honest }
  }

  /** Everything in the log is whole, and makes a document with the honest edits in it. */
  async #checkLog(honest: number): Promise<void> {
    const { log, storage } = this.#world
    const row = log.index.at(address)
    if (row === undefined) throw new Error('the block is gone')
    let mine = 0
    for (let after = 0; after < log.published; ) {
      const page = await storage.readLog({ block: row.id, after, until: log.published, maxBytes: 1 << 20 })
      for (const { bytes, origin } of page.rows) {
        A.decodeChange(bytes)
        if (origin.peer === alice.peer) mine++
      }
      after = page.next
    }
    if (mine !== honest) throw new Error(`${honest} honest edits were settled, and ${mine} are in the log`)
  }

  async #towardsDaemon(): Promise<void> {
    const random = this.#random
    const ended = new AbortController()
    const stream = this.#world.dial(mallory, replica, ended.signal, { isTapped: false })
    const wire = new WireStream(new Channel(stream, { clock: systemClock }))
    const author = new Author({ daemon: daemonPerson.peer, peer: mallory.peer, seed: mallory.seed, address })
    const ground: Ground = {
      replica,
      instance: replica,
      scope,
      label,
      handle: random.pick([1, 2, 2, 2, 101]),
      delta: () => author.delta(random.pick([1, 2, 2, 101])),
    }
    if (random.chance(0.9)) wire.send(samples.sync.open(ground))
    if (random.chance(0.6)) wire.send({ ...samples.sync.create(ground), handle: 1, label, schema: 'map' })
    this.#say(wire, (bytes) => stream.send(bytes), { table: syncFrames.dialler, samples: samples.sync, ground })
    // Half a frame would have ten seconds to become whole.
    const canEnd = this.#isFramed && !wire.channel.ended.aborted
    if (canEnd) quietly(() => wire.send({ t: 'done', reason: 'enough' }))
    else await someTurns()
    if (!canEnd || random.chance(0.1)) ended.abort()
    await within(wire.ended, () => `the end of stream ${this.#streams} to the daemon`, waitMs)
    ended.abort()
    for (const { t, code, reason } of wire.heard) {
      if (t === 'done' || t === 'refuse') this.#note(String(code ?? reason))
    }
  }

  async #towardsPlugin(): Promise<void> {
    if (this.#victim === undefined || this.#victim.streams >= streamsPerPlugin) {
      await this.#victim?.memory.stop()
      this.#victim = new Victim(this.#random.fork(`victim ${this.#streams}`))
    }
    const { wire, write, end } = await this.#victim.connect()
    await wire.frame('open')
    await someTurns()
    const create = wire.heard.find(({ t }) => t === 'create')
    const author = new Author({ daemon: daemonPerson.peer, peer: mallory.peer, seed: mallory.seed, address })
    // What it knows already it does not ask for: it is introduced because it is watched.
    const handle = Number(create?.handle ?? 2)
    const ground: Ground = { replica, instance: replica, scope, label, handle, delta: () => author.delta(handle) }
    if (this.#random.chance(0.8)) wire.send({ ...listenerSamples.block(ground), heads: [], held: [] })
    if (this.#random.chance(0.5)) wire.send(listenerSamples.synced())
    this.#say(wire, write, { table: syncFrames.listener, samples: listenerSamples, ground })
    await someTurns()
    end()
    await within(wire.ended, () => `the end of stream ${this.#streams} to a plugin`, waitMs)
    this.#victim.edit()
  }

  #say(
    wire: WireStream,
    write: (bytes: Uint8Array) => void,
    {
      table,
      samples: of,
      ground,
    }: { table: FrameTable; samples: Record<string, (ground: Ground) => object>; ground: Ground },
  ): void {
    this.#isFramed = true
    for (let left = this.#random.int(1, framesPerStream); left > 0 && !wire.channel.ended.aborted; left--) {
      this.#frames++
      const type = this.#random.pick(Object.keys(of))
      const valid = of[type]?.(ground) ?? {}
      const schema = table[type]
      quietly(() => write(this.#bent(valid, schema === undefined ? [] : spoil(schema, valid))))
    }
  }

  /** One thing instead of a valid frame. */
  #bent(valid: object, spoilt: readonly { readonly value: unknown }[]): Uint8Array {
    const random = this.#random
    const body = encodeValue(valid)
    switch (random.int(0, 19)) {
      case 0:
      case 1:
        return encodeFrame(encodeValue(spoilt.length === 0 ? valid : random.pick(spoilt).value))
      case 2:
      case 3:
        return encodeFrame(this.#flipped(body))
      case 4:
        return encodeFrame(random.pick(Object.values(brokenBodies)))
      case 5:
        this.#isFramed = false
        return this.#flipped(encodeFrame(body))
      case 6: {
        this.#isFramed = false
        const length = random.pick([0, 1, 2 ** 28, 2 ** 31, 2 ** 53 - 1, body.length + 1])
        return Uint8Array.of(...lengthOf(length), ...body)
      }
      case 7:
        this.#isFramed = false
        return random.bytes(random.int(1, 200))
      default:
        // Valid, with numbers that nobody expects, or under another name.
        return encodeFrame(encodeValue(this.#renumbered(valid)))
    }
  }

  #flipped(bytes: Uint8Array): Uint8Array {
    const copy = Uint8Array.from(bytes)
    for (let left = this.#random.int(1, 4); left > 0; left--) {
      const at = this.#random.int(0, copy.length - 1)
      copy[at] = (copy[at] ?? 0) ^ (1 << this.#random.int(0, 7))
    }
    return copy
  }

  #renumbered(valid: object): object {
    const random = this.#random
    const number = (): number => random.pick([0, 1, 2, 3, 101, 65_535, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER])
    const entries = Object.entries(valid).map(([name, value]) => [
      name,
      typeof value === 'number' && random.chance(0.3) ? number() : value,
    ])
    const other = random.chance(0.05) ? { t: random.pick(['result', 'constructor', 'ack', 'open', '']) } : {}
    return { ...Object.fromEntries(entries), ...other }
  }

  #note(code: string): void {
    this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1)
  }
}

/** A plugin that the frames of a daemon are said to. It goes on editing, whatever it is told. */
class Victim {
  readonly memory
  readonly #block
  readonly #isGone: () => boolean
  streams = 0
  #edits = 0

  constructor(random: SimRandom) {
    this.memory = createMemory({
      identity: bob,
      daemon: daemonPerson.peer,
      clock: systemClock,
      log: silentLog,
      random: (bytes) => random.bytes(bytes),
    })
    const block = this.memory.open(address, 'map')
    this.#block = block
    this.#isGone = () => block.state === 'gone'
    block.flushed().catch(() => {})
    this.edit()
  }

  async connect(): Promise<{ wire: WireStream; write(bytes: Uint8Array): void; end(): void }> {
    this.streams++
    const [near, far] = createStreamPair()
    const ended = new AbortController()
    const opened = Promise.withResolvers<void>()
    this.memory.onConnection({
      daemon: daemonPerson.peer,
      replica,
      signal: ended.signal,
      openChannel: async () => {
        // One stream for each connection: what the plugin opens again afterwards is another connection's.
        if (this.#isOver(ended)) throw new MooringError('connection-lost')
        opened.resolve()
        return new Channel(near, { clock: systemClock })
      },
    })
    await opened.promise
    const wire = new WireStream(new Channel(far, { clock: systemClock }))
    const end = (): void => {
      ended.abort()
      far.abort(new Error('enough'))
      near.abort(new Error('enough'))
    }
    return { wire, write: (bytes) => far.send(bytes), end }
  }

  /** What it wrote is what it reads. */
  edit(): void {
    if (this.#isGone()) return
    const value = ++this.#edits
    this.#block.change((draft) => {
      draft.map.edits = value
    })
    if (this.#block.value.map.edits !== value) throw new Error('a plugin cannot edit its block any more')
  }

  readonly #opened = new WeakSet<AbortController>()

  #isOver(connection: AbortController): boolean {
    if (connection.signal.aborted || this.#opened.has(connection)) return true
    this.#opened.add(connection)
    return false
  }
}

/** For what was said to be read, before the stream is cut. */
async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** The stream may have been ended by the other side in the meantime. */
function quietly(work: () => void): void {
  try {
    work()
  } catch (error) {
    const isClosed = error instanceof Error && error.message === 'the stream is closed for writing'
    if (!isClosed && !(error instanceof MooringError && error.code === 'connection-lost')) throw error
  }
}
