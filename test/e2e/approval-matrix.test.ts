/**
 * Every protocol × every frame and operation × every standing of a key, over real QUIC with a real database: the right
 * code, nothing but the code, and no effect. Made from the tables, so that what joins them is tested by itself.
 */
import { describe, expect, it } from 'vitest'
import {
  type ErrorCode,
  hostProtocol,
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
  elsewhereGrants,
  groundOf,
  homeGrants,
  openSync,
  withoutEffect,
} from '../fixtures/approval-world.ts'
import { callSamples, type Ground, samples } from '../fixtures/hostile-frames.ts'
import { type WireConnection, WirePlugin } from '../fixtures/wire-plugin.ts'
import { sayIfOpen } from '../fixtures/wire-stream.ts'

/** How a key comes to a standing, and what it is told there whatever it says. */
const standings: Record<
  string,
  { code: ErrorCode; connect(world: ApprovalWorld, plugin: WirePlugin): Promise<WireConnection>; bring?: typeof deny }
> = {
  'unknown, before hello': { code: 'hello-required', connect: ({ daemon }, plugin) => plugin.connect(daemon) },
  pending: {
    code: 'approval-pending',
    connect: async ({ daemon }, plugin) => {
      const connection = await plugin.connect(daemon)
      expect(await connection.hello({ wants: homeGrants })).toMatchObject({ state: 'pending' })
      return connection
    },
  },
  denied: { code: 'approval-denied', bring: deny, connect: ({ daemon }, plugin) => plugin.connect(daemon) },
  'approved, before hello': {
    code: 'hello-required',
    bring: async ({ daemon }, plugin) => {
      const connection = await plugin.enter(daemon, { wants: homeGrants, invite: await daemon.invite(...homeGrants) })
      await connection.dialled.connection.close()
    },
    connect: ({ daemon }, plugin) => plugin.connect(daemon),
  },
  revoked: {
    code: 'revoked',
    bring: async ({ daemon }, plugin) => {
      const connection = await plugin.enter(daemon, { wants: homeGrants, invite: await daemon.invite(...homeGrants) })
      await daemon.control.peer.revoke({ who: plugin.peer })
      await connection.closed()
    },
    connect: ({ daemon }, plugin) => plugin.connect(daemon),
  },
}

async function deny({ daemon }: ApprovalWorld, plugin: WirePlugin): Promise<void> {
  const connection = await plugin.connect(daemon)
  await connection.hello({ wants: homeGrants })
  await daemon.deny(plugin.peer)
  await expect(connection.answer()).rejects.toMatchObject({ code: 'approval-denied' })
  await connection.closed()
}

/** An unwelcomed connection that opens more streams than this in vain is ended. */
const streamsPerConnection = 12

/** Every first frame that a stream of the protocol could begin with. */
function firstFrames(name: PluginProtocolName, ground: Ground): { what: string; frame: object }[] {
  const protocol = pluginProtocols[name]
  const made = Object.entries(samples[name]).map(([what, make]) => ({ what, value: make(ground) }))
  if (protocol.kind === 'frames') return made.map(({ what, value }) => ({ what, frame: value }))
  const calls = made.map(({ what, value }) => ({ what, frame: { t: 'call', id: 7, op: what, input: value } }))
  return [...calls, ...Object.entries(callSamples).map(([what, frame]) => ({ what, frame }))]
}

/** All that a refused stream ever says. */
const refusal = (name: PluginProtocolName, code: ErrorCode): object =>
  pluginProtocols[name].kind === 'frames'
    ? { t: 'done', reason: code }
    : { t: 'error', id: 0, ...toWireError(new MooringError(code)) }

describe.each(Object.entries(standings))('a key that is %s', (_standing, { code, connect, bring }) => {
  it.each(pluginProtocolNames)(`is told ${code} for every first frame of the %s protocol`, async (name) => {
    const world = await approvalWorld()
    const plugin = await WirePlugin.create()
    await bring?.(world, plugin)
    let connection = await connect(world, plugin)
    const holdsHelloStream = code !== 'approval-pending'
    if (holdsHelloStream) await connection.open('host')
    await withoutEffect(world.daemon, async () => {
      for (const [index, { what, frame }] of firstFrames(name, groundOf(world.daemon, plugin)).entries()) {
        if (index > 0 && index % streamsPerConnection === 0) {
          await connection.dialled.connection.close()
          connection = await connect(world, plugin)
          if (holdsHelloStream) await connection.open('host')
        }
        const stream = await connection.open(name)
        sayIfOpen(stream, frame)
        await stream.end()
        expect(stream.heard, what).toEqual([refusal(name, code)])
      }
    })
  })
})

describe.each(Object.entries(standings).filter(([, { code }]) => code !== 'approval-pending'))(
  'a key that is %s, on the stream that is for its hello',
  (_standing, { code, connect, bring }) => {
    it('is told the same for every operation but hello, and for nothing else', async () => {
      const world = await approvalWorld()
      const plugin = await WirePlugin.create()
      await bring?.(world, plugin)
      const connection = await connect(world, plugin)
      const stream = await connection.open('host')
      await withoutEffect(world.daemon, async () => {
        const inputs = Object.entries(samples.host).map(
          ([op, make]) => [op, make(groundOf(world.daemon, plugin))] as const,
        )
        const calls = [...inputs.filter(([op]) => op !== 'session.hello'), ['no.such', {}] as const]
        stream.send(callSamples.beat, callSamples.cancel)
        for (const [index, [op, input]] of calls.entries()) stream.send({ t: 'call', id: index + 1, op, input })
        await stream.until(({ id }) => id === calls.length, 'the last answer')
        const told = calls.map((_, index) => ({ t: 'error', id: index + 1, ...toWireError(new MooringError(code)) }))
        expect(stream.heard).toEqual(told)
      })
    })
  },
)

/** What the samples speak of is not there, also for who may look. */
const byId: Readonly<Record<string, ErrorCode>> = {
  'block.at': 'no-such-change',
  'block.diff': 'no-such-change',
  'block.blame': 'no-text',
  'archive.get': 'archive-not-found',
  'archive.delete': 'archive-not-found',
}
/** Has an effect whenever it is allowed, and so comes last. */
const changing = ['archive.insert', 'block.edit']

describe('an approved key', () => {
  it.each(['lacks', 'has'] as const)('that %s the grants is answered so for every operation', async (which) => {
    const world = await approvalWorld()
    const { plugin, connection } = await approved(world.daemon, which === 'has' ? homeGrants : elsewhereGrants)
    const stream = await connection.open('host')
    const ground = groundOf(world.daemon, plugin)
    await withoutEffect(world.daemon, async () => {
      for (const [index, [op, make]] of Object.entries(samples.host).entries()) {
        if (which === 'has' && changing.includes(op)) continue
        const call = await (op === 'session.hello' ? connection.open('host') : stream)
        call.send({ t: 'call', id: index + 1, op, input: make(ground) })
        const answer = await call.until(({ id }) => id === index + 1, `the answer to ${op}`)
        const { needs } = (hostProtocol.ops as unknown as Record<string, Op>)[op] ?? { needs: null }
        const missing = needs === null || which === 'has' ? byId[op] : undefined
        if (op === 'session.hello') expect(answer).toMatchObject({ t: 'error', code: 'wrong-state' })
        else if (missing !== undefined) expect(answer, op).toMatchObject({ t: 'error', code: missing })
        else if (needs === null || which === 'has') expect(answer, op).toMatchObject({ t: 'result' })
        else {
          const scope = needs.scope?.(make(ground) as never)
          const subject = scope === undefined ? needs.subject?.(make(ground) as never) : `${scope}/*`
          const detail = [needs.area, needs.right, ...(subject === undefined ? [] : [subject])].join(':')
          expect(answer, op).toEqual({
            t: 'error',
            id: index + 1,
            ...toWireError(new MooringError('grant-missing', { detail })),
          })
        }
        if (which === 'lacks') expect(JSON.stringify(answer)).not.toMatch(/space:home\/.*(description|map)/)
      }
    })
    for (const [op, make] of Object.entries(samples.host)) {
      if (which === 'lacks' || !changing.includes(op)) continue
      stream.send({ t: 'call', id: 1_000, op, input: make(ground) })
      expect(await stream.until(({ id }) => id === 1_000, `the answer to ${op}`), op).toMatchObject({ t: 'result' })
    }
    const { blocks } = await connection.client.block.list({ after: '', limit: 10 })
    const readable = which === 'has' ? ['space:home/notes'] : ['space:own/fence', 'space:shared/board']
    expect(blocks.map(({ address }) => address)).toEqual(readable)
  })
})

describe('an approved key on the host protocol', () => {
  it('does nothing with any operation once it is revoked in the middle of the stream', async () => {
    const { daemon } = await approvalWorld()
    for (const [op, make] of Object.entries(samples.host)) {
      const { plugin, connection } = await approved(daemon, homeGrants)
      const stream = await connection.open('host')
      stream.send({ t: 'call', id: 1, op: 'daemon.echo', input: { text: 'here' } })
      await stream.frame('result')
      await daemon.control.peer.revoke({ who: plugin.peer })
      await withoutEffect(daemon, async () => {
        sayIfOpen(stream, { t: 'call', id: 2, op, input: make(groundOf(daemon, plugin)) })
        await Promise.all([stream.end(1_000), connection.closed(1_000)])
        expect(stream.heard, op).toHaveLength(1)
      })
    }
  })

  it('may do what it asked for on the very connection on which it was unknown and pending', async () => {
    const world = await approvalWorld()
    const plugin = await WirePlugin.create()
    const connection = await plugin.connect(world.daemon)
    expect(await connection.hello({ wants: homeGrants })).toMatchObject({ state: 'pending' })
    const early = await connection.open('sync')
    await early.end()
    expect(early.heard).toEqual([{ t: 'done', reason: 'approval-pending' }])
    await world.daemon.approve(plugin.peer)
    expect(await connection.answer()).toMatchObject({ state: 'welcome', grants: homeGrants })
    const sync = await openSync(connection, ['space:home/*'])
    expect(await sync.frame('block')).toMatchObject({ label: 'notes' })
  })
})
