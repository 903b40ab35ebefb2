import { noise } from '@chainsafe/libp2p-noise'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../plugin-sdk/clock.ts'
import { peerOf } from '../../../plugin-sdk/identity.ts'
import { createDialler } from '../../../plugin-sdk/node.ts'
import type { Dialler } from '../../../plugin-sdk/wire.ts'
import { Channel } from '../../../protocol/index.ts'

const protocol = '/test/bulk/1.0.0'
const daemonSeed = new Uint8Array(32).fill(21)
const daemon = peerOf(daemonSeed)
const { signal } = new AbortController()
const options = { timeoutMs: 10_000, signal }

let listener: Libp2p
let dialler: Dialler
let quicAddress: string
let tcpAddress: string

beforeAll(async () => {
  listener = await createLibp2p({
    privateKey: await generateKeyPairFromSeed('Ed25519', daemonSeed),
    addresses: { listen: ['/ip4/127.0.0.1/udp/0/quic-v1', '/ip4/127.0.0.1/tcp/0'] },
    transports: [quic(), tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    // By default the sixth connection of a second from one address is let go.
    connectionManager: { inboundConnectionThreshold: 1_000 },
  })
  await listener.handle(protocol, async (stream) => {
    const channel = new Channel(stream, { clock: systemClock })
    const { bytes } = (await channel.nextValue()) as { bytes: number }
    for (let left = bytes; left > 0; left -= 100_000) {
      channel.send({ piece: new Uint8Array(100_000) })
      await channel.drained(200_000)
    }
    await channel.close()
  })
  const addresses = listener.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/.*$/, ''))
  quicAddress = addresses.find((address) => address.includes('/quic-v1')) ?? ''
  tcpAddress = addresses.find((address) => address.includes('/tcp/')) ?? ''
  dialler = await createDialler({ seed: new Uint8Array(32).fill(22), clock: systemClock })
})

afterAll(async () => {
  await dialler.stop()
  await listener.stop()
})

describe('createDialler', () => {
  it.each([
    ['QUIC', () => quicAddress, true],
    ['TCP', () => tcpAddress, false],
  ])('carries frames over %s under the key of the seed', async (_name, address, noticesSilence) => {
    const wire = await dialler.dial(daemon, [address()], options)
    expect(wire).toMatchObject({ remote: daemon, noticesSilence })
    const channel = new Channel(await wire.openStream(protocol), { clock: systemClock })
    channel.send({ bytes: 2_000_000 })
    let received = 0
    for (let frame = await channel.next(); frame !== undefined; frame = await channel.next()) received++
    expect(received).toBe(20)
    expect(listener.getConnections().map(({ remotePeer }) => remotePeer.toString())).toContain(
      peerOf(new Uint8Array(32).fill(22)),
    )
    await channel.close()
    await wire.close()
    expect(wire.closed.aborted).toBe(true)
    await expect(wire.openStream(protocol)).rejects.toMatchObject({ code: 'connection-lost' })
  })

  it.each([
    ['QUIC', () => quicAddress],
    ['TCP', () => tcpAddress],
  ])('refuses another key over %s', async (_name, address) => {
    const other = peerOf(new Uint8Array(32).fill(23))
    await expect(dialler.dial(other, [address()], options)).rejects.toMatchObject({ code: 'key-mismatch' })
  })

  it('goes on to the next address, and names all when none answers', async () => {
    const wire = await dialler.dial(daemon, ['/ip4/127.0.0.1/tcp/1', tcpAddress], options)
    expect(wire.noticesSilence).toBe(false)
    await wire.close()
    await expect(dialler.dial(daemon, ['/ip4/127.0.0.1/tcp/1'], options)).rejects.toMatchObject({
      code: 'daemon-unreachable',
      detail: 'tried /ip4/127.0.0.1/tcp/1',
    })
  })

  it('gives up at its signal', async () => {
    const controller = new AbortController()
    const dial = dialler.dial(daemon, ['/ip4/127.0.0.1/udp/1/quic-v1'], {
      timeoutMs: 10_000,
      signal: controller.signal,
    })
    dial.catch(() => {})
    controller.abort(new Error('enough'))
    await expect(dial).rejects.toThrow('enough')
  })

  it('notices the end of the connection at the other side', async () => {
    const wire = await dialler.dial(daemon, [quicAddress], options)
    // A dial that succeeded says little: the other side knows the connection once a stream was answered.
    const channel = new Channel(await wire.openStream(protocol), { clock: systemClock })
    channel.send({ bytes: 1 })
    await channel.next()
    const closed = new Promise((resolve) => wire.closed.addEventListener('abort', resolve))
    for (const connection of listener.getConnections()) connection.abort(new Error('cut'))
    await closed
  })

  it('reads more than the 4 KiB at a time that the QUIC package asks for', async () => {
    const native = await import(new URL('./napi.js', import.meta.resolve('@chainsafe/libp2p-quic')).href)
    expect(native.Stream.prototype[Symbol.for('mooring.quic.reads')]).toBe(true)
    const wire = await dialler.dial(daemon, [quicAddress], options)
    const stream = await wire.openStream(protocol)
    let largest = 0
    stream.addEventListener('message', (event) => {
      largest = Math.max(largest, event.data.subarray().byteLength)
    })
    const channel = new Channel(stream, { clock: systemClock })
    channel.send({ bytes: 2_000_000 })
    while ((await channel.next()) !== undefined);
    expect(largest).toBeGreaterThan(4_096)
    await wire.close()
  })
})
