/**
 * A stream between two simulated processes: bytes in order, in pieces, after a latency; one direction can stall, and the
 * whole can be lost at any byte. Keeps true what the real transports keep: nothing arrives within the call that sent it,
 * what is in flight is bounded, and a reset looks like a clean end.
 */
import { type ByteStream, type ByteStreamEvents, decodeValue, FrameDecoder } from '../../protocol/index.ts'
import type { SimClock } from './sim-clock.ts'
import type { SimRandom } from './sim-random.ts'

export interface SimFrame {
  readonly t: string
  readonly [field: string]: unknown
}

export interface StreamWeather {
  readonly clock: SimClock
  readonly random: SimRandom
  /** Usual and worst one-way delay. */
  readonly latencyMs: readonly [number, number]
  /** Told of each frame as it is handed to the transport, and as its last byte arrives. */
  onSent(from: SimEnd, frame: SimFrame, bytes: number): void
  onArrived(at: SimEnd, frame: SimFrame): void
}

/** In flight at most; what is beyond stays with the sender. */
const windowBytes = 192 * 1024

type Item = Uint8Array | 'end' | 'reset'
type Listener = (event: never) => void

export class SimEnd implements ByteStream {
  readonly side: 'plugin' | 'daemon'
  readonly #weather: StreamWeather
  readonly #listeners = new Map<string, Set<Listener>>()
  #other: SimEnd | undefined
  readonly #unsent: Item[] = []
  readonly #flight: Item[] = []
  #unsentBytes = 0
  #flightBytes = 0
  #lastArrivalMs = 0
  #stalledUntilMs = 0
  readonly #unread: Uint8Array[] = []
  #isWriteClosed = false
  #endSent = false
  #isRemoteClosed = false
  #isEnded = false
  /** Nothing leaves or enters any more, and this side may not know it yet. */
  #isSilent = false
  /** Frames on their way out, with the position of their last byte. */
  readonly #frames: { readonly endsAt: number; readonly frame: SimFrame }[] = []
  readonly #decoder = new FrameDecoder({ maxFrameBytes: 1 << 20 })
  #sentBytes = 0
  #arrivedBytes = 0

  constructor(side: 'plugin' | 'daemon', weather: StreamWeather) {
    this.side = side
    this.#weather = weather
  }

  static pair(weather: StreamWeather): [SimEnd, SimEnd] {
    const plugin = new SimEnd('plugin', weather)
    const daemon = new SimEnd('daemon', weather)
    plugin.#other = daemon
    daemon.#other = plugin
    return [plugin, daemon]
  }

  get writeBufferLength(): number {
    return this.#unsentBytes
  }

  get status(): string {
    return this.#isEnded ? 'closed' : 'open'
  }

  get remoteWriteStatus(): string {
    return this.#isRemoteClosed ? 'closed' : 'writable'
  }

  /** Whether bytes of this side wait or fly. */
  get isBusy(): boolean {
    return !this.#isSilent && !this.#isEnded && this.#unsent.length + this.#flight.length > 0
  }

  get isOver(): boolean {
    return this.#isEnded || this.#isSilent
  }

  send(bytes: Uint8Array): boolean {
    if (this.#isWriteClosed || this.#isEnded) throw new Error('the stream is closed for writing')
    const copy = Uint8Array.from(bytes)
    this.#sentBytes += copy.byteLength
    for (const body of this.#decoder.push(copy)) {
      const frame = decodeValue(body, { maxBytes: 1 << 20 }) as SimFrame
      this.#frames.push({ endsAt: this.#sentBytes, frame })
      this.#weather.onSent(this, frame, body.byteLength)
    }
    for (const piece of this.#pieces(copy)) {
      this.#unsent.push(piece)
      this.#unsentBytes += piece.byteLength
    }
    this.#pump()
    return this.#unsentBytes < 64 * 1024
  }

  async close(options: { signal?: AbortSignal } = {}): Promise<void> {
    if (this.#isWriteClosed || this.#isEnded) return
    this.#isWriteClosed = true
    this.#unsent.push('end')
    this.#pump()
    while (!this.#endSent && !this.#isEnded) {
      options.signal?.throwIfAborted()
      await new Promise<void>((resolve, reject) => {
        this.addEventListener('drain', () => resolve())
        this.addEventListener('close', () => resolve())
        options.signal?.addEventListener('abort', () => reject(options.signal?.reason), { once: true })
      })
    }
  }

  abort(_error: Error): void {
    if (this.#isEnded) return
    this.#unsent.length = 0
    this.#unsentBytes = 0
    // A reset may overtake what was sent before it.
    if (this.#weather.random.chance(0.5)) this.#clearFlight()
    this.#launch('reset')
    this.#end()
  }

  /** Nothing of this direction arrives for a while; nothing is lost. */
  stall(ms: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.#weather.clock.monotonicMs() + ms)
  }

  /**
   * The path between the two is gone. Some of what was in flight still arrives, the last of it perhaps in part.
   * Returns whether the loss was inside a frame.
   */
  lose(): boolean {
    if (this.#isSilent) return false
    const { random } = this.#weather
    let isInside = false
    for (let arrives = random.int(0, this.#flight.length); arrives > 0; arrives--) this.#arrive()
    const torn = this.#flight[0]
    if (torn instanceof Uint8Array && torn.byteLength > 1 && random.chance(0.5)) {
      this.#other?.receive(torn.subarray(0, random.int(1, torn.byteLength - 1)))
      isInside = true
    }
    this.#isSilent = true
    this.#clearFlight()
    return isInside
  }

  /** This side finds out that the path is gone. */
  notice(): void {
    this.#isSilent = true
    this.#remoteClosed()
    this.#end()
  }

  /** The process of this side is gone: it neither speaks nor hears. */
  vanish(): void {
    this.#isSilent = true
    this.#listeners.clear()
  }

  addEventListener<Type extends keyof ByteStreamEvents>(
    type: Type,
    listener: (event: ByteStreamEvents[Type]) => void,
  ): void {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners.add(listener))
    if (type === 'message' && this.#unread.length > 0) queueMicrotask(() => this.#deliverUnread())
  }

  removeEventListener<Type extends keyof ByteStreamEvents>(
    type: Type,
    listener: (event: ByteStreamEvents[Type]) => void,
  ): void {
    this.#listeners.get(type)?.delete(listener)
  }

  /** Bytes from the other side. */
  receive(bytes: Uint8Array): void {
    if (this.#isEnded || this.#isSilent) return
    this.#unread.push(bytes)
    this.#deliverUnread()
  }

  /** Mostly as they were written; sometimes cut, as a transport does. */
  *#pieces(bytes: Uint8Array): Generator<Uint8Array> {
    const { random } = this.#weather
    let rest = bytes
    while (rest.byteLength > 1 && (rest.byteLength > 64 * 1024 || random.chance(0.15))) {
      const length = Math.min(random.int(1, rest.byteLength - 1), 64 * 1024)
      yield rest.subarray(0, length)
      rest = rest.subarray(length)
    }
    yield rest
  }

  #pump(): boolean {
    let isPumped = false
    while (this.#flightBytes < windowBytes && !this.#isSilent) {
      const item = this.#unsent.shift()
      if (item === undefined) break
      isPumped = true
      if (item instanceof Uint8Array) this.#unsentBytes -= item.byteLength
      else this.#endSent = true
      this.#launch(item)
    }
    return isPumped
  }

  #launch(item: Item): void {
    const { clock, random, latencyMs } = this.#weather
    const nowMs = clock.monotonicMs()
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, nowMs + random.delay(...latencyMs))
    this.#flight.push(item)
    if (item instanceof Uint8Array) this.#flightBytes += item.byteLength
    clock.after(this.#lastArrivalMs - nowMs, () => this.#land())
  }

  /** Whatever has flown longest lands: a stall must not change the order. */
  #land(): void {
    const waitMs = this.#stalledUntilMs - this.#weather.clock.monotonicMs()
    if (waitMs > 0) {
      this.#weather.clock.after(waitMs, () => this.#land())
      return
    }
    this.#arrive()
    if (this.#pump() || this.#endSent) this.#emit('drain', undefined)
  }

  #arrive(): void {
    const item = this.#flight.shift()
    const other = this.#other
    if (item === undefined || other === undefined || this.#isSilent) return
    if (item === 'reset') {
      other.#remoteClosed()
      other.#end()
      return
    }
    if (item === 'end') {
      other.#remoteClosed()
      if (this.#isRemoteClosed) this.#end()
      return
    }
    this.#flightBytes -= item.byteLength
    this.#arrivedBytes += item.byteLength
    while ((this.#frames[0]?.endsAt ?? Number.POSITIVE_INFINITY) <= this.#arrivedBytes) {
      const frame = this.#frames.shift()?.frame
      if (frame !== undefined && !other.isOver) this.#weather.onArrived(other, frame)
    }
    other.receive(item)
  }

  #deliverUnread(): void {
    while (this.#unread.length > 0 && (this.#listeners.get('message')?.size ?? 0) > 0) {
      const bytes = this.#unread.shift() ?? new Uint8Array(0)
      this.#emit('message', { data: { subarray: () => bytes } })
    }
  }

  #remoteClosed(): void {
    if (this.#isRemoteClosed || this.#isEnded) return
    this.#isRemoteClosed = true
    this.#emit('remoteCloseWrite', undefined)
    if (this.#endSent) this.#end()
  }

  #clearFlight(): void {
    this.#flight.length = 0
    this.#flightBytes = 0
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#isRemoteClosed = true
    this.#emit('close', undefined)
  }

  #emit<Type extends keyof ByteStreamEvents>(type: Type, event: ByteStreamEvents[Type]): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      ;(listener as (event: ByteStreamEvents[Type]) => void)(event)
    }
  }
}
