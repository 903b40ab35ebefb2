/**
 * The network of a plugin: dials one daemon over QUIC, or over TCP where UDP is blocked, and listens to nobody. The only
 * file of the SDK that knows libp2p. Keeps true: no connection to a wrong key is ever handed out, and no attempt that was
 * given up leaves a connection behind.
 */
import { noise } from '@chainsafe/libp2p-noise'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Connection } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import {
  asError,
  type ByteStream,
  type Clock,
  limits,
  MooringError,
  type PeerId,
  parsePeerId,
  ReadSize,
} from '../protocol/index.ts'
import { within } from './deadline.ts'
import { publicKeyOf } from './identity.ts'
import type { Dialler, DialOptions, Wire } from './wire.ts'

export interface DiallerInit {
  /** Ed25519 seed, 32 bytes. */
  readonly seed: Uint8Array
  readonly clock: Clock
}

/** A QUIC handshake takes one round trip; where UDP is blocked the next address gets its turn after this. */
const addressTimeoutMs = 3_000
/** A closed UDP port answers nothing, so a daemon of this machine that is just being started again would cost more. */
const loopbackTimeoutMs = 1_500
const streamTimeoutMs = 5_000
const stopTimeoutMs = 3_000

const quicSettings = {
  // The other side died: noticed within 5 s. The shorter of both ends counts.
  maxIdleTimeout: 5_000,
  // Longer than from one beat to the next: those keep it alive by themselves.
  keepAliveInterval: limits.beatEveryMs + 500,
  maxConcurrentStreamLimit: 64,
  maxStreamData: limits.creditBytes,
  maxConnectionData: 4 * 1024 * 1024,
}

/** Makes and starts the node. */
export async function createDialler(init: DiallerInit): Promise<Dialler> {
  await fitReads()
  const node = await createLibp2p({
    // With its public half: the library would derive that in JavaScript, which takes as long as all the rest of a node.
    privateKey: privateKeyFromRaw(Buffer.concat([init.seed, publicKeyOf(init.seed)])),
    addresses: { listen: [] },
    transports: [quic(quicSettings), tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // It ends connections when this process was busy for some seconds. The heartbeat of the session decides instead.
    connectionMonitor: { enabled: false },
    connectionManager: { reconnectRetries: 0 },
  })
  const handedOut = new WeakSet<Connection>()
  let attempts = 0
  const dropStrays = (): void => {
    if (attempts > 0) return
    for (const connection of node.getConnections()) {
      if (!handedOut.has(connection)) connection.abort(new MooringError('cancelled', { detail: 'nobody waits for it' }))
    }
  }
  // The native handshake ignores the abort signal, so an attempt that was given up may still succeed.
  node.addEventListener('connection:open', dropStrays)

  const dialOne = async (daemon: PeerId, address: string, timeoutMs: number, signal: AbortSignal): Promise<Wire> => {
    const giveUp = new AbortController()
    const target = multiaddr(`${address}/p2p/${daemon}`)
    try {
      const connection = await within(node.dial(target, { signal: giveUp.signal, force: true }), {
        clock: init.clock,
        timeoutMs,
        signal,
        what: `dialling ${address}`,
        onLate: (late) => late.abort(new MooringError('timeout')),
      })
      handedOut.add(connection)
      if (connection.remotePeer.toString() !== daemon) {
        const error = new MooringError('key-mismatch', { detail: `at ${address}` })
        connection.abort(error)
        throw error
      }
      return wireOf(connection, init.clock)
    } finally {
      giveUp.abort()
    }
  }

  return {
    async dial(daemon: PeerId, addresses: readonly string[], { timeoutMs, signal }: DialOptions): Promise<Wire> {
      const startedMs = init.clock.monotonicMs()
      const failures: unknown[] = []
      attempts++
      try {
        for (const address of addresses) {
          const leftMs = timeoutMs - (init.clock.monotonicMs() - startedMs)
          if (leftMs <= 0) break
          try {
            return await dialOne(daemon, address, Math.min(leftMs, timeoutOf(address)), signal)
          } catch (error) {
            if (signal.aborted) throw signal.reason
            failures.push(error)
            // The library joins a dial to one that is still under way to the same peer, also to one that was given up:
            // a turn of the event loop lets that one leave its queue.
            await new Promise<void>((resolve) => setImmediate(resolve))
          }
        }
      } finally {
        attempts--
        dropStrays()
      }
      // Another address may still lead to the right daemon, so this is said only when none did.
      if (failures.some(isWrongKey)) {
        throw new MooringError('key-mismatch', { detail: 'another key answered', cause: failures })
      }
      throw new MooringError('daemon-unreachable', { detail: `tried ${addresses.join(', ')}`, cause: failures })
    },
    async stop(): Promise<void> {
      await within(Promise.resolve(node.stop()), {
        clock: init.clock,
        timeoutMs: stopTimeoutMs,
        what: 'the end of the node',
      })
    },
  }
}

function timeoutOf(address: string): number {
  return /^\/ip4\/127\.|^\/ip6\/::1\//.test(address) ? loopbackTimeoutMs : addressTimeoutMs
}

function wireOf(connection: Connection, clock: Clock): Wire {
  const closed = new AbortController()
  const onClose = (): void => closed.abort(new MooringError('connection-lost'))
  connection.addEventListener('close', onClose, { once: true })
  if (connection.status !== 'open') onClose()
  return {
    remote: parsePeerId(connection.remotePeer.toString()),
    closed: closed.signal,
    noticesSilence: connection.remoteAddr.toString().includes('/quic-v1'),
    async openStream(protocol: string): Promise<ByteStream> {
      try {
        return await within<ByteStream>(connection.newStream(protocol), {
          clock,
          timeoutMs: streamTimeoutMs,
          signal: closed.signal,
          what: `opening ${protocol}`,
          onLate: (late) => late.abort(new MooringError('timeout')),
        })
      } catch (cause) {
        throw new MooringError('connection-lost', { detail: `no stream for ${protocol}`, cause })
      }
    },
    close: () => connection.close(),
    abort: (error) => connection.abort(error),
  }
}

/**
 * Whether a dial failed because of the key. The libraries have no common error for it: one has a class, the other only
 * a text, so a test dials a wrong key over both transports.
 */
function isWrongKey(error: unknown): boolean {
  if (error instanceof MooringError) return error.code === 'key-mismatch' || isWrongKey(error.cause)
  if (!(error instanceof Error)) return false
  if (error instanceof AggregateError && error.errors.some(isWrongKey)) return true
  return (
    error.name === 'UnexpectedPeerError' ||
    /^Dialed peer \S+ but connected to \S+$|does not match expected remote identity key/.test(error.message) ||
    isWrongKey(error.cause)
  )
}

const maxReadBytes = 64 * 1024
const isPatched = Symbol.for('mooring.quic.reads')

/**
 * The QUIC library reads 4 KiB at a time, and each read is a trip through the native boundary: sixteen times as much per
 * trip makes a bulk transfer several times as fast. The memory for it is taken before anything arrives, so a stream on
 * which little happens asks for little. There is no setting for it.
 */
async function fitReads(): Promise<void> {
  try {
    const native = await import(new URL('./napi.js', import.meta.resolve('@chainsafe/libp2p-quic')).href)
    const prototype = native.Stream.prototype as { read(maxBytes: number): Promise<unknown>; [isPatched]?: boolean }
    if (prototype[isPatched] === true) return
    const read = prototype.read as (maxBytes: number) => Promise<Uint8Array | null | undefined>
    const sizes = new WeakMap<object, ReadSize>()
    prototype.read = async function () {
      const size = sizes.get(this) ?? new ReadSize(maxReadBytes)
      sizes.set(this, size)
      const chunk = await read.call(this, size.bytes)
      if (chunk != null) size.got(chunk.byteLength)
      return chunk
    }
    prototype[isPatched] = true
  } catch (cause) {
    // A newer version keeps its insides elsewhere: slower, not broken. A test notices.
    void asError(cause)
  }
}
