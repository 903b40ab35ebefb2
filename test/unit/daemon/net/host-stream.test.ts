import { describe, expect, it, vi } from 'vitest'
import { Rates } from '../../../../daemon/log/rates.ts'
import { type HostContext, requireSession, serveHostStream } from '../../../../daemon/net/host-stream.ts'
import { Links, type Standing } from '../../../../daemon/net/links.ts'
import {
  Channel,
  type Handlers,
  type hostProtocol,
  type InstanceId,
  type PeerId,
  parseGrant,
  type ReplicaId,
} from '../../../../protocol/index.ts'
import { ManualClock } from '../../../fixtures/clock.ts'
import { hexId, quietLog } from '../../../fixtures/net-world.ts'
import { createStreamPair } from '../../../fixtures/stream-pair.ts'

const alice = `12D3KooW${'A'.repeat(44)}` as PeerId

function served(standing: Standing) {
  const clock = new ManualClock()
  const state = { standing, grants: [] as string[] }
  const links = new Links({
    clock,
    random: (bytes) => Buffer.from(hexId(), 'hex').subarray(0, bytes),
    log: quietLog,
    approvals: {
      standing: () => state.standing,
      grantOf: () => ({ grants: state.grants.map(parseGrant), grantVersion: 1 }),
    },
  })
  const link = links.open({ peer: alice, from: '/ip4/192.0.2.1/udp/9/quic-v1', host: '192.0.2.1', abort() {} })
  const ran = vi.fn<(op: string, context: HostContext) => void>()
  const handlers: Handlers<typeof hostProtocol, HostContext> = {
    async *'session.hello'() {},
    'session.self': (_input, context) => {
      requireSession(context)
      throw new TypeError('a bug in the handler')
    },
    'daemon.echo': ({ text }, context) => {
      ran('daemon.echo', context)
      return { text }
    },
    'log.write': () => ({}),
    'block.list': () => ({ blocks: [], more: false }),
    'block.get': ({ address }, context) => {
      ran(`block.get ${address}`, context)
      return { address, schema: 'text', generation: 1, text: '', nextOffset: null } as never
    },
    'block.at': () => Promise.reject(new Error('not of this test')),
    'block.diff': () => ({ patches: [], more: false }),
    'block.blame': () => ({ spans: [], next: 0, totalChars: 0 }),
    'block.create': ({ address }) => ({ address, generation: 1, isNew: true }),
    'block.edit': ({ address }) => ({ address, generation: 1, heads: [] }),
    'block.historyDepth': () => ({ undo: 0, redo: 0 }),
    'block.undo': () => ({ isDone: false, undo: 0, redo: 0 }),
    'block.redo': () => ({ isDone: false, undo: 0, redo: 0 }),
    'block.history': () => ({ groups: [], more: false }),
    'block.updateMetadata': () => ({}),
    'search.query': () => ({ hits: [] }),
    'archive.search': () => ({ hits: [] }),
    'archive.insert': () => ({}) as never,
    'archive.get': () => ({}) as never,
    'archive.list': () => ({ entries: [], more: false }),
    'archive.delete': () => ({}),
  }
  const [ours, theirs] = createStreamPair()
  const error = vi.fn<(fields: object, message: string) => void>()
  const channel = new Channel(ours, { clock })
  const calls = new Rates(clock, 10)
  void serveHostStream({ link, channel, handlers, links, calls, clock, log: { ...quietLog, error } })
  const plugin = new Channel(theirs, { clock })
  let lastId = 0
  const call = async (op: string, input: object) => {
    lastId++
    plugin.send({ t: 'call', id: lastId, op, input })
    return plugin.nextValue()
  }
  const welcome = () =>
    links.welcome(link, {
      replica: hexId() as ReplicaId,
      instance: hexId() as InstanceId,
      name: 'notes',
      version: '1.0.0',
    })
  return { call, clock, error, link, plugin, ran, state, welcome }
}

describe('a stream of the host protocol', () => {
  it.each([
    ['unknown', 'hello-required'],
    ['pending', 'approval-pending'],
    ['denied', 'approval-denied'],
    ['revoked', 'revoked'],
    ['approved', 'hello-required'],
  ] as const)(
    'answers a key that is %s with %s to all but hello, unknown operations included',
    async (standing, code) => {
      const { call, ran } = served(standing)
      expect(await call('daemon.echo', { text: 'hi' })).toMatchObject({ t: 'error', code })
      expect(await call('no.such', {})).toMatchObject({ t: 'error', code })
      expect(await call('session.hello', { nonsense: true })).toMatchObject({ t: 'error', code: 'invalid-input' })
      expect(ran).not.toHaveBeenCalled()
    },
  )

  it('gives handlers the session of the connection, also when the stream is older', async () => {
    const { call, ran, welcome } = served('approved')
    const session = welcome()
    expect(await call('daemon.echo', { text: 'hi' })).toMatchObject({ t: 'result', output: { text: 'hi' } })
    expect(ran.mock.calls[0]?.[1].session).toBe(session)
  })

  it('checks each call against the grant of that moment', async () => {
    const { call, ran, state, welcome } = served('approved')
    welcome()
    const get = () => call('block.get', { address: 'space:home/notes', offset: 0 })
    const missing = { t: 'error', code: 'grant-missing', detail: 'blocks:read:space:home/notes' }
    expect(await get()).toMatchObject(missing)
    state.grants = ['blocks:write:space:home/notes', 'blocks:read:space:home/other']
    expect(await get()).toMatchObject(missing)
    expect(ran).not.toHaveBeenCalled()
    state.grants = ['blocks:read:space:home/notes']
    expect(await get()).toMatchObject({ t: 'result' })
    state.grants = ['blocks:read:space:home/notes', '!blocks:read:space:home/*']
    expect(await get()).toMatchObject(missing)
    expect(ran).toHaveBeenCalledOnce()
  })

  it('answers so many calls of a peer in a second, and goes on after that', async () => {
    const { call, clock, ran, welcome } = served('approved')
    welcome()
    for (let n = 0; n < 10; n++) expect(await call('daemon.echo', { text: 'hi' })).toMatchObject({ t: 'result' })
    expect(await call('daemon.echo', { text: 'hi' })).toMatchObject({ t: 'error', code: 'rate-limited' })
    expect(ran).toHaveBeenCalledTimes(10)
    await clock.advance(200)
    expect(await call('daemon.echo', { text: 'hi' })).toMatchObject({ t: 'result' })
  })

  it('serves nothing once the link has ended', async () => {
    const { call, link, ran, welcome } = served('approved')
    welcome()
    void link.endAfterFlush('superseded')
    expect(await call('daemon.echo', { text: 'hi' })).toMatchObject({ t: 'error', code: 'superseded' })
    expect(ran).not.toHaveBeenCalled()
  })

  it('takes a beat as a sign of life of the session', async () => {
    const { call, clock, plugin, welcome } = served('approved')
    const session = welcome()
    await clock.advance(5_000)
    expect(session.silentMs).toBe(5_000)
    plugin.send({ t: 'beat' })
    await call('daemon.echo', { text: 'after the beat' })
    expect(session.silentMs).toBe(0)
  })

  it('answers a bug in a handler with a code alone and logs the cause', async () => {
    const { call, error, welcome } = served('approved')
    welcome()
    const answer = await call('session.self', {})
    expect(answer).toMatchObject({ t: 'error', code: 'internal' })
    expect(JSON.stringify(answer)).not.toContain('a bug')
    expect(error).toHaveBeenCalledWith(expect.objectContaining({ op: 'session.self', peer: alice }), expect.any(String))
  })
})
