/**
 * Hostile bytes over real QUIC: every field of every frame and operation spoilt, broken framing, garbage. Each is
 * answered with a code and ends at most its own stream; the connection, other plugins and the database never notice.
 */
import { describe, expect, it } from 'vitest'
import {
  type ErrorCode,
  encodeFrame,
  encodeValue,
  type FrameTable,
  hostProtocol,
  limits,
  MooringError,
  type Op,
  type PluginProtocolName,
  pluginProtocolNames,
  pluginProtocols,
  toWireError,
} from '../../protocol/index.ts'
import {
  type ApprovalWorld,
  approvalWorld,
  approved,
  groundOf,
  homeGrants,
  openSync,
  withoutEffect,
} from '../fixtures/approval-world.ts'
import { brokenBodies, brokenFraming, lengthOf, samples, spoil } from '../fixtures/hostile-frames.ts'
import { openRaw, type WireConnection, WirePlugin } from '../fixtures/wire-plugin.ts'

const isFrames = (name: PluginProtocolName): boolean => pluginProtocols[name].kind === 'frames'

/** What a stream says when it is ended for what came on it. */
const farewell = (name: PluginProtocolName, code: ErrorCode): object =>
  isFrames(name) ? { t: 'done', reason: code } : { t: 'error', id: 0, code }

/** Bystanders: a stream of the same connection, and another plugin. They are served at the end as at the beginning. */
async function scene() {
  const world = await approvalWorld()
  const { plugin, connection } = await approved(world.daemon, homeGrants)
  const bystander = await openSync(connection, ['space:home/*'])
  await bystander.frame('delta')
  const stillServed = async (): Promise<void> => {
    expect(await connection.client.daemon.echo({ text: 'same connection' })).toEqual({ text: 'same connection' })
    await ownerIsServed(world)
    await bystander.until(({ t, seq }) => t === 'delta' && seq === world.daemon.lastSeq(), 'what the owner wrote')
    expect(bystander.heard.filter(({ t }) => t === 'done')).toEqual([])
  }
  return { world, plugin, connection, stillServed }
}

async function ownerIsServed({ owner, ownerSync, ownerAuthor }: ApprovalWorld): Promise<void> {
  expect(await owner.client.daemon.echo({ text: 'owner' })).toEqual({ text: 'owner' })
  const from = ownerSync.heard.length
  ownerSync.send(ownerAuthor.delta(1))
  await ownerSync.frame('ack', from)
}

/** Sends bytes on a stream of their own and expects nothing but the farewell. */
async function expectFarewell(
  connection: WireConnection,
  name: PluginProtocolName,
  sent: { bytes: Uint8Array; code: ErrorCode; what: string },
): Promise<void> {
  const stream = await openRaw(connection, name)
  stream.write(sent.bytes)
  // Half a frame is no frame once nothing more comes.
  void stream.end()
  await stream.listener.end()
  expect(stream.listener.heard, sent.what).toHaveLength(1)
  expect(stream.listener.heard[0], sent.what).toMatchObject(farewell(name, sent.code))
}

describe.each(pluginProtocolNames)('bytes on the %s protocol', (name) => {
  it('that are no frame, or no value, are answered with a code and end their stream', async () => {
    const { world, connection, stillServed } = await scene()
    await withoutEffect(world.daemon, async () => {
      for (const [what, { bytes, code }] of Object.entries(brokenFraming)) {
        await expectFarewell(connection, name, { bytes, code, what })
      }
      for (const [what, body] of Object.entries(brokenBodies)) {
        await expectFarewell(connection, name, { bytes: encodeFrame(body), code: 'malformed', what })
      }
      for (const t of ['constructor', '__proto__', 'block', 'result', '']) {
        const bytes = encodeFrame(encodeValue({ t }))
        await expectFarewell(connection, name, { bytes, code: 'unknown-frame', what: `the type ${t}` })
      }
    })
    await stillServed()
  })

  it('that are garbage end their stream', async () => {
    const { world, connection, stillServed } = await scene()
    await withoutEffect(world.daemon, async () => {
      let state = 20_261_121
      for (let round = 0; round < 60; round++) {
        const garbage = new Uint8Array(1 + (round % 40) * 16).map(() => {
          state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
          return state >>> 24
        })
        const stream = await openRaw(connection, name)
        stream.write(garbage)
        void stream.end()
        await stream.listener.end()
        expect(
          stream.listener.heard.map(({ t }) => t),
          `round ${round}`,
        ).toEqual([isFrames(name) ? 'done' : 'error'])
      }
    })
    await stillServed()
  })
})

describe.each(pluginProtocolNames.filter(isFrames))('the frames of the %s protocol', (name) => {
  const protocol = pluginProtocols[name]
  const table: FrameTable = protocol.kind === 'frames' ? protocol.dialler : {}

  it('are refused with any field spoilt', async () => {
    const { world, plugin, connection, stillServed } = await scene()
    await withoutEffect(world.daemon, async () => {
      for (const [type, make] of Object.entries(samples[name])) {
        const schema = table[type]
        if (schema === undefined) throw new Error(`no frame ${type}`)
        for (const { name: what, value } of spoil(schema, make(groundOf(world.daemon, plugin)))) {
          const bytes = encodeFrame(encodeValue(value))
          await expectFarewell(connection, name, { bytes, code: 'malformed', what: `${type}: ${what}` })
        }
      }
    })
    await stillServed()
  })
})

describe('the operations of the host protocol', () => {
  it('refuse every spoilt input on a stream that goes on', async () => {
    const { world, plugin, connection, stillServed } = await scene()
    const stream = await connection.open('host')
    const ops = hostProtocol.ops as unknown as Record<string, Op>
    let id = 0
    await withoutEffect(world.daemon, async () => {
      for (const [name, make] of Object.entries(samples.host)) {
        const op = ops[name]
        if (op === undefined) throw new Error(`no operation ${name}`)
        for (const { name: what, value } of spoil(op.input, make(groundOf(world.daemon, plugin)))) {
          const mine = ++id
          stream.send({ t: 'call', id: mine, op: name, input: value })
          const answer = await stream.until((frame) => frame.id === mine, `an answer to ${name}`, mine - 1)
          expect(answer, `${name}: ${what}`).toMatchObject({ t: 'error', code: 'invalid-input' })
        }
      }
      stream.send({ t: 'call', id: ++id, op: 'no.such', input: {} })
      expect(await stream.until((frame) => frame.id === id, 'an answer')).toMatchObject({ code: 'unknown-op' })
    })
    expect(id).toBeGreaterThan(100)
    await stillServed()
  })

  it('refuse a spoilt hello of a key that nobody knows, and take a good one after it', async () => {
    const world = await approvalWorld()
    const plugin = await WirePlugin.create()
    const connection = await plugin.connect(world.daemon)
    const stream = await connection.open('host')
    const valid = samples.host['session.hello'](groundOf(world.daemon, plugin))
    const spoilt = spoil(hostProtocol.ops['session.hello'].input, valid)
    // What does not fit a frame of the lobby ends the stream instead; see below.
    const small = spoilt.filter(({ value }) => encodeValue(value).byteLength < limits.maxLobbyFrameBytes - 200)
    expect(small.length).toBeGreaterThan(40)
    await withoutEffect(world.daemon, async () => {
      for (const [index, { name, value }] of small.entries()) {
        stream.send({ t: 'call', id: index + 1, op: 'session.hello', input: value })
        const answer = await stream.until(({ id }) => id === index + 1, 'an answer', index)
        expect(answer, name).toMatchObject({ t: 'error', code: 'invalid-input' })
      }
    })
    stream.send({ t: 'call', id: 0, op: 'session.hello', input: valid })
    expect(await stream.frame('item')).toMatchObject({ id: 0, value: { state: 'pending' } })
  })

  it('refuse a frame above the limit of the lobby before it is read', async () => {
    const world = await approvalWorld()
    const plugin = await WirePlugin.create()
    await withoutEffect(world.daemon, async () => {
      const connection = await plugin.connect(world.daemon)
      const { listener, write } = await openRaw(connection, 'host')
      write(lengthOf(limits.maxLobbyFrameBytes + 1))
      await listener.end()
      const detail = `a frame of at least ${limits.maxLobbyFrameBytes + 1} bytes, the limit is ${limits.maxLobbyFrameBytes}`
      const told = { t: 'error', id: 0, ...toWireError(new MooringError('frame-too-large', { detail })) }
      expect(listener.heard).toEqual([told])
      await connection.closed()
    })
    await ownerIsServed(world)
  })
})
