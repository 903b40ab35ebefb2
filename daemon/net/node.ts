/**
 * The listening node: the only file of the daemon that knows libp2p. Keeps true: a connection is let in by what is in
 * memory and without waiting, every connection is a link, every stream is answered and gives its slot back, and nothing
 * that the library throws or rejects, an `Error` or not, escapes.
 */
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import {
  asError,
  Channel,
  type Clock,
  hostProtocol,
  isPeerId,
  limits,
  MooringError,
  type PeerId,
  parsePeerId,
} from '../../protocol/index.ts'
import type { Logger } from '../log.ts'
import { logArrivals } from './arrivals.ts'
import type { Link, Session } from './link.ts'
import type { Links } from './links.ts'
import { isAddressInUse, type ListenInit, listenAddresses, listenError, sharedPort } from './listen.ts'
import { createQuic, type Quic } from './quic.ts'
import { refuseStream } from './refuse-stream.ts'
import { silentLogger } from './silent-logger.ts'

/** A stream that may be served. */
export interface ServedStream {
  readonly link: Link
  /** Undefined only on the stream that says hello. */
  readonly session: Session | undefined
  readonly channel: Channel
}

/** A protocol and who serves it. The stream is closed when the promise settles; a rejection is answered first. */
export interface ProtocolBinding {
  readonly id: string
  /** The form of a refusal. */
  readonly kind: 'rpc' | 'frames'
  serve(stream: ServedStream): Promise<void>
}

export interface NodeInit {
  /** The Ed25519 seed of the daemon's key, 32 bytes. */
  readonly seed: Uint8Array
  readonly listen: ListenInit
  readonly links: Links
  readonly protocols: readonly ProtocolBinding[]
  readonly clock: Clock
  readonly log: Logger
  /** Told of each connection that was let in, before any of its streams is served. */
  onLink?(link: Link): void
}

export interface Node {
  readonly peer: PeerId
  /** @throws `address-in-use`, `config-invalid`; whatever had started is stopped again */
  start(): Promise<void>
  /** Lets nobody in, tells every link, ends all. Never rejects, and takes four seconds at most. */
  stop(): Promise<void>
  /** Where it listens, QUIC first, without the peer id; empty unless started. */
  addresses(): string[]
}

/** Half-open handshakes up to which an honest peer connects without waiting. */
const acceptLoops = 512
const readBytes = 64 * 1024
/** A hello of {@link limits.maxLobbyFrameBytes} with its negotiation, several times over. */
const unwelcomedBytes = 64 * 1024
/** Far above what approved keys and a full lobby come to; the bounds by identity are those of the links. */
const maxConnections = 4_096
/** Of one listener, handshakes included: below the limit of pending ones, so that TCP cannot lock QUIC out. */
const maxTcpSockets = 1_024
const handshakeMs = 5_000
const libraryStopMs = 3_000
/** Ports tried when any will do: one that is free for TCP may be taken for UDP. */
const portAttempts = 8

export async function createNode(init: NodeInit): Promise<Node> {
  return new ListeningNode(init, await peerOf(init.seed))
}

/** The peer id of an Ed25519 seed. */
export async function peerOf(seed: Uint8Array): Promise<PeerId> {
  return parsePeerId(peerIdFromPrivateKey(await generateKeyPairFromSeed('Ed25519', seed)).toString())
}

class ListeningNode implements Node {
  readonly peer: PeerId
  readonly #init: NodeInit
  readonly #byConnection = new Map<string, Link>()
  readonly #remotes = new WeakMap<Link, string>()
  #quic: Quic | undefined
  #library: Libp2p | undefined
  #stopping: Promise<void> | undefined

  constructor(init: NodeInit, peer: PeerId) {
    this.#init = init
    this.peer = peer
    init.links.onWelcome((session) => this.#onWelcome(session))
    logArrivals(init)
  }

  addresses(): string[] {
    const all = this.#library?.getMultiaddrs().map((address) => withoutPeer(address.toString())) ?? []
    return all.sort((a, b) => Number(b.endsWith('/quic-v1')) - Number(a.endsWith('/quic-v1')))
  }

  async start(): Promise<void> {
    const { listen } = this.#init
    // Both transports share one port number; the system picks free ones for each of them separately.
    const picks = listen.port === 0 && listen.tcp
    for (let attempt = 1; ; attempt++) {
      try {
        this.#library = await this.#listen(picks ? await sharedPort(listen.host) : listen.port)
        return
      } catch (error) {
        if (isAddressInUse(error) && picks && attempt < portAttempts) continue
        throw listenError(error, listen)
      }
    }
  }

  async #listen(port: number): Promise<Libp2p> {
    const library = await this.#create(port)
    try {
      await library.start()
      return library
    } catch (error) {
      void Promise.resolve(library.stop()).catch(() => {})
      throw error
    }
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    const library = this.#library
    await this.#init.links.stop()
    if (library === undefined) return
    const deadline = Promise.withResolvers<'late'>()
    const cancel = this.#init.clock.after(libraryStopMs, () => deadline.resolve('late'))
    try {
      // Known to hang at times, and nothing here depends on its end: what matters was ended with the links.
      const outcome = await Promise.race([library.stop(), deadline.promise])
      if (outcome === 'late') this.#init.log.warn({}, 'the network library did not stop in time')
    } catch (error) {
      this.#init.log.warn({ err: asError(error) }, 'the network library failed to stop')
    } finally {
      cancel()
      this.#library = undefined
    }
  }

  async #create(port: number): Promise<Libp2p> {
    const { listen, protocols, seed } = this.#init
    const quic = createQuic({ acceptLoops, readBytes, unwelcomedBytes })
    this.#quic = quic
    const library = await createLibp2p({
      start: false,
      logger: silentLogger,
      privateKey: await generateKeyPairFromSeed('Ed25519', seed),
      addresses: { listen: listenAddresses(listen, port) },
      transports: [quic.transport, ...(listen.tcp ? [tcp({ maxConnections: maxTcpSockets })] : [])],
      connectionEncrypters: listen.tcp ? [noise()] : [],
      streamMuxers: listen.tcp
        ? [yamux({ maxInboundStreams: 64, streamOptions: { maxStreamWindowSize: 1024 * 1024 } })]
        : [],
      // Its pings abort healthy connections whenever this process is busy for some seconds; plugins send beats instead.
      connectionMonitor: { enabled: false },
      connectionManager: {
        maxConnections,
        // All plugins of one machine share an address: the library's own bounds by address would refuse the sixth.
        inboundConnectionThreshold: 100_000,
        maxIncomingPendingConnections: 2 * maxTcpSockets,
        maxParallelDials: 1,
        reconnectRetries: 0,
        inboundUpgradeTimeout: handshakeMs,
        inboundStreamProtocolNegotiationTimeout: handshakeMs,
      },
      connectionGater: {
        // The one hook that loses no streams; it must not wait, for calls that hang are never given up.
        denyInboundEncryptedConnection: (peer) => !this.#init.links.isOpen || !isPeerId(peer.toString()),
        denyDialPeer: () => true,
        denyDialMultiaddr: () => true,
      },
    })
    library.addEventListener('connection:open', (event) => this.#onConnection(event.detail))
    for (const binding of protocols) {
      await library.handle(binding.id, (stream, connection) => this.#onStream(binding, stream, connection), {
        maxInboundStreams: limits.maxStreamsPerConnection,
        maxOutboundStreams: limits.maxStreamsPerConnection,
      })
    }
    return library
  }

  // Called by the library's event target, where a throw would be an uncaught exception.
  #onConnection(connection: Connection): void {
    try {
      const link = this.#init.links.open({
        peer: parsePeerId(connection.remotePeer.toString()),
        from: withoutPeer(connection.remoteAddr.toString()),
        host: connection.remoteAddr.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')?.value ?? '',
        abort: (error) => connection.abort(error),
      })
      if (link.reason !== undefined) return
      this.#byConnection.set(connection.id, link)
      this.#remotes.set(link, connection.remoteAddr.toString())
      const onClose = (): void => {
        this.#byConnection.delete(connection.id)
        link.end('connection-lost')
        this.#forget(connection)
      }
      connection.addEventListener('close', onClose)
      // The other side may be gone already; then the event was before us.
      if (connection.status !== 'open') onClose()
      this.#init.log.debug({ peer: link.peer, from: link.from }, 'a connection was let in')
      this.#init.onLink?.(link)
    } catch (error) {
      this.#init.log.error({ err: asError(error) }, 'a connection could not be let in')
      connection.abort(asError(error))
    }
  }

  /** The library remembers every key that ever opened a stream; kept, they would grow without bound. */
  #forget(connection: Connection): void {
    if (this.#init.links.has(parsePeerId(connection.remotePeer.toString()))) return
    void Promise.resolve(this.#library?.peerStore.delete(connection.remotePeer)).catch(() => {})
  }

  #onWelcome(session: Session): void {
    const remote = this.#remotes.get(session.link)
    if (remote !== undefined) this.#quic?.lift(remote)
  }

  async #onStream(binding: ProtocolBinding, stream: Stream, connection: Connection): Promise<void> {
    const link = this.#byConnection.get(connection.id)
    if (link === undefined || stream.status !== 'open') {
      stream.abort(new MooringError('connection-lost'))
      this.#forget(connection)
      return
    }
    const channel = this.#channelOf(stream, link)
    link.control.attach(channel)
    try {
      await this.#serve(binding, link, channel)
    } catch (error) {
      await this.#answerFailure(binding, link, channel, error)
    } finally {
      // Also after a clean end: a stream that is neither closed nor reset keeps one of the connection's slots for good.
      await channel.close()
    }
  }

  async #serve(binding: ProtocolBinding, link: Link, channel: Channel): Promise<void> {
    const mayHello = link.state === 'lobby' && binding.id === hostProtocol.id && link.control.takeHelloStream()
    if (link.state === 'welcomed' || mayHello) {
      await binding.serve({ link, session: link.session, channel })
      // Without its stream an unwelcomed connection can never become anything.
      if (mayHello && link.state === 'lobby') link.end('hello-required')
      return
    }
    await refuseStream(channel, binding.kind, link.reason ?? new MooringError(this.#init.links.codeOf(link.peer)))
    if (link.state === 'lobby' && link.control.countRefusal()) link.end('hello-required')
  }

  async #answerFailure(binding: ProtocolBinding, link: Link, channel: Channel, error: unknown): Promise<void> {
    const { log } = this.#init
    const fields = { err: asError(error), peer: link.peer, protocol: binding.id }
    if (error instanceof MooringError) log.debug(fields, 'a stream ended with an error')
    else log.error(fields, 'a stream failed')
    if (channel.ended.aborted) return
    try {
      await refuseStream(channel, binding.kind, error instanceof MooringError ? error : new MooringError('internal'))
    } catch (failure) {
      // It ended while it was being told.
      channel.abort(asError(failure))
    }
  }

  #channelOf(stream: Stream, link: Link): Channel {
    const isWelcomed = link.state === 'welcomed'
    return new Channel(stream, {
      clock: this.#init.clock,
      ...(isWelcomed
        ? {}
        : { maxFrameBytes: limits.maxLobbyFrameBytes, maxBufferedBytes: 4 * limits.maxLobbyFrameBytes }),
    })
  }
}

const withoutPeer = (multiaddr: string): string => multiaddr.replace(/\/p2p\/[^/]+$/, '')
