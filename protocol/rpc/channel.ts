/**
 * Frames over a byte stream. Keeps three promises: a frame above the limit is refused before it is buffered, unread
 * frames are bounded, and a frame that was begun is finished in time or the stream ends. End of stream means nothing:
 * a reset looks the same, so only an answer in a frame counts.
 */
import { decodeValue, encodeValue } from '../codec.ts'
import { asError, MooringError } from '../errors.ts'
import { encodeFrame, FrameDecoder } from '../framing.ts'
import { limits } from '../limits.ts'
import type { Clock } from './clock.ts'
import type { ByteStream, ByteStreamEvents } from './stream.ts'

/** What an unread frame takes in memory beside its bytes: two million frames of one byte are not two megabytes. */
const frameOverheadBytes = 128
/** Time that one stream's frames are worked on without a pause, in which nothing else of the process runs. */
const turnMs = 4

export interface ChannelInit {
  readonly clock: Clock
  /** @default limits.maxFrameBytes */
  readonly maxFrameBytes?: number
  /** Unread bytes above which the stream is ended as `lagging`. @default limits.maxBufferedBytes */
  readonly maxBufferedBytes?: number
}

export class Channel {
  readonly #stream: ByteStream
  readonly #clock: Clock
  readonly #decoder: FrameDecoder
  readonly #maxBufferedBytes: number
  readonly #queue: Uint8Array[] = []
  readonly #ended = new AbortController()
  #queuedBytes = 0
  #turnBeganMs = 0
  #readerClosed = false
  #remoteEnded = false
  #error: Error | undefined
  #readWaiters: (() => void)[] = []
  #drainWaiters: (() => void)[] = []
  #cancelDeadline: (() => void) | undefined
  #closing: Promise<void> | undefined

  constructor(stream: ByteStream, init: ChannelInit) {
    this.#stream = stream
    this.#clock = init.clock
    this.#decoder = new FrameDecoder({ maxFrameBytes: init.maxFrameBytes ?? limits.maxFrameBytes })
    this.#maxBufferedBytes = init.maxBufferedBytes ?? limits.maxBufferedBytes
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('drain', this.#onDrain)
    stream.addEventListener('remoteCloseWrite', this.#onRemoteClose)
    stream.addEventListener('close', this.#onClose)
    // A stream may have been refused before it was handed over; its events are not repeated. After a microtask, because
    // that is when bytes that arrived before the listener are handed over.
    queueMicrotask(() => {
      if (stream.remoteWriteStatus === 'closed') this.#onRemoteClose()
      if (stream.status !== undefined && stream.status !== 'open' && stream.status !== 'closing') this.#onClose()
    })
  }

  /** Aborts when nothing more can be sent; its reason is the error that ended the channel, if one did. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** Raises the frame limit, once a connection is welcomed. */
  set maxFrameBytes(value: number) {
    this.#decoder.maxFrameBytes = value
  }

  get unsentBytes(): number {
    return this.#stream.writeBufferLength
  }

  /** Sends one value as one frame. Never waits. @throws `connection-lost` once ended, `lagging` when the reader stopped */
  send(value: object): void {
    this.sendBody(encodeValue(value))
  }

  /** Sends an encoded value as one frame: what is said to many is encoded once. */
  sendBody(body: Uint8Array): void {
    if (this.#ended.signal.aborted) throw this.#failure()
    if (this.#stream.writeBufferLength > limits.maxUnsentBytes) {
      const error = new MooringError('lagging')
      this.abort(error)
      throw error
    }
    try {
      this.#stream.send(encodeFrame(body))
    } catch (cause) {
      this.abort(asError(cause))
      throw new MooringError('connection-lost', { cause })
    }
  }

  /** Waits until at most `maxBytes` are unsent. @throws when the channel ends first */
  async drained(maxBytes = 0): Promise<void> {
    while (this.#stream.writeBufferLength > maxBytes) {
      if (this.#ended.signal.aborted) throw this.#failure()
      await new Promise<void>((resolve) => this.#drainWaiters.push(resolve))
    }
    if (this.#ended.signal.aborted) throw this.#failure()
  }

  /** The next frame's bytes; undefined when the other side sends no more. @throws the error that ended the channel */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const frame = this.#queue.shift()
      if (frame !== undefined) {
        this.#queuedBytes -= frame.byteLength + frameOverheadBytes
        if (this.#queue.length > 0 && this.#clock.monotonicMs() - this.#turnBeganMs >= turnMs) await this.#pause()
        return frame
      }
      if (this.#error !== undefined) throw this.#failure()
      if (this.#readerClosed) return undefined
      await new Promise<void>((resolve) => this.#readWaiters.push(resolve))
      this.#turnBeganMs = this.#clock.monotonicMs()
    }
  }

  /**
   * Frames that are here already are handed out without waiting for anything but promises: a reader that is quick with
   * each of many would keep every other stream, timer and heartbeat of the process waiting.
   */
  async #pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#clock.after(0, resolve)
    })
    this.#turnBeganMs = this.#clock.monotonicMs()
  }

  /** The next frame decoded. @throws `malformed` */
  async nextValue(): Promise<unknown> {
    const frame = await this.next()
    return frame === undefined ? undefined : decodeValue(frame)
  }

  /** Ends the write side after what was sent, then both sides once the other has ended too or the time is up. */
  close(timeoutMs = 1_000): Promise<void> {
    // Shared: a second close that found the other side ended would drop what the first one is still sending.
    this.#closing ??= this.#close(timeoutMs)
    return this.#closing
  }

  async #close(timeoutMs: number): Promise<void> {
    if (this.#ended.signal.aborted) return
    const controller = new AbortController()
    const cancel = this.#clock.after(timeoutMs, () => controller.abort(new MooringError('timeout')))
    try {
      await this.#stream.close({ signal: controller.signal })
      controller.signal.addEventListener('abort', () => this.#wakeReaders(), { once: true })
      // Not before the other side has ended: a reset may overtake an answer that is still on its way.
      while (!this.#remoteEnded && !controller.signal.aborted) {
        await new Promise<void>((resolve) => this.#readWaiters.push(resolve))
      }
    } catch {
      // The stream ended while it was being closed: that is what was wanted.
    } finally {
      cancel()
      this.abort(new MooringError('connection-lost', { detail: 'closed on this side' }))
    }
  }

  /** Ends both sides at once and drops what is queued. */
  abort(error: Error): void {
    if (this.#ended.signal.aborted) return
    this.#error ??= error
    this.#finish()
    this.#stream.abort(error)
  }

  #failure(): MooringError {
    return this.#error instanceof MooringError
      ? this.#error
      : new MooringError('connection-lost', this.#error === undefined ? {} : { cause: this.#error })
  }

  // A throw inside an event listener of a stream would be an uncaught exception of the process: nothing escapes here.
  readonly #onMessage = (event: ByteStreamEvents['message']): void => {
    if (this.#ended.signal.aborted) return
    try {
      const frames = this.#decoder.push(event.data.subarray())
      for (const frame of frames) {
        this.#queue.push(frame)
        this.#queuedBytes += frame.byteLength + frameOverheadBytes
      }
      if (this.#queuedBytes > this.#maxBufferedBytes) throw new MooringError('lagging')
      this.#watchPartialFrame(frames.length > 0)
      this.#wakeReaders()
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  #watchPartialFrame(isNewFrame: boolean): void {
    if (isNewFrame || !this.#decoder.hasPartial) {
      this.#cancelDeadline?.()
      this.#cancelDeadline = undefined
    }
    // The deadline is of one frame: a fast sender may be inside some frame at every moment.
    if (this.#decoder.hasPartial) {
      this.#cancelDeadline ??= this.#clock.after(limits.frameDeadlineMs, () =>
        this.#fail(new MooringError('timeout', { detail: 'a frame was begun and not finished' })),
      )
    }
  }

  /** Stops reading but leaves the write side, so that the refusal can still be answered. */
  #fail(error: Error): void {
    this.#error ??= error
    this.#readerClosed = true
    this.#cancelDeadline?.()
    this.#stream.removeEventListener('message', this.#onMessage)
    this.#wakeReaders()
  }

  readonly #onRemoteClose = (): void => {
    this.#readerClosed = true
    this.#remoteEnded = true
    if (this.#decoder.hasPartial)
      this.#error ??= new MooringError('malformed', { detail: 'the stream ended inside a frame' })
    this.#cancelDeadline?.()
    this.#wakeReaders()
  }

  readonly #onDrain = (): void => this.#wakeWriters()

  readonly #onClose = (): void => this.#finish()

  #finish(): void {
    this.#readerClosed = true
    this.#remoteEnded = true
    this.#cancelDeadline?.()
    this.#stream.removeEventListener('message', this.#onMessage)
    if (!this.#ended.signal.aborted) this.#ended.abort(this.#failure())
    this.#wakeReaders()
    this.#wakeWriters()
  }

  #wakeReaders(): void {
    const waiters = this.#readWaiters
    this.#readWaiters = []
    for (const wake of waiters) wake()
  }

  #wakeWriters(): void {
    const waiters = this.#drainWaiters
    this.#drainWaiters = []
    for (const wake of waiters) wake()
  }
}
