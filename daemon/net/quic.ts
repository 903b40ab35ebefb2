/**
 * The QUIC transport, with three things that the package does not do by itself, all kept in this file: handshakes do not
 * wait for each other, reads are as large as what arrives, and a connection that is not welcomed can send only so much. They
 * reach into members that the package does not promise: each is looked for first, so that a release that changes them
 * fails at start instead of losing the protection silently.
 */
import { type QuicComponents, quic } from '@chainsafe/libp2p-quic'
import type { CreateListenerOptions, Listener, Transport } from '@libp2p/interface'
import { limits, MooringError, ReadSize } from '../../protocol/index.ts'

export interface QuicInit {
  /**
   * Handshakes that can be under way at once. The package awaits each handshake inside a serial accept, so with one loop
   * a single unfinished handshake locks everyone out for ten seconds.
   */
  readonly acceptLoops: number
  /** Bytes that a connection may send on all its streams until its budget is lifted. */
  readonly unwelcomedBytes: number
  /**
   * The most that the native side hands over in one read. The package always asks for 4,096 bytes, which costs three
   * quarters of the speed; always asking for much costs as much memory, on every stream of every connection.
   */
  readonly readBytes: number
}

/** The transport for the node, and the way to lift the byte budget of a connection once it is welcomed. */
export interface Quic {
  readonly transport: (components: QuicComponents) => Transport
  /** `remote` is the remote multiaddr with the peer id, as text. */
  lift(remote: string): void
}

/** Idle time, keep-alive and windows: dead links are noticed within 7 s, and one peer's unread bytes stay few. */
const settings = {
  maxIdleTimeout: 5_000,
  // Longer than from one beat to the next: with a session those keep it alive, without one this does.
  keepAliveInterval: limits.beatEveryMs + 500,
  maxConcurrentStreamLimit: 64,
  maxStreamData: 1024 * 1024,
  maxConnectionData: 4 * 1024 * 1024,
}

/** A loop whose accept fails at once this many times in a row waits before it tries again. */
const failuresBeforePause = 3
const failsAtOnceMs = 5
const firstPauseMs = 50
const maxPauseMs = 1_000

interface NativeStream {
  read(maxBytes: number): Promise<Uint8Array | null | undefined>
}

interface NativeConnection {
  remoteMultiaddr(): string
  inboundStream(): Promise<NativeStream>
  outboundStream(): Promise<NativeStream>
  closed(): Promise<unknown>
  abort(): void
}

interface NativeServer {
  inboundConnection(): Promise<NativeConnection>
}

interface QuicListenerInternals extends Listener {
  readonly state: { readonly status: string; readonly listener?: NativeServer }
  awaitInboundConnections(): Promise<void>
  onInboundConnection(connection: NativeConnection): Promise<void>
}

export function createQuic(init: QuicInit): Quic {
  const budgets = new Map<string, { leftBytes: number }>()
  const prepare = (connection: NativeConnection): NativeConnection => {
    requireMembers(connection, 'connection', ['remoteMultiaddr', 'inboundStream', 'outboundStream', 'closed', 'abort'])
    const remote = connection.remoteMultiaddr()
    const budget = { leftBytes: init.unwelcomedBytes }
    budgets.set(remote, budget)
    const spend = (bytes: number): void => {
      budget.leftBytes -= bytes
      if (budget.leftBytes < 0) connection.abort()
    }
    const { closed, inboundStream, outboundStream } = connection
    connection.closed = async () => {
      try {
        return await closed.call(connection)
      } finally {
        if (budgets.get(remote) === budget) budgets.delete(remote)
      }
    }
    connection.inboundStream = async () => fitReads(await inboundStream.call(connection), init.readBytes, spend)
    connection.outboundStream = async () => fitReads(await outboundStream.call(connection), init.readBytes, spend)
    return connection
  }
  return {
    transport: (components) => {
      const transport = quic(settings)(components)
      closeDialSockets(transport)
      const createListener = transport.createListener.bind(transport)
      transport.createListener = (options: CreateListenerOptions) =>
        multiplyAccepts(createListener(options), init.acceptLoops, prepare)
      return transport
    },
    lift: (remote) => {
      const budget = budgets.get(remote)
      if (budget !== undefined) budget.leftBytes = Number.POSITIVE_INFINITY
    },
  }
}

/** Exported for the test that notices when the package no longer reads through `read(maxBytes)`. */
export function fitReads<Stream extends NativeStream>(
  stream: Stream,
  readBytes: number,
  onBytes: (bytes: number) => void,
): Stream {
  requireMembers(stream, 'stream', ['read'])
  const { read } = stream
  const size = new ReadSize(readBytes)
  // Set on the native object itself: its other methods need it as their `this`.
  stream.read = async () => {
    const chunk = await read.call(stream, size.bytes)
    if (chunk != null) {
      size.got(chunk.byteLength)
      onBytes(chunk.byteLength)
    }
    return chunk
  }
  return stream
}

/** The package opens a socket on every interface for dialling, even where only loopback is listened on. We never dial. */
function closeDialSockets(transport: Transport): void {
  requireMembers(transport, 'transport', ['start', 'stop'])
  const startable = transport as Transport & { start(): Promise<void>; stop(): Promise<void> }
  // Stopping closes those sockets and nothing else; starting would open them again.
  void startable.stop()
  startable.start = async () => {}
}

function multiplyAccepts(
  anyListener: Listener,
  loops: number,
  prepare: (connection: NativeConnection) => NativeConnection,
): Listener {
  requireMembers(anyListener, 'listener', ['awaitInboundConnections', 'onInboundConnection'])
  const listener = anyListener as QuicListenerInternals
  const { onInboundConnection } = listener
  listener.onInboundConnection = async (connection) => onInboundConnection.call(listener, prepare(connection))
  listener.addEventListener('listening', () => {
    const server = listener.state.listener
    requireMembers(server, 'server', ['inboundConnection'])
    const { inboundConnection } = server
    // The package tries again at once when an accept fails. With an error that persists (no file descriptors, a socket
    // that died) every loop would spin on the main thread, so each pauses, longer each time.
    for (let loop = 1; loop < loops; loop++) void listener.awaitInboundConnections()
    server.inboundConnection = pausing(() => inboundConnection.call(server))
  })
  return listener
}

/** The accept with a growing pause after it failed at once several times in a row. */
export function pausing<Value>(accept: () => Promise<Value>): () => Promise<Value> {
  let failures = 0
  return async () => {
    const startedMs = performance.now()
    try {
      const value = await accept()
      failures = 0
      return value
    } catch (error) {
      // A handshake that went wrong takes at least a round trip: only what fails at once is an error that persists.
      failures = performance.now() - startedMs < failsAtOnceMs ? failures + 1 : 0
      if (failures >= failuresBeforePause) {
        const pauseMs = Math.min(maxPauseMs, firstPauseMs * 2 ** (failures - failuresBeforePause))
        await new Promise<void>((resolve) => setTimeout(resolve, pauseMs).unref())
      }
      throw error
    }
  }
}

function requireMembers(value: unknown, what: string, names: readonly string[]): asserts value is object {
  const missing = names.filter((name) => typeof (value as Record<string, unknown> | undefined)?.[name] !== 'function')
  if (missing.length === 0) return
  throw new MooringError('internal', { detail: `the QUIC package changed: its ${what} has no ${missing.join(', ')}` })
}
