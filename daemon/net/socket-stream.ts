/**
 * A local socket as the stream that channels are made on. Keeps true: no error of the socket escapes as an uncaught event,
 * and whoever waits for the buffer to empty is told even when it never was full.
 */
import type { Socket } from 'node:net'
import { type ByteStream, type ByteStreamEvents, MooringError } from '../../protocol/index.ts'

type Listener = (event: never) => void

/** The socket must be made with `allowHalfOpen`: the end of one direction says nothing about the other. */
export class SocketStream implements ByteStream {
  readonly #socket: Socket
  readonly #listeners: Record<keyof ByteStreamEvents, Set<Listener>> = {
    message: new Set(),
    drain: new Set(),
    close: new Set(),
    remoteCloseWrite: new Set(),
  }

  constructor(socket: Socket) {
    this.#socket = socket
    // Without a listener a reset by the other side would end the process. `close` follows and says all that matters.
    socket.on('error', () => {})
    socket.on('end', () => this.#tell('remoteCloseWrite', undefined))
    socket.on('close', () => this.#tell('close', undefined))
  }

  get writeBufferLength(): number {
    return this.#socket.writableLength
  }

  send(bytes: Uint8Array): boolean {
    if (this.#socket.destroyed || this.#socket.writableEnded) throw new MooringError('connection-lost')
    // The socket's own `drain` comes only after a write above its mark; a small rest would never be reported.
    return this.#socket.write(bytes, () => {
      if (this.#socket.writableLength === 0) this.#tell('drain', undefined)
    })
  }

  close(options: { signal?: AbortSignal } = {}): Promise<void> {
    const { signal } = options
    return new Promise<void>((resolve, reject) => {
      if (this.#socket.destroyed || this.#socket.writableFinished) return resolve()
      const onAbort = (): void => reject(signal?.reason)
      if (signal?.aborted) return onAbort()
      signal?.addEventListener('abort', onAbort, { once: true })
      const settle = (): void => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      this.#socket.once('close', settle)
      this.#socket.end(settle)
    })
  }

  abort(_error: Error): void {
    this.#socket.destroy()
  }

  addEventListener<Type extends keyof ByteStreamEvents>(
    type: Type,
    listener: (event: ByteStreamEvents[Type]) => void,
  ): void {
    this.#listeners[type].add(listener as Listener)
    // Reading begins with the first reader: bytes that came before would be lost.
    if (type === 'message' && this.#listeners.message.size === 1) this.#socket.on('data', this.#onData)
  }

  removeEventListener<Type extends keyof ByteStreamEvents>(
    type: Type,
    listener: (event: ByteStreamEvents[Type]) => void,
  ): void {
    this.#listeners[type].delete(listener as Listener)
    // The socket stays in flowing mode, so what still comes is dropped and the end is still seen.
    if (type === 'message' && this.#listeners.message.size === 0) this.#socket.off('data', this.#onData).resume()
  }

  readonly #onData = (data: Uint8Array): void => this.#tell('message', { data })

  #tell<Type extends keyof ByteStreamEvents>(type: Type, event: ByteStreamEvents[Type]): void {
    for (const listener of [...this.#listeners[type]]) (listener as (event: ByteStreamEvents[Type]) => void)(event)
  }
}
