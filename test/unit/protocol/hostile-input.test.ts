/**
 * Hostile input for every operation and every frame, made from the tables: one that joins them is attacked by itself.
 * Streams are in memory; what is proven is that nothing invalid reaches a handler and that everything is answered.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  Channel,
  controlProtocol,
  decodeValue,
  encodeFrame,
  encodeValue,
  type FrameTable,
  type Handlers,
  hostProtocol,
  limits,
  MooringError,
  type Op,
  parseFrame,
  pluginProtocols,
  type RpcProtocol,
  rpcFrames,
  serveCalls,
  validate,
} from '../../../protocol/index.ts'
import { ManualClock, settled } from '../../fixtures/clock.ts'
import {
  brokenBodies,
  brokenFraming,
  callSamples,
  controlSamples,
  type Ground,
  samples,
  spoil,
} from '../../fixtures/hostile-frames.ts'
import { createStreamPair } from '../../fixtures/stream-pair.ts'
import { WireStream } from '../../fixtures/wire-stream.ts'

const ground: Ground = {
  replica: 'ab'.repeat(16),
  instance: 'cd'.repeat(16),
  scope: 'space:home',
  label: 'notes',
  handle: 1,
  delta: () => ({
    t: 'delta',
    handle: 1,
    run: new Uint8Array(100),
    tips: [{ actor: 'ab'.repeat(24), seq: 1, hash: 'cd'.repeat(32), signature: new Uint8Array(64) }],
  }),
}

type Inputs = Readonly<Record<string, unknown>>

const hostInputs: Inputs = Object.fromEntries(Object.entries(samples.host).map(([name, make]) => [name, make(ground)]))
const callProtocols: readonly (readonly [string, RpcProtocol, Inputs])[] = [
  ['host', hostProtocol, hostInputs],
  ['control', controlProtocol, controlSamples],
]
const frameTables: readonly (readonly [string, FrameTable, Inputs])[] = [
  ['calls', rpcFrames.dialler, callSamples],
  ...Object.entries(pluginProtocols).flatMap(([name, protocol]) => {
    if (protocol.kind !== 'frames') return []
    const made = Object.entries(samples[name as 'sync']).map(([type, make]) => [type, make(ground)])
    return [[name, protocol.dialler, Object.fromEntries(made)] as const]
  }),
]
const opsOf = (protocol: RpcProtocol) => Object.entries(protocol.ops) as unknown as [string, Op][]

function opNamed(protocol: RpcProtocol, name: string): Op {
  const op = opsOf(protocol).find(([other]) => other === name)?.[1]
  if (op === undefined) throw new Error(`no operation ${name}`)
  return op
}

/** A server of a protocol that does nothing but remember what reached it. */
function serve(protocol: RpcProtocol) {
  const reached: { op: string; input: unknown }[] = []
  const handlers = Object.fromEntries(
    opsOf(protocol).map(([name, op]) => [
      name,
      op.kind === 'unary'
        ? (input: unknown) => {
            reached.push({ op: name, input })
            return {}
          }
        : async function* (input: unknown) {
            reached.push({ op: name, input })
            yield {}
          },
    ]),
  ) as Handlers<RpcProtocol, object>
  const internal: Error[] = []
  const open = () => {
    const clock = new ManualClock()
    const [near, far] = createStreamPair({ pieceBytes: 4_096 })
    const served = serveCalls({
      protocol,
      handlers,
      clock,
      channel: new Channel(far, { clock }),
      context: {},
      onInternal: (error) => internal.push(error),
    })
    return { near, served, stream: new WireStream(new Channel(near, { clock })) }
  }
  return { open, reached, internal }
}

const unaryOf = (protocol: RpcProtocol): string => {
  const name = opsOf(protocol).find(([, op]) => op.kind === 'unary')?.[0]
  if (name === undefined) throw new Error('a protocol without a unary operation')
  return name
}

describe.each(callProtocols)('the operations of the %s protocol', (_name, protocol, inputs) => {
  it.each(opsOf(protocol).map(([name]) => name))('take the sample of %s', (name) => {
    const op = opNamed(protocol, name)
    expect(validate(op.input, inputs[name])).toEqual(inputs[name])
  })

  it.each(opsOf(protocol).map(([name]) => name))('refuse every spoilt input of %s and go on serving', async (name) => {
    const op = opNamed(protocol, name)
    const { open, reached, internal } = serve(protocol)
    const spoilt = spoil(op.input, inputs[name])
    expect(spoilt.length).toBeGreaterThan(3)
    const { stream } = open()
    for (const [index, { value }] of spoilt.entries()) {
      stream.send({ t: 'call', id: index + 1, op: name, input: value })
      const answer = await stream.until(({ id }) => id === index + 1, 'an answer')
      expect(answer, spoilt[index]?.name).toMatchObject({ t: 'error', code: 'invalid-input' })
    }
    expect(reached).toEqual([])
    const good = unaryOf(protocol)
    stream.send({ t: 'call', id: 0, op: good, input: inputs[good] })
    await stream.until(({ t, id }) => t === 'result' && id === 0, 'the answer to a valid call')
    expect(reached).toHaveLength(1)
    expect(internal).toEqual([])
  })

  it('refuse names that are not in the table, also those of every object', async () => {
    const { open, reached } = serve(protocol)
    const { stream } = open()
    const names = ['no.such', 'constructor', '__proto__', 'hasOwnProperty', 'toString', `${unaryOf(protocol)} `]
    for (const [index, op] of names.entries()) {
      stream.send({ t: 'call', id: index + 1, op, input: {} })
      const answer = await stream.until(({ id }) => id === index + 1, 'an answer')
      expect(answer, op).toMatchObject({ t: 'error', code: 'unknown-op' })
    }
    expect(reached).toEqual([])
  })

  it('are not reached through a broken frame, which ends its own stream only', async () => {
    const { open, reached, internal } = serve(protocol)
    const bystander = open()
    const broken: [string, Uint8Array, string][] = [
      ...Object.entries(brokenBodies).map(
        ([what, body]) => [what, encodeFrame(body), 'malformed'] as [string, Uint8Array, string],
      ),
      ...Object.entries(brokenFraming).map(
        ([what, { bytes, code }]) => [what, bytes, code] as [string, Uint8Array, string],
      ),
      ['an unknown frame', encodeFrame(encodeValue({ t: 'constructor' })), 'unknown-frame'],
    ]
    for (const [what, bytes, code] of broken) {
      const { near, served, stream } = open()
      near.send(bytes)
      void near.close()
      await served
      expect(stream.heard, what).toMatchObject([{ t: 'error', id: 0, code }])
    }
    const good = unaryOf(protocol)
    bystander.stream.send({ t: 'call', id: 1, op: good, input: inputs[good] })
    await bystander.stream.until(({ t }) => t === 'result', 'the answer on the other stream')
    expect(reached).toHaveLength(1)
    expect(internal).toEqual([])
  })

  it('answer any bytes with frames of the table and let no invalid input through', async () => {
    const names = fc.constantFrom(...opsOf(protocol).map(([name]) => name), 'no.such')
    const anything = fc.oneof(
      fc.anything({ withNullPrototype: false }).map((value) => ({ value })),
      names.map((name) => ({ value: inputs[name] })),
    )
    const call = fc.record({
      t: fc.constant('call'),
      id: fc.nat(3),
      op: names,
      input: anything.map(({ value }) => value),
    })
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      call.map((frame) => bytesOf(frame)),
      fc
        .tuple(call, fc.nat(), fc.integer({ min: 1, max: 255 }))
        .map(([frame, at, flip]) => flipped(bytesOf(frame), at, flip)),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 6 }), async (writes) => {
        const { open, reached, internal } = serve(protocol)
        const { near, served, stream } = open()
        for (const write of writes) if (near.status === 'open') near.send(write)
        void near.close()
        await served
        await settled()
        for (const frame of stream.heard) parseFrame(rpcFrames.listener, frame)
        for (const { op, input } of reached) {
          validate(opNamed(protocol, op).input, input)
        }
        expect(internal).toEqual([])
      }),
      { numRuns: 300 },
    )
  })
})

describe.each(frameTables)('the frames of %s', (_name, table, frames) => {
  it.each(Object.keys(table))('take the sample of %s', (type) => {
    expect(parseFrame(table, decodeValue(encodeValue(frames[type])))).toEqual(frames[type])
  })

  it.each(Object.keys(table))('refuse every spoilt %s', (type) => {
    const schema = table[type]
    if (schema === undefined) throw new Error('a frame without a schema')
    const spoilt = spoil(schema, frames[type])
    expect(spoilt.length).toBeGreaterThan(0)
    for (const { name, value } of spoilt)
      expect(
        codeOf(() => parseFrame(table, value)),
        name,
      ).toBe('malformed')
  })

  it('refuse types that are not in the table, also those of every object', () => {
    for (const t of ['constructor', '__proto__', 'toString', 'OPEN', '']) {
      expect(
        codeOf(() => parseFrame(table, { t })),
        t,
      ).toBe('unknown-frame')
    }
  })

  it('are refused with a code, whatever the bytes', () => {
    const types = Object.keys(table)
    const valid = fc.constantFrom(...types).map((type) => encodeValue(frames[type]))
    const bodies = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 120 }),
      fc.tuple(valid, fc.nat(), fc.integer({ min: 1, max: 255 })).map(([body, at, flip]) => flipped(body, at, flip)),
      fc.tuple(valid, fc.nat()).map(([body, length]) => body.slice(0, length % body.length)),
    )
    fc.assert(
      fc.property(bodies, (body) => {
        const code = codeOf(() => parseFrame(table, decodeValue(body)))
        expect(['none', 'malformed', 'unknown-frame']).toContain(code)
      }),
      { numRuns: 5_000 },
    )
    expect(Object.prototype).not.toHaveProperty('t')
  })
})

/** `none` when nothing is thrown. Anything but an error of ours passes through and fails the test. */
function codeOf(step: () => unknown): string {
  try {
    step()
    return 'none'
  } catch (error) {
    if (error instanceof MooringError) return error.code
    throw error
  }
}

/** A frame of a value, or of an empty map when the codec has no encoding for it. */
function bytesOf(value: object): Uint8Array {
  try {
    return encodeFrame(encodeValue(value, { maxBytes: limits.maxFrameBytes }))
  } catch {
    return encodeFrame(encodeValue({}))
  }
}

function flipped(bytes: Uint8Array, at: number, flip: number): Uint8Array {
  const copy = bytes.slice()
  const index = at % copy.length
  copy[index] = (copy[index] ?? 0) ^ flip
  return copy
}
