/**
 * Bombs: everything that is small to send and large to take in, each kind many times. Keeps: each is refused with its code, an
 * honest plugin is served all along, and the memory of the daemon comes back.
 */
import { deflateRawSync } from 'node:zlib'
import * as A from '@automerge/automerge'
import { limits, type MapValue, type PeerId, parseTicket, schemaNamed } from '../../protocol/index.ts'
import { decodeRun, encodeRun, readChange, runEncodings } from '../../protocol/sync/index.ts'
import { residentMb } from '../bench/proc-stats.ts'
import { Author, type Made } from '../fixtures/author.ts'
import { nullItems } from '../fixtures/bombs.ts'
import { assemble, type ChangeParts, takeApart, wrap } from '../fixtures/change-builder.ts'
import { join, uleb } from '../fixtures/change-encoding.ts'
import { type WireConnection, WirePlugin } from '../fixtures/wire-plugin.ts'
import type { WireStream } from '../fixtures/wire-stream.ts'
import { SimRandom } from '../network/sim-random.ts'
import { type Campaign, type CampaignOptions, type Figures, mustHold, Skipped } from './campaign.ts'
import type { Scene } from './scene.ts'
import { World } from './world.ts'

const address = 'space:soak/bombs'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:soak/*`)
/** What the process may keep: buffers of the runtime that it grows into and does not give back. */
const marginMb = 96

interface Bomb {
  readonly kind: string
  /** What the stream says to it: the code of a refusal, or of its end. */
  readonly codes: readonly string[]
  run(parts: ChangeParts, random: SimRandom): Uint8Array
}

const numbered = (random: SimRandom, bytes: number, count: number): Uint8Array[] =>
  Array.from({ length: count }, () => random.bytes(bytes)).sort(Buffer.compare)
const alone = (parts: ChangeParts): Uint8Array => encodeRun([assemble(parts)])
const zeros = (random: SimRandom): Uint8Array => new Uint8Array(random.int(2, 16) * limits.maxExpandedBytes)

const bombs: readonly Bomb[] = [
  {
    kind: 'operations in runs',
    codes: ['change-too-large'],
    run: (parts, random) => {
      const count = random.pick([limits.maxOpsPerFrame + 1, 10 ** random.int(5, 12), 2 ** random.int(16, 45)])
      return alone(nullItems(parts, [0, 1], { startOp: 2, count }))
    },
  },
  {
    kind: 'zeros in a compressed change',
    codes: ['change-too-large'],
    run: (_, random) => encodeRun([wrap(zeros(random), { deflate: true })]),
  },
  {
    kind: 'zeros in a compressed run',
    codes: ['change-too-large'],
    run: (_, random) => join(Uint8Array.of(3), random.bytes(8), new Uint8Array(deflateRawSync(zeros(random)))),
  },
  {
    kind: 'a run that says that it has many changes',
    codes: ['change-too-large', 'malformed'],
    run: (_, random) => join(Uint8Array.of(1), random.bytes(8), uleb(2 ** random.int(10, 50)), random.bytes(40)),
  },
  {
    kind: 'a document',
    codes: ['bad-change'],
    run: (_, random) => join(Uint8Array.of(0), A.save(A.from({ text: 'x'.repeat(random.int(1, 100_000)) }))),
  },
  {
    kind: 'nesting',
    codes: ['bad-change'],
    run: (parts, random) => {
      const actor = Buffer.from(parts.actor).toString('hex')
      const doc = A.load<MapValue>(schemaNamed('map').initial.bytes, { actor })
      const nested = A.change(doc, { time: 0 }, (root) => {
        let value: Record<string, unknown> = {}
        for (let n = random.int(limits.maxObjectDepth, 400); n > 0; n--) value = { deeper: value }
        root.map.deep = value as never
      })
      return encodeRun([A.getLastLocalChange(nested) ?? new Uint8Array(0)])
    },
  },
  {
    kind: 'actors',
    codes: ['change-too-large'],
    run: (parts, random) =>
      alone({ ...parts, actors: numbered(random, 24, limits.maxActorsPerChange + random.int(1, 900)) }),
  },
  {
    kind: 'dependencies',
    codes: ['change-too-large'],
    run: (parts, random) => alone({ ...parts, deps: numbered(random, 32, limits.maxDeps + random.int(1, 3_000)) }),
  },
  {
    kind: 'orphans',
    codes: ['missing-deps'],
    run: (parts, random) => alone({ ...parts, deps: numbered(random, 32, random.int(1, limits.maxDeps)) }),
  },
  {
    kind: 'counters left out',
    codes: ['missing-deps', 'change-too-large'],
    run: (parts, random) =>
      alone({ ...parts, startOp: uleb(random.pick([1_000, 1e6, 1e8, 2 ** 31, 2 ** 32 - 1]) + random.int(0, 99)) }),
  },
]

/** What the frame holds, for a signature that fits it; undefined for what cannot be read. */
function madeOf(run: Uint8Array): Made | undefined {
  try {
    const [bytes] = decodeRun(run)
    return bytes === undefined ? undefined : { bytes, facts: readChange(bytes) }
  } catch {
    return undefined
  }
}

async function enter(world: World, scene: Scene): Promise<{ connection: WireConnection; daemon: PeerId }> {
  const { daemon, addresses, invite } = parseTicket(await world.invite(await world.port()))
  if (invite === undefined) throw new Error('no invite')
  const plugin = await WirePlugin.create(undefined, (stop) => scene.onClose(stop))
  const connection = await plugin.enter({ address: `${addresses[0]}/p2p/${daemon}` }, { wants: everything, invite })
  return { connection, daemon }
}

async function openBlock(connection: WireConnection): Promise<WireStream> {
  const sync = await connection.open('sync')
  sync.send({ t: 'open', replica: connection.plugin.replica, accept: [...runEncodings], watch: [], own: [] })
  sync.send({ t: 'create', handle: 1, scope: 'space:soak', label: 'bombs', schema: 'map', meta: {} })
  await sync.until((frame) => frame.t === 'block' && frame.handle === 1, 'the block')
  return sync
}

const authorOf = ({ plugin }: WireConnection, daemon: PeerId): Author =>
  new Author({ daemon, peer: plugin.peer, seed: plugin.seed, address })

/** An honest plugin, which is answered all along. */
class Bystander {
  readonly #sync: WireStream
  readonly #author: Author
  served = 0
  slowestMs = 0

  constructor(sync: WireStream, author: Author) {
    this.#sync = sync
    this.#author = author
  }

  async serve(): Promise<void> {
    const from = this.#sync.heard.length
    const startMs = performance.now()
    this.#sync.send(this.#author.delta(1))
    await this.#sync.frame('ack', from)
    this.slowestMs = Math.max(this.slowestMs, performance.now() - startMs)
    this.served++
  }

  get refusals(): number {
    return this.#sync.heard.filter(({ t }) => t === 'refuse' || t === 'done').length
  }
}

/** Sends so many of one kind, each of which is refused with one of its codes. Answers how long the slowest answer took. */
async function explode(
  hostile: WireConnection,
  daemon: PeerId,
  bomb: Bomb,
  each: readonly (() => Promise<void>)[],
  seed: string,
) {
  const random = new SimRandom(`${seed} ${bomb.kind}`)
  let stream = await openBlock(hostile)
  let at = stream.heard.length
  let slowestMs = 0
  for (const then of each) {
    const attacker = authorOf(hostile, daemon)
    const change = attacker.change()
    const run = bomb.run(takeApart(change.bytes), random)
    const startMs = performance.now()
    stream.send({ t: 'delta', handle: 1, run, tips: [attacker.tip([madeOf(run) ?? change])] })
    const answer = await stream.until(({ t }) => t === 'refuse' || t === 'done', `the answer to ${bomb.kind}`, at)
    slowestMs = Math.max(slowestMs, performance.now() - startMs)
    const code = String(answer.code ?? answer.reason)
    mustHold(bomb.codes.includes(code), `${bomb.kind} must be refused with its code:`, code, bomb.codes)
    at = stream.heard.indexOf(answer) + 1
    if (answer.t === 'done') {
      await stream.end()
      stream = await openBlock(hostile)
      at = stream.heard.length
    }
    await then()
  }
  stream.send({ t: 'done', reason: 'enough' })
  await stream.end()
  return slowestMs
}

async function run({ count, seed, scene }: CampaignOptions): Promise<Figures> {
  const world = new World(scene)
  await world.start()
  const { pid } = world.daemon
  const residentNow = (): number => residentMb(pid, 'now') ?? 0
  if (residentNow() === 0) throw new Skipped('the memory of a process is read from /proc')
  const { connection: honest, daemon } = await enter(world, scene)
  const { connection: hostile } = await enter(world, scene)
  const bystander = new Bystander(await openBlock(honest), authorOf(honest, daemon))
  // Warm: what a daemon takes once it has taken in changes at all.
  for (let n = 0; n < 50; n++) await bystander.serve()
  const beforeMb = residentNow()
  const steps = Array.from({ length: count }, (_, n) => async () => {
    if (n % 5 === 4) await bystander.serve()
  })
  let slowestMs = 0
  for (const bomb of bombs) slowestMs = Math.max(slowestMs, await explode(hostile, daemon, bomb, steps, seed))

  mustHold(bystander.refusals === 0, 'nobody else may be refused anything:', bystander.refusals)
  const { blocks } = await world.control.block.list({})
  mustHold(
    blocks.length === 1 && blocks[0]?.changes === bystander.served,
    'nothing of a bomb may be stored:',
    blocks.map(({ changes }) => changes),
    bystander.served,
  )
  const peakMb = residentMb(pid, 'peak') ?? 0
  for (let left = 120; left > 0 && residentNow() >= beforeMb + marginMb; left--) {
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  mustHold(residentNow() < beforeMb + marginMb, 'the memory must come back:', beforeMb, residentNow())
  return {
    kinds: bombs.length,
    refused: bombs.length * count,
    slowestAnswerMs: Math.round(slowestMs),
    bystanderServed: bystander.served,
    bystanderSlowestMs: Math.round(bystander.slowestMs),
    beforeMb: Math.round(beforeMb),
    peakMb: Math.round(peakMb),
    afterMb: Math.round(residentNow()),
  }
}

export const bombsCampaign: Campaign = {
  name: 'bombs',
  summary:
    'everything that is small to send and large to take in is refused, costs the daemon nothing and holds nobody up',
  unit: 'of each kind',
  counts: { short: 10, long: 100 },
  run,
}
