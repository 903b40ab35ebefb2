/**
 * Two byte streams that are connected in memory, for tests without a network. They behave like streams of the network
 * in what a protocol can rely on: bytes arrive in order and never within the call that sent them, in pieces that have
 * nothing to do with the writes, and a reset looks to the other side like a clean end.
 */
import type { ByteStream, ByteStreamEvents } from '../protocol/index.ts'

export interface StreamPairInit {
  /** Bytes of one delivered piece. @default all that is there */
  readonly pieceBytes?: number
  /** Unsent bytes from which `send` asks to wait for `drain`. @default 64 KiB */
  readonly highWaterBytes?: number
}

type Listener = (event: never) => void

/** One end. `hold` stops it from sending, as a slow network or a reader that does not read would. */
export class MemoryStream implements ByteStream {
  readonly #init: StreamPairInit
  readonly #listeners = new Map<string, Set<Listener>>()
  #other: MemoryStream | undefined
  #unsent: Uint8Array[] = []
  #unsentBytes = 0
  readonly #unread: Uint8Array[] = []
  #isHeld = false
  #isPumping = false
  #isWriteClosed = false
  #endSent = false
  #isRemoteClosed = false
  #isEnded = false

  constructor(init: StreamPairInit) {
    this.#init = init
  }

  static connect(one: MemoryStream, two: MemoryStream): void {
    one.#other = two
    two.#other = one
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

  send(bytes: Uint8Array): boolean {
    if (this.#isWriteClosed || this.#isEnded) throw new Error('the stream is closed for writing')
    if (bytes.byteLength > 0) {
      // Copied, as a transport does: the caller may use its buffer again.
      this.#unsent.push(bytes.slice())
      this.#unsentBytes += bytes.byteLength
    }
    this.#pump()
    return this.#unsentBytes < (this.#init.highWaterBytes ?? 64 * 1024)
  }

  /** Stops sending until {@link release}; what is written meanwhile stays unsent. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
    this.#pump()
  }

  async close(options: { signal?: AbortSignal } = {}): Promise<void> {
    if (this.#isWriteClosed || this.#isEnded) return
    this.#isWriteClosed = true
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
    const other = this.#other
    this.#end()
    queueMicrotask(() => {
      if (other !== undefined) other.#reset()
    })
  }

  addEventListener<Type extends keyof ByteStreamEvents>(
    type: Type,
    listener: (event: ByteStreamEvents[Type]) => void,
  ): void {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners)
    listeners.add(listener)
    if (type === 'message' && this.#unread.length > 0) queueMicrotask(() => this.#deliverUnread())
  }

  removeEventListener<Type extends keyof ByteStreamEvents>(
    type: Type,
    listener: (event: ByteStreamEvents[Type]) => void,
  ): void {
    this.#listeners.get(type)?.delete(listener)
  }

  #emit<Type extends keyof ByteStreamEvents>(type: Type, event: ByteStreamEvents[Type]): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      ;(listener as (event: ByteStreamEvents[Type]) => void)(event)
    }
  }

  /** One piece a microtask: a timer would make tests depend on the load of the machine. */
  #pump(): void {
    if (this.#isPumping || this.#isHeld || this.#isEnded) return
    if (this.#unsentBytes === 0 && (!this.#isWriteClosed || this.#endSent)) return
    this.#isPumping = true
    queueMicrotask(() => {
      this.#isPumping = false
      if (this.#isHeld || this.#isEnded) return
      this.#sendPiece()
      this.#emit('drain', undefined)
      this.#pump()
    })
  }

  #sendPiece(): void {
    if (this.#unsentBytes > 0) {
      const all = Buffer.concat(this.#unsent)
      const piece = all.subarray(0, this.#init.pieceBytes ?? all.byteLength)
      const rest = all.subarray(piece.byteLength)
      this.#unsent = rest.byteLength === 0 ? [] : [rest]
      this.#unsentBytes = rest.byteLength
      if (this.#other !== undefined) this.#other.#deliver(Uint8Array.from(piece))
    }
    if (this.#unsentBytes === 0 && this.#isWriteClosed && !this.#endSent) {
      this.#endSent = true
      if (this.#other !== undefined) this.#other.#remoteClosed()
      if (this.#isRemoteClosed) this.#end()
    }
  }

  #deliver(bytes: Uint8Array): void {
    if (this.#isEnded) return
    this.#unread.push(bytes)
    this.#deliverUnread()
  }

  /** What arrives before anyone listens waits, as it does on a stream of the network. */
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

  #reset(): void {
    this.#remoteClosed()
    this.#end()
  }

  #end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#isRemoteClosed = true
    this.#unsent = []
    this.#unsentBytes = 0
    this.#emit('close', undefined)
  }
}

/** Two connected streams, by convention the dialler's and the listener's. */
export function createStreamPair(init: StreamPairInit = {}): [MemoryStream, MemoryStream] {
  const dialler = new MemoryStream(init)
  const listener = new MemoryStream(init)
  MemoryStream.connect(dialler, listener)
  return [dialler, listener]
}
