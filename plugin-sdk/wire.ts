/**
 * The network port: what this folder needs of a network library, so that only `node.ts` knows one and everything else
 * runs in memory too.
 */
import type { ByteStream, PeerId } from '../protocol/index.ts'

/** One connection to a daemon whose key was checked. */
export interface Wire {
  /** The key at the other end, from the handshake. */
  readonly remote: PeerId
  /** Aborts when the connection has ended, whoever ended it. */
  readonly closed: AbortSignal
  /** Whether the transport itself notices within 5 s that the other side went silent. */
  readonly noticesSilence: boolean
  /** @throws `connection-lost` */
  openStream(protocol: string): Promise<ByteStream>
  /** Ends after what is queued. */
  close(): Promise<void>
  /** Ends at once. */
  abort(error: Error): void
}

export interface DialOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export interface Dialler {
  /**
   * Connects to the daemon with exactly this key at one of the addresses.
   *
   * @throws `key-mismatch` when another key answered, `daemon-unreachable` when none did, `timeout`
   */
  dial(daemon: PeerId, addresses: readonly string[], options: DialOptions): Promise<Wire>
  stop(): Promise<void>
}
