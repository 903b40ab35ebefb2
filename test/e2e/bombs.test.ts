/**
 * Bombs against a daemon in a process of its own: everything that is small to send and large to take in, each kind many
 * times. Each is refused with its code, an honest plugin is served all along, and the memory of the daemon comes back.
 */
import { readFileSync } from 'node:fs'
import { deflateRawSync } from 'node:zlib'
import * as A from '@automerge/automerge'
import { expect, it, vi } from 'vitest'
import { limits, type MapValue, type PeerId, parseTicket, schemaNamed } from '../../protocol/index.ts'
import { decodeRun, encodeRun, readChange, runEncodings } from '../../protocol/sync/index.ts'
import { Author, type Made } from '../fixtures/author.ts'
import { nullItems } from '../fixtures/bombs.ts'
import { assemble, type ChangeParts, takeApart, wrap } from '../fixtures/change-builder.ts'
import { join, uleb } from '../fixtures/change-encoding.ts'
import { Home } from '../fixtures/command-line.ts'
import { type WireConnection, WirePlugin } from '../fixtures/wire-plugin.ts'
import type { WireStream } from '../fixtures/wire-stream.ts'
import { SimRandom } from '../network/sim-random.ts'

const each = Number(process.env.MOORING_VARIANTS ?? 10)
const seed = process.env.MOORING_SEED ?? '1'
const address = 'space:home/notes'
const everything = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:home/*`)
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

const megabytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

/** What the frame holds, for a signature that fits it; undefined for what cannot be read. */
function madeOf(run: Uint8Array): Made | undefined {
  try {
    const [bytes] = decodeRun(run)
    return bytes === undefined ? undefined : { bytes, facts: readChange(bytes) }
  } catch {
    return undefined
  }
}

async function enter(home: Home): Promise<{ connection: WireConnection; daemon: PeerId }> {
  const options = everything.flatMap((grant) => ['--grant', grant])
  const { ticket } = await home.json<{ ticket: string }>('invite', ...options)
  const { daemon, addresses, invite } = parseTicket(ticket)
  if (invite === undefined) throw new Error('no invite')
  const plugin = await WirePlugin.create()
  const quic = addresses.find((each) => each.includes('/quic-v1')) ?? addresses[0]
  const connection = await plugin.enter({ address: `${quic}/p2p/${daemon}` }, { wants: everything, invite })
  return { connection, daemon }
}

async function openBlock(connection: WireConnection): Promise<WireStream> {
  const sync = await connection.open('sync')
  sync.send({ t: 'open', replica: connection.plugin.replica, accept: [...runEncodings], watch: [], own: [] })
  sync.send({ t: 'create', handle: 1, scope: 'space:home', label: 'notes', schema: 'map', meta: {} })
  await sync.until((frame) => frame.t === 'block' && frame.handle === 1, 'the block')
  return sync
}

it(`of ${bombs.length} kinds, ${each} of each, cost the daemon nothing and hold nobody up (MOORING_SEED=${seed})`, async (context) => {
  if (process.platform !== 'linux') return context.skip('the memory of another process is read from /proc')
  const home = new Home()
  const { daemon } = await home.json<{ daemon: { pid: number } }>('up')
  const { connection: honest, daemon: peer } = await enter(home)
  const { connection: hostile } = await enter(home)
  const authorOf = ({ plugin }: WireConnection): Author =>
    new Author({ daemon: peer, peer: plugin.peer, seed: plugin.seed, address })
  const sync = await openBlock(honest)
  const author = authorOf(honest)
  let served = 0
  const serve = async (): Promise<void> => {
    const from = sync.heard.length
    sync.send(author.delta(1))
    await sync.frame('ack', from)
    served++
  }
  // Warm: what a daemon takes once it has taken in changes at all.
  for (let n = 0; n < 50; n++) await serve()
  const before = megabytes(daemon.pid)

  for (const { kind, codes, run } of bombs) {
    const random = new SimRandom(`${seed} ${kind}`)
    let stream = await openBlock(hostile)
    let at = stream.heard.length
    for (let n = 0; n < each; n++) {
      const attacker = authorOf(hostile)
      const change = attacker.change()
      const bomb = run(takeApart(change.bytes), random)
      stream.send({ t: 'delta', handle: 1, run: bomb, tips: [attacker.tip([madeOf(bomb) ?? change])] })
      const answer = await stream.until(({ t }) => t === 'refuse' || t === 'done', `the answer to ${kind}`, at)
      expect(codes, kind).toContain(answer.code ?? answer.reason)
      at = stream.heard.indexOf(answer) + 1
      if (answer.t === 'done') {
        await stream.end()
        stream = await openBlock(hostile)
        at = stream.heard.length
      }
      if (n % 5 === 4) await serve()
    }
    stream.send({ t: 'done', reason: 'enough' })
    await stream.end()
  }

  expect(served).toBe(50 + bombs.length * Math.floor(each / 5))
  expect(sync.heard.filter(({ t }) => t === 'refuse' || t === 'done')).toEqual([])
  const { blocks } = await home.json<{ blocks: { changes: number }[] }>('blocks')
  expect(blocks.map(({ changes }) => changes)).toEqual([served])
  await vi.waitFor(() => expect(megabytes(daemon.pid)).toBeLessThan(before + marginMb), {
    timeout: 60_000,
    interval: 500,
  })
  expect((await home.json<{ daemon: { pid: number } }>('up')).daemon.pid).toBe(daemon.pid)
}, 240_000)
