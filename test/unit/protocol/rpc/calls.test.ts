import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { encodeValue } from '../../../../protocol/codec.ts'
import { defineOp, defineProtocol, defineStream, type Handlers } from '../../../../protocol/define.ts'
import { MooringError } from '../../../../protocol/errors.ts'
import { encodeFrame } from '../../../../protocol/framing.ts'
import { limits } from '../../../../protocol/limits.ts'
import { Channel } from '../../../../protocol/rpc/channel.ts'
import { Caller, createClient } from '../../../../protocol/rpc/client.ts'
import { type ServeInit, serveCalls } from '../../../../protocol/rpc/server.ts'
import { ManualClock, settled } from '../../../fixtures/clock.ts'
import { createStreamPair, type MemoryStream } from '../../../fixtures/stream-pair.ts'

const countTo = z.strictObject({ to: z.int() })
const protocol = defineProtocol({
  id: '/test/1.0.0',
  dialledBy: 'plugin',
  ops: {
    'sum.add': defineOp({
      summary: 'Adds.',
      input: z.strictObject({ a: z.int(), b: z.int() }),
      output: z.strictObject({ sum: z.int() }),
      needs: null,
      errors: [],
    }),
    'sum.secret': defineOp({
      summary: 'Needs a right.',
      input: z.strictObject({}),
      output: z.strictObject({}),
      needs: { area: 'daemon', right: 'admin' },
      errors: [],
    }),
    'sum.count': defineStream({
      summary: 'Counts.',
      input: countTo,
      item: z.strictObject({ n: z.int() }),
      needs: null,
      errors: [],
    }),
  },
})
type Context = { readonly caller: string }
type AllHandlers = Handlers<typeof protocol, Context>

const honest: AllHandlers = {
  'sum.add': ({ a, b }) => ({ sum: a + b }),
  'sum.secret': () => ({}),
  'sum.count': async function* ({ to }) {
    for (let n = 1; n <= to; n++) yield { n }
  },
}

function world(
  handlers: Partial<AllHandlers> = {},
  serve: Partial<ServeInit<typeof protocol, Context>> = {},
  streams: { pieceBytes?: number } = {},
) {
  const clock = new ManualClock()
  const opened: { near: MemoryStream; far: MemoryStream; served: Promise<void> }[] = []
  const internal: Error[] = []
  const caller = new Caller({
    clock,
    openChannel: async () => {
      const [near, far] = createStreamPair(streams)
      const served = serveCalls({
        protocol,
        handlers: { ...honest, ...handlers },
        channel: new Channel(far, { clock }),
        context: { caller: 'alice' },
        clock,
        onInternal: (error) => internal.push(error),
        ...serve,
      })
      opened.push({ near, far, served })
      return new Channel(near, { clock })
    },
  })
  return { clock, caller, opened, internal, client: createClient(protocol, caller) }
}

const never = () => new Promise<never>(() => {})

/** A raw stream to a server, for callers that break the rules. */
function raw(handlers: Partial<AllHandlers> = {}, serve: Partial<ServeInit<typeof protocol, Context>> = {}) {
  const clock = new ManualClock()
  const [near, far] = createStreamPair()
  const served = serveCalls({
    protocol,
    handlers: { ...honest, ...handlers },
    channel: new Channel(far, { clock }),
    context: { caller: 'mallory' },
    clock,
    ...serve,
  })
  return { clock, near, served, channel: new Channel(near, { clock }) }
}

describe('unary calls', () => {
  it('answers many at once on one stream, each with its own answer', async () => {
    const { client, opened } = world({}, {}, { pieceBytes: 7 })
    const sums = await Promise.all(Array.from({ length: 40 }, (_, n) => client.sum.add({ a: n, b: 1 })))
    expect(sums.map(({ sum }) => sum)).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
    expect(opened).toHaveLength(1)
  })

  it('answers out of order', async () => {
    const first = Promise.withResolvers<{ sum: number }>()
    const { client } = world({ 'sum.add': ({ a, b }) => (a === 1 ? first.promise : { sum: a + b }) })
    const slow = client.sum.add({ a: 1, b: 1 })
    expect(await client.sum.add({ a: 2, b: 2 })).toEqual({ sum: 4 })
    first.resolve({ sum: 2 })
    expect(await slow).toEqual({ sum: 2 })
  })

  it('refuses a bad input before anything is sent', async () => {
    const { client, opened } = world()
    await expect(client.sum.add({ a: 'one' } as never)).rejects.toMatchObject({ code: 'invalid-input' })
    expect(opened).toEqual([])
  })

  it('refuses a bad input and an unknown operation at the receiver too', async () => {
    const { channel } = raw()
    channel.send({ t: 'call', id: 1, op: 'sum.add', input: { a: 'one' } })
    expect(await channel.nextValue()).toMatchObject({ t: 'error', id: 1, code: 'invalid-input' })
    channel.send({ t: 'call', id: 2, op: 'sum.take', input: {} })
    expect(await channel.nextValue()).toMatchObject({ t: 'error', id: 2, code: 'unknown-op' })
    channel.send({ t: 'call', id: 3, op: 'toString.constructor', input: {} })
    expect(await channel.nextValue()).toMatchObject({ t: 'error', id: 3, code: 'unknown-op' })
  })

  it('asks for admission first, then for the shape, then for the right', async () => {
    const asked: string[] = []
    const { channel } = raw(
      {},
      {
        admit: (op) => {
          asked.push(`admit ${op}`)
        },
        authorise: (name) => {
          asked.push(`authorise ${name}`)
          throw new MooringError('grant-missing')
        },
      },
    )
    channel.send({ t: 'call', id: 1, op: 'sum.secret', input: { extra: 1 } })
    expect(await channel.nextValue()).toMatchObject({ code: 'invalid-input' })
    channel.send({ t: 'call', id: 2, op: 'sum.secret', input: {} })
    expect(await channel.nextValue()).toMatchObject({ code: 'grant-missing' })
    expect(asked).toEqual(['admit sum.secret', 'admit sum.secret', 'authorise sum.secret'])
  })

  it('tells a failure of its own as internal and keeps the cause here', async () => {
    const { client, internal } = world({
      'sum.add': () => {
        throw new Error('password is hunter2')
      },
    })
    const error = await client.sum.add({ a: 1, b: 1 }).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'internal' })
    expect(String(error)).not.toContain('hunter2')
    expect(internal.map(String)).toEqual(['Error: password is hunter2'])
  })

  it('tells an answer that cannot be encoded as internal, not as the fault of the caller', async () => {
    const { client, internal } = world({ 'sum.add': () => ({ sum: Number.NaN }) })
    await expect(client.sum.add({ a: 1, b: 1 })).rejects.toMatchObject({ code: 'internal' })
    expect(internal).toHaveLength(1)
  })

  it('calls an answer of the wrong shape malformed', async () => {
    const { client } = world({ 'sum.add': () => ({ sum: 'three' }) as never })
    await expect(client.sum.add({ a: 1, b: 2 })).rejects.toMatchObject({ code: 'malformed' })
  })

  it('ends at its deadline and tells the handler', async () => {
    let reason: unknown
    const { clock, client } = world({
      'sum.add': (_input, { signal }) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
        })
        return never()
      },
    })
    const call = client.sum.add({ a: 1, b: 1 }, { timeoutMs: 250 })
    call.catch(() => {})
    await clock.advance(250)
    await expect(call).rejects.toMatchObject({ code: 'timeout' })
    expect(reason).toMatchObject({ category: 'timeout' })
    expect(clock.pending).toEqual([])
  })

  it('ends at its deadline while the stream is still being opened', async () => {
    const clock = new ManualClock()
    const client = createClient(protocol, new Caller({ clock, openChannel: never }))
    const call = client.sum.add({ a: 1, b: 1 }, { timeoutMs: 250 })
    call.catch(() => {})
    await clock.advance(250)
    await expect(call).rejects.toMatchObject({ code: 'timeout' })
  })

  it('cancels by signal and tells the handler', async () => {
    let isCancelled = false
    const { client } = world({
      'sum.add': (_input, { signal }) => {
        signal.addEventListener('abort', () => {
          isCancelled = true
        })
        return never()
      },
    })
    const controller = new AbortController()
    const call = client.sum.add({ a: 1, b: 1 }, { signal: controller.signal })
    call.catch(() => {})
    await settled()
    controller.abort()
    await expect(call).rejects.toMatchObject({ code: 'cancelled' })
    await settled()
    expect(isCancelled).toBe(true)
    await expect(client.sum.add({ a: 1, b: 1 }, { signal: controller.signal })).rejects.toMatchObject({
      code: 'cancelled',
    })
  })

  it('says cancel from a timer without a throw when the stream can take no more', async () => {
    const { clock, client, opened } = world({ 'sum.add': never })
    const call = client.sum.add({ a: 1, b: 1 }, { timeoutMs: 250 })
    call.catch(() => {})
    await settled()
    const near = opened[0]?.near
    near?.hold()
    near?.send(new Uint8Array(limits.maxUnsentBytes + 1))
    await clock.advance(250)
    await expect(call).rejects.toMatchObject({ code: 'timeout' })
  })

  it('refuses the call after the last that may be open', async () => {
    const { channel } = raw({ 'sum.add': never })
    for (let id = 1; id <= limits.maxOpenCalls + 1; id++) {
      channel.send({ t: 'call', id, op: 'sum.add', input: { a: 1, b: 1 } })
    }
    expect(await channel.nextValue()).toMatchObject({ id: limits.maxOpenCalls + 1, code: 'too-many-calls' })
  })

  it('loses every waiting call when the stream ends, and opens a new one for the next', async () => {
    const { client, opened } = world({ 'sum.add': ({ a, b }) => (a === 0 ? never() : { sum: a + b }) })
    const calls = [client.sum.add({ a: 0, b: 1 }), client.sum.add({ a: 0, b: 2 })]
    await settled()
    opened[0]?.far.abort(new Error('gone'))
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'connection-lost' })
    expect(await client.sum.add({ a: 1, b: 1 })).toEqual({ sum: 2 })
    expect(opened).toHaveLength(2)
  })

  it('ends the stream with an answer for a frame that is none', async () => {
    const { near, channel, served, clock } = raw()
    near.send(encodeFrame(new Uint8Array([0xff])))
    expect(await channel.nextValue()).toMatchObject({ t: 'error', id: 0, code: 'malformed' })
    await clock.advance(1_000)
    await served
  })

  it('ends the stream with an answer for an unknown frame and for an id in use', async () => {
    const unknown = raw()
    unknown.channel.send({ t: 'result', id: 1, output: null })
    expect(await unknown.channel.nextValue()).toMatchObject({ id: 0, code: 'unknown-frame' })
    const twice = raw({ 'sum.add': never })
    twice.channel.send({ t: 'call', id: 1, op: 'sum.add', input: { a: 1, b: 1 } })
    twice.channel.send({ t: 'call', id: 1, op: 'sum.add', input: { a: 1, b: 1 } })
    expect(await twice.channel.nextValue()).toMatchObject({ id: 0, code: 'malformed' })
  })

  it('ends the stream with an answer for a frame above the limit', async () => {
    const { near, channel } = raw()
    near.send(new Uint8Array([0xff, 0xff, 0xff, 0x7f]))
    expect(await channel.nextValue()).toMatchObject({ id: 0, code: 'frame-too-large' })
  })

  it('tells its handlers when the caller is gone', async () => {
    let reason: unknown
    const { near, channel, served } = raw({
      'sum.add': (_input, { signal }) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
        })
        return never()
      },
    })
    channel.send({ t: 'call', id: 1, op: 'sum.add', input: { a: 1, b: 1 } })
    await settled()
    near.abort(new Error('gone'))
    await served
    expect(reason).toMatchObject({ code: 'connection-lost' })
  })

  it('survives a caller that asks much and reads nothing', async () => {
    const big = 'x'.repeat(200_000)
    const noisy = raw({
      'sum.add': () => {
        throw new MooringError('internal', { detail: big })
      },
    })
    const { far, served } = (() => {
      const clock = new ManualClock()
      const [near, far] = createStreamPair()
      far.hold()
      const answers: AllHandlers = { ...honest, 'sum.add': () => ({ sum: 1, big }) as never }
      const served = serveCalls({
        protocol,
        handlers: answers,
        channel: new Channel(far, { clock }),
        context: { caller: 'mallory' },
        clock,
      })
      const channel = new Channel(near, { clock })
      const ask = async () => {
        for (let id = 1; id <= 40 && !channel.ended.aborted; id++) {
          channel.sendBody(encodeValue({ t: 'call', id, op: 'sum.add', input: { a: 1, b: 1 } }))
          await settled()
        }
      }
      return { far, served: ask().then(() => served) }
    })()
    await served
    expect(far.status).toBe('closed')
    noisy.channel.send({ t: 'call', id: 1, op: 'sum.add', input: { a: 1, b: 1 } })
    const answer = (await noisy.channel.nextValue()) as { detail: string }
    expect(answer.detail).toHaveLength(limits.maxDetailChars)
  })

  it('counts a beat and answers nothing', async () => {
    let beats = 0
    const { caller, opened } = world({}, { onBeat: () => beats++ })
    await caller.beat()
    await caller.beat()
    await settled()
    expect(beats).toBe(2)
    expect(opened).toHaveLength(1)
  })

  it('refuses calls after close', async () => {
    const { caller, client } = world()
    await client.sum.add({ a: 1, b: 1 })
    await caller.close()
    await expect(client.sum.add({ a: 1, b: 1 })).rejects.toMatchObject({ code: 'connection-lost' })
  })
})

describe('streaming calls', () => {
  it('gives its items in order on a stream of its own', async () => {
    const { client, opened } = world()
    const items: number[] = []
    for await (const { n } of client.sum.count({ to: 5 })) items.push(n)
    expect(items).toEqual([1, 2, 3, 4, 5])
    await client.sum.add({ a: 1, b: 1 })
    expect(opened).toHaveLength(2)
  })

  it('makes the handler wait for a reader that does not read', async () => {
    let made = 0
    const text = 'x'.repeat(100_000)
    const { client, opened } = world({
      'sum.count': async function* () {
        for (;;) {
          made++
          yield { n: made, text } as never
        }
      },
    })
    const reading = client.sum.count({ to: 1 })[Symbol.asyncIterator]()
    const first = reading.next()
    first.catch(() => {})
    while (opened.length === 0) await settled()
    opened[0]?.far.hold()
    await settled()
    const madeWhileHeld = made
    await settled()
    expect(made).toBe(madeWhileHeld)
    expect(opened[0]?.far.writeBufferLength).toBeLessThan(2 * limits.maxFrameBytes)
  })

  it('ends the handler when the reader leaves the loop', async () => {
    let isEnded = false
    const { client, opened } = world({
      'sum.count': async function* () {
        try {
          for (let n = 1; ; n++) yield { n }
        } finally {
          isEnded = true
        }
      },
    })
    for await (const { n } of client.sum.count({ to: 1 })) if (n === 3) break
    await opened[0]?.served
    expect(isEnded).toBe(true)
    expect(opened[0]?.far.status).toBe('closed')
  })

  it('frees its stream when the handler ignores the end of its reader', async () => {
    const { client, opened } = world({
      'sum.count': async function* () {
        yield { n: 1 }
        await never()
      },
    })
    for await (const { n } of client.sum.count({ to: 1 })) if (n === 1) break
    await opened[0]?.served
    expect(opened[0]?.far.status).toBe('closed')
  })

  it('is lost, not ended, when the stream ends without a word', async () => {
    const { client, opened } = world({
      'sum.count': async function* () {
        yield { n: 1 }
        await never()
      },
    })
    const items = client.sum.count({ to: 1 })[Symbol.asyncIterator]()
    expect(await items.next()).toEqual({ done: false, value: { n: 1 } })
    opened[0]?.far.abort(new Error('gone'))
    await expect(items.next()).rejects.toMatchObject({ code: 'connection-lost' })
  })

  it('ends with the error of the handler, its detail and its waiting time', async () => {
    const { client } = world({
      // biome-ignore lint/correctness/useYield: a handler that refuses at once
      'sum.count': async function* () {
        throw new MooringError('rate-limited', { detail: 'too fast', retryAfterMs: 1_500 })
      },
    })
    const items = client.sum.count({ to: 1 })[Symbol.asyncIterator]()
    await expect(items.next()).rejects.toMatchObject({
      code: 'rate-limited',
      detail: 'too fast',
      retryAfterMs: 1_500,
    })
  })

  it('ends at its signal and at its deadline, and not before', async () => {
    const handlers: Partial<AllHandlers> = {
      'sum.count': async function* (_input, { signal }) {
        yield { n: 1 }
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    }
    const byDeadline = world(handlers)
    const items = byDeadline.client.sum.count({ to: 1 }, { timeoutMs: 60_000 })[Symbol.asyncIterator]()
    await items.next()
    const second = items.next()
    second.catch(() => {})
    await byDeadline.clock.advance(60_000)
    await expect(second).rejects.toMatchObject({ code: 'timeout' })
    const bySignal = world(handlers)
    const controller = new AbortController()
    const others = bySignal.client.sum.count({ to: 1 }, { signal: controller.signal })[Symbol.asyncIterator]()
    await others.next()
    const next = others.next()
    next.catch(() => {})
    await bySignal.clock.advance(3 * limits.callTimeoutMs)
    controller.abort()
    await expect(next).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('carries nothing else on its stream', async () => {
    const { channel } = raw({
      'sum.count': async function* () {
        yield { n: 1 }
        await never()
      },
    })
    channel.send({ t: 'call', id: 1, op: 'sum.count', input: { to: 1 } })
    expect(await channel.nextValue()).toMatchObject({ t: 'item', id: 1 })
    channel.send({ t: 'call', id: 2, op: 'sum.add', input: { a: 1, b: 1 } })
    expect(await channel.nextValue()).toMatchObject({ t: 'error', id: 2, code: 'too-many-calls' })
  })
})
