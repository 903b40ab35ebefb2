/**
 * Calls of a plugin that outlive its connections. Keeps true: a call that was not sent waits for the next connection
 * until its deadline; a call that was sent is never sent again by itself, because it may have taken effect.
 */
import { type CallOptions, type Calls, type Clock, limits, MooringError, type Op, validate } from '../protocol/index.ts'

interface Waiting {
  resolve(calls: Calls): void
  reject(error: MooringError): void
}

export class LastingCalls implements Calls {
  readonly #clock: Clock
  readonly #waiting = new Set<Waiting>()
  #current: Calls | undefined
  #stopped: MooringError | undefined

  constructor(init: { readonly clock: Clock }) {
    this.#clock = init.clock
  }

  /** How many calls wait for a connection. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** From now on calls go here; undefined while there is no connection. */
  use(calls: Calls | undefined): void {
    this.#current = calls
    if (calls === undefined) return
    for (const waiting of this.#waiting) waiting.resolve(calls)
    this.#waiting.clear()
  }

  /** Refuses what waits and everything after it. */
  stop(): void {
    this.#current = undefined
    this.#stopped = new MooringError('connection-lost', { detail: 'not sent: the plugin has stopped' })
    for (const waiting of this.#waiting) waiting.reject(this.#stopped)
    this.#waiting.clear()
  }

  async call(name: string, op: Op, input: unknown, options: CallOptions = {}): Promise<unknown> {
    const timeoutMs = options.timeoutMs ?? limits.callTimeoutMs
    const startedMs = this.#clock.monotonicMs()
    const calls = this.#current ?? (await this.#connected(op, input, options.signal, timeoutMs))
    const leftMs = Math.max(1, Math.floor(timeoutMs - (this.#clock.monotonicMs() - startedMs)))
    return calls.call(name, op, input, { ...options, timeoutMs: leftMs })
  }

  async *stream(
    name: string,
    op: Op,
    input: unknown,
    options: CallOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    const calls = this.#current ?? (await this.#connected(op, input, options.signal, options.timeoutMs))
    yield* calls.stream(name, op, input, options)
  }

  async #connected(
    op: Op,
    input: unknown,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
  ): Promise<Calls> {
    // A mistake of the author shows at once, not when the daemon is back.
    validate(op.input, input)
    if (signal?.aborted) throw new MooringError('cancelled')
    if (this.#stopped !== undefined) throw this.#stopped
    const waiting = Promise.withResolvers<Calls>()
    const onAbort = (): void => waiting.reject(new MooringError('cancelled'))
    const onTimeout = (): void =>
      waiting.reject(new MooringError('connection-lost', { detail: `not sent: no connection within ${timeoutMs} ms` }))
    const cancelTimer = timeoutMs === undefined ? () => {} : this.#clock.after(timeoutMs, onTimeout)
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#waiting.add(waiting)
    try {
      return await waiting.promise
    } finally {
      this.#waiting.delete(waiting)
      cancelTimer()
      signal?.removeEventListener('abort', onAbort)
    }
  }
}
