/**
 * The stream port: the part of a libp2p stream that this project uses, so that a libp2p stream fits without an adapter
 * and `protocol/` needs no libp2p. A control socket and the pairs of the tests implement the same few members.
 */

export interface ByteStreamEvents {
  /** Bytes arrived, in order. */
  message: { readonly data: { subarray(): Uint8Array } }
  /** The send buffer has room again. */
  drain: unknown
  /** Nothing more will be sent or received. After a reset by the other side this looks like a clean end. */
  close: unknown
  /** The other side will send nothing more. */
  remoteCloseWrite: unknown
}

export interface ByteStream {
  /** Queues bytes; false asks the caller to wait for `drain`. Throws once closed. */
  send(bytes: Uint8Array): boolean
  /** Ends the write side after what is queued. */
  close(options?: { signal?: AbortSignal }): Promise<void>
  /** Drops everything queued, both ways. */
  abort(error: Error): void
  /** Bytes handed to `send` and not yet taken by the transport. */
  readonly writeBufferLength: number
  /** Anything but `open` has ended; absent where a stream cannot have ended before it is handed over. */
  readonly status?: string
  /** `closed` once the other side will send nothing more. */
  readonly remoteWriteStatus?: string
  addEventListener<Type extends keyof ByteStreamEvents>(
    type: Type,
    listener: (event: ByteStreamEvents[Type]) => void,
  ): void
  removeEventListener<Type extends keyof ByteStreamEvents>(
    type: Type,
    listener: (event: ByteStreamEvents[Type]) => void,
  ): void
}
