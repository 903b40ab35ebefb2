/** Streams and sessions over real QUIC on the loopback interface. */
import type { Stream } from '@libp2p/interface'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Standing } from '../../daemon/net/links.ts'
import type { ProtocolBinding } from '../../daemon/net/node.ts'
import { type Channel, encodeFrame, encodeValue, hostProtocol, limits, parseAddress } from '../../protocol/index.ts'
import { createDialler, type Dialled, type Dialler } from '../fixtures/dialler.ts'
import {
  createWorld,
  echoFrames,
  type Hello,
  hello,
  hexId,
  otherCalls,
  patientClock,
  type World,
} from '../fixtures/net-world.ts'

async function welcomed(
  world: World,
  ids: Parameters<typeof hello>[1] = {},
): Promise<{ dialler: Dialler; dialled: Dialled; greeting: Hello }> {
  const dialler = await createDialler()
  world.setStanding(dialler.peer, 'approved')
  const dialled = await dialler.dial(world.address())
  const greeting = hello(dialled, ids)
  expect(await greeting.next()).toMatchObject({ state: 'welcome' })
  return { dialler, dialled, greeting }
}

/** Reads until the channel ends, cleanly or not. */
async function ended(channel: Channel): Promise<void> {
  try {
    while ((await channel.next()) !== undefined);
  } catch {
    // A reset and a clean end are the same to a reader.
  }
}

describe('a connection that is not welcomed', () => {
  const codes: [Standing, string][] = [
    ['unknown', 'hello-required'],
    ['pending', 'approval-pending'],
    ['denied', 'approval-denied'],
    ['revoked', 'revoked'],
    ['approved', 'hello-required'],
  ]
  it.each(codes)('of a key that is %s is told %s on every other stream', async (standing, code) => {
    const world = await createWorld({ clock: patientClock })
    const mallory = await createDialler()
    if (standing !== 'unknown') world.setStanding(mallory.peer, standing)
    const dialled = await mallory.dial(world.address())
    const calls = await dialled.openChannel(otherCalls)
    expect(await calls.nextValue()).toMatchObject({ t: 'error', id: 0, code })
    const frames = await dialled.openChannel(echoFrames)
    expect(await frames.nextValue()).toEqual({ t: 'done', reason: code })
    await Promise.all([ended(calls), ended(frames)])
  })

  it('gets one stream of the host protocol, and hello is all it may call', async () => {
    const world = await createWorld({ clock: patientClock })
    const mallory = await createDialler()
    const dialled = await mallory.dial(world.address())
    const first = await dialled.openChannel(hostProtocol.id)
    first.send({ t: 'call', id: 1, op: 'daemon.echo', input: { text: 'hi' } })
    expect(await first.nextValue()).toMatchObject({ t: 'error', id: 1, code: 'hello-required' })
    const second = await dialled.openChannel(hostProtocol.id)
    expect(await second.nextValue()).toMatchObject({ t: 'error', id: 0, code: 'hello-required' })
  })

  it('ends with its only stream', async () => {
    const world = await createWorld({ clock: patientClock })
    const mallory = await createDialler()
    const dialled = await mallory.dial(world.address())
    const only = await dialled.openChannel(hostProtocol.id)
    await only.close()
    await dialled.closed
  })

  it('ends after a number of streams it was refused', async () => {
    const world = await createWorld({ clock: patientClock })
    const dialled = await (await createDialler()).dial(world.address())
    const attempts = Array.from({ length: 17 }, async () => ended(await dialled.openChannel(echoFrames)))
    await Promise.allSettled(attempts)
    await dialled.closed
  })

  it('is told that a frame above the limit of the lobby is too large', async () => {
    const world = await createWorld({ clock: patientClock })
    const dialled = await (await createDialler()).dial(world.address())
    const channel = await dialled.openChannel(hostProtocol.id)
    channel.send({ t: 'call', id: 1, op: 'session.hello', input: { text: 'x'.repeat(5_000) } })
    expect(await channel.nextValue()).toMatchObject({ t: 'error', id: 0, code: 'frame-too-large' })
  })

  it('ends when it sends more than a hello can need, on however many streams', async () => {
    const world = await createWorld({ clock: patientClock })
    const dialled = await (await createDialler()).dial(world.address())
    const streams = await Promise.all(Array.from({ length: 8 }, () => dialled.openStream(echoFrames)))
    for (const stream of streams) stream.send(new Uint8Array(16 * 1024))
    await dialled.closed
  })
})

describe('a session', () => {
  it('calls, and is a session for as long as its connection lives', async () => {
    const world = await createWorld()
    const { dialled, greeting, dialler } = await welcomed(world)
    expect(await greeting.client.daemon.echo({ text: 'hi' })).toEqual({ text: 'hi' })
    expect(world.links.live(dialler.peer)).toHaveLength(1)
    dialled.connection.abort(new Error('the plugin died'))
    await expect.poll(() => world.links.live()).toEqual([])
  })

  it('is checked against the grant of the moment', async () => {
    const world = await createWorld()
    const { dialler, greeting } = await welcomed(world)
    const notes = parseAddress('space:home/notes').address
    const get = () => greeting.client.block.get({ address: notes, offset: 0 })
    await expect(get()).rejects.toMatchObject({ code: 'grant-missing', detail: 'blocks:read:space:home/notes' })
    world.setStanding(dialler.peer, 'approved', ['blocks:read:space:home/*'])
    await expect(get()).rejects.toMatchObject({ code: 'block-not-found' })
    world.setStanding(dialler.peer, 'approved', ['blocks:read:space:home/*', '!blocks:read:space:home/notes'])
    await expect(get()).rejects.toMatchObject({ code: 'grant-missing' })
  })

  it('gives way to the same process that connects again', async () => {
    const world = await createWorld()
    const ids = { replica: hexId(), instance: hexId() }
    const { dialler, dialled, greeting } = await welcomed(world, ids)
    const told = expect(greeting.next()).rejects.toMatchObject({ code: 'superseded' })
    const again = hello(await dialler.dial(world.address()), ids)
    expect(await again.next()).toMatchObject({ state: 'welcome' })
    await told
    await dialled.closed
    expect(world.links.live()).toHaveLength(1)
    const other = hello(await dialler.dial(world.address()), { ...ids, instance: hexId() })
    await expect(other.next()).rejects.toMatchObject({ code: 'replica-in-use' })
    expect(await again.client.daemon.echo({ text: 'still here' })).toEqual({ text: 'still here' })
  })

  it('ends on every stream when its key is cut', async () => {
    const world = await createWorld()
    const { dialler, dialled, greeting } = await welcomed(world)
    const channels = await Promise.all([1, 2, 3].map(() => dialled.openChannel(echoFrames)))
    for (const channel of channels) {
      channel.send({ n: 1 })
      expect(await channel.nextValue()).toEqual({ n: 1 })
    }
    const readers = channels.map(ended)
    world.setStanding(dialler.peer, 'revoked')
    world.links.cut(dialler.peer, 'revoked')
    expect(world.links.has(dialler.peer)).toBe(false)
    await Promise.all([...readers, dialled.closed])
    await expect(greeting.next()).rejects.toMatchObject({ code: 'connection-lost' })
    await expect(hello(await dialler.dial(world.address())).next()).rejects.toMatchObject({ code: 'revoked' })
  })
})

describe('streams', () => {
  it('give their slot back, one after another', async () => {
    const world = await createWorld()
    const { dialled } = await welcomed(world)
    for (let n = 0; n < 40; n++) {
      const channel = await dialled.openChannel(echoFrames)
      channel.send({ n })
      expect(await channel.nextValue()).toEqual({ n })
      await channel.close()
    }
  })

  it('are at most maxStreamsPerConnection of one protocol at once, and one more when one has ended', async () => {
    const world = await createWorld()
    const { dialled } = await welcomed(world)
    const echo = async (n: number): Promise<Channel> => {
      const channel = await dialled.openChannel(echoFrames)
      channel.send({ n })
      expect(await channel.nextValue()).toEqual({ n })
      return channel
    }
    const [first] = await Promise.all(Array.from({ length: limits.maxStreamsPerConnection }, (_, n) => echo(n)))
    await expect(echo(99)).rejects.toThrow()
    first?.send({ n: 7 })
    expect(await first?.nextValue()).toEqual({ n: 7 })
    await first?.close()
    await vi.waitFor(() => echo(8), { timeout: 10_000 })
  })

  it('give their slot back when their handler rejects, even with what is no error', async () => {
    const world = await createWorld()
    const { dialled } = await welcomed(world)
    for (let n = 0; n < 40; n++) {
      const channel = await dialled.openChannel(otherCalls)
      expect(await channel.nextValue()).toMatchObject({ t: 'error', id: 0, code: 'internal' })
      await channel.close()
    }
  })

  it('are read to their end when the other side sends and ends at once', async () => {
    const seen: number[] = []
    const count: ProtocolBinding = {
      id: '/test/count/1.0.0',
      kind: 'frames',
      serve: async ({ channel }) => {
        let frames = 0
        while ((await channel.next()) !== undefined) frames++
        seen.push(frames)
      },
    }
    const world = await createWorld({ protocols: [count], clock: patientClock })
    const { dialled } = await welcomed(world)
    for (let n = 0; n < 10; n++) {
      const stream = await dialled.openStream(count.id)
      stream.send(encodeFrame(encodeValue({ n })))
      // Neither reset nor lost later on: only its end can tell the daemon that nothing more comes.
      await stream.close()
    }
    await expect.poll(() => seen).toEqual(Array(10).fill(1))
  })

  it('survive a reader that lags by no more than the credit', async () => {
    const { world, reads, slow } = await slowReader()
    const { dialled } = await welcomed(world)
    const channel = await dialled.openChannel(slow)
    const roundBytes = limits.creditBytes - 2 * chunk.byteLength
    for (let round = 1; round <= 3; round++) {
      for (let sent = 0; sent < roundBytes; sent += chunk.byteLength) channel.send({ chunk })
      // Not one frame has been read yet, and all of them have left this side.
      await channel.drained()
      reads.next(Math.ceil(roundBytes / chunk.byteLength))
      expect(await channel.nextValue()).toEqual({ read: Math.ceil(roundBytes / chunk.byteLength) })
    }
    channel.abort(new Error('enough'))
  })

  it('end as lagging when the reader falls behind by more than may be kept', async () => {
    const { world, reads, slow } = await slowReader()
    const { dialled } = await welcomed(world)
    const channel = await dialled.openChannel(slow)
    const received = await watchReads()
    for (let sent = 0; sent <= limits.maxBufferedBytes; sent += chunk.byteLength) channel.send({ chunk })
    await expect.poll(() => received().reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(limits.maxBufferedBytes)
    reads.next(1_000)
    expect(await channel.nextValue()).toEqual({ t: 'done', reason: 'lagging' })
  })

  it('are read 64 KiB at a time', async () => {
    const world = await createWorld()
    const { dialled } = await welcomed(world)
    const channel = await dialled.openChannel(echoFrames)
    const received = await watchReads()
    for (let n = 0; n < 16; n++) channel.send({ chunk })
    for (let n = 0; n < 16; n++) expect(await channel.nextValue()).toMatchObject({ chunk: expect.any(Uint8Array) })
    expect(Math.max(...received())).toBeGreaterThan(4_096)
  })
})

/** The sizes of what the native side handed to the daemon's streams from now on, read by read. */
async function watchReads(): Promise<() => number[]> {
  // The class is not part of the package's door: should it move, the read size has to be looked at again.
  const path = '../../node_modules/@chainsafe/libp2p-quic/dist/src/stream.js'
  const { QuicStream } = (await import(path)) as { QuicStream: { prototype: { onData(data: Uint8Array): void } } }
  const onData = vi.spyOn(QuicStream.prototype, 'onData')
  onTestFinished(() => onData.mockRestore())
  const isInbound = (stream: unknown): boolean => (stream as Stream | undefined)?.direction === 'inbound'
  return () =>
    onData.mock.calls.filter((_, call) => isInbound(onData.mock.contexts[call])).map(([data]) => data.byteLength)
}

const chunk = new Uint8Array(60 * 1024).fill(7)

/** A world with a protocol whose listener reads as many frames as the test says, when it says so. */
async function slowReader(): Promise<{ world: World; slow: string; reads: { next(frames: number): void } }> {
  let tell = (_frames: number): void => {}
  let waiting = new Promise<number>((resolve) => {
    tell = resolve
  })
  const slow: ProtocolBinding = {
    id: '/test/slow/1.0.0',
    kind: 'frames',
    serve: async ({ channel }) => {
      for (;;) {
        const frames = await waiting
        waiting = new Promise((resolve) => {
          tell = resolve
        })
        for (let n = 0; n < frames; n++) if ((await channel.next()) === undefined) return
        channel.send({ read: frames })
      }
    },
  }
  return { world: await createWorld({ protocols: [slow] }), slow: slow.id, reads: { next: (frames) => tell(frames) } }
}
