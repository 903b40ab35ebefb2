/**
 * Calls a protocol over byte streams: unary calls share one stream and are told apart by id, a streaming call has a
 * stream of its own. Every call ends: with its answer, its deadline, its signal or the end of its stream.
 */
import { decodeValue } from '../codec.ts'
import { type CallOptions, type Client, type Op, parseFrame, type RpcProtocol, validate } from '../define.ts'
import { fromWireError, MooringError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Channel } from './channel.ts'
import type { Clock } from './clock.ts'
import { type AnswerFrame, rpcFrames } from './frames.ts'

export interface CallerInit {
  readonly clock: Clock
  /** Opens a new stream of the protocol. */
  openChannel(signal?: AbortSignal): Promise<Channel>
}

interface Waiting {
  resolve(output: unknown): void
  reject(error: Error): void
}

/** The calling end of one connection. Not typed by a protocol: {@link createClient} does that. */
export class Caller {
  readonly #init: CallerInit
  readonly #waiting = new Map<number, Waiting>()
  #unary: Promise<Channel> | undefined
  #lastId = 0
  #closed = false

  constructor(init: CallerInit) {
    this.#init = init
  }

  /** @throws what the other side answered, `timeout`, `cancelled`, `connection-lost`, `invalid-input` before sending */
  async call(name: string, op: Op, input: unknown, options: CallOptions = {}): Promise<unknown> {
    if (op.kind !== 'unary') throw new MooringError('internal', { detail: `${name} is a streaming operation` })
    const checked = validate(op.input, input)
    const timeoutMs = options.timeoutMs ?? limits.callTimeoutMs
    throwIfCancelled(options.signal)
    const id = ++this.#lastId
    const answer = Promise.withResolvers<unknown>()
    // The deadline and the signal may end the call while its stream is still being opened, when nobody awaits it yet.
    answer.promise.catch(() => {})
    let channel: Channel | undefined
    const giveUp = (error: MooringError): void => {
      answer.reject(error)
      if (this.#waiting.delete(id) && channel !== undefined) sayIfPossible(channel, { t: 'cancel', id })
    }
    const onAbort = (): void => giveUp(new MooringError('cancelled'))
    const cancelTimer = this.#init.clock.after(timeoutMs, () => giveUp(new MooringError('timeout', { detail: name })))
    options.signal?.addEventListener('abort', onAbort, { once: true })
    this.#waiting.set(id, answer)
    try {
      channel = await Promise.race([this.#unaryChannel(), answer.promise.then(() => undefined)])
      // An end of the stream before this line has settled every waiting call.
      if (channel !== undefined && this.#waiting.has(id)) {
        channel.send({ t: 'call', id, op: name, input: checked, timeoutMs })
      }
      return validateAnswer(op.output, await answer.promise)
    } finally {
      this.#waiting.delete(id)
      cancelTimer()
      options.signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Ending the loop over the items cancels the call. */
  async *stream(
    name: string,
    op: Op,
    input: unknown,
    options: CallOptions = {},
  ): AsyncGenerator<unknown, void, undefined> {
    if (op.kind !== 'stream') throw new MooringError('internal', { detail: `${name} is not a streaming operation` })
    const checked = validate(op.input, input)
    throwIfCancelled(options.signal)
    const opening = new AbortController()
    let channel: Channel | undefined
    let failure: MooringError | undefined
    const stop = (error: MooringError): void => {
      failure ??= error
      opening.abort(error)
      if (channel !== undefined && !channel.ended.aborted) channel.abort(error)
    }
    const onAbort = (): void => stop(new MooringError('cancelled'))
    const cancelTimer =
      options.timeoutMs === undefined
        ? () => {}
        : this.#init.clock.after(options.timeoutMs, () => stop(new MooringError('timeout', { detail: name })))
    options.signal?.addEventListener('abort', onAbort, { once: true })
    try {
      channel = await this.#init.openChannel(opening.signal)
      if (failure !== undefined) throw failure
      const { timeoutMs } = options
      channel.send({ t: 'call', id: 1, op: name, input: checked, ...(timeoutMs === undefined ? {} : { timeoutMs }) })
      for (;;) {
        const bytes = await channel.next()
        // Without an `end` frame nothing was promised: a reset looks like a clean end.
        if (bytes === undefined) throw new MooringError('connection-lost')
        const frame = parseFrame(rpcFrames.listener, decodeValue(bytes)) as AnswerFrame
        if (frame.t === 'item') yield validateAnswer(op.item, frame.value)
        else if (frame.t === 'end') return
        else if (frame.t === 'error') throw fromWireError(frame)
        else throw new MooringError('malformed', { detail: 'a result on a streaming call' })
      }
    } catch (error) {
      throw failure ?? error
    } finally {
      cancelTimer()
      options.signal?.removeEventListener('abort', onAbort)
      stop(new MooringError('cancelled'))
    }
  }

  /** A sign of life on the unary stream. */
  async beat(): Promise<void> {
    const channel = await this.#unaryChannel()
    channel.send({ t: 'beat' })
  }

  /** Ends the unary stream and every waiting call. */
  async close(): Promise<void> {
    this.#closed = true
    const channel = await this.#unary?.catch(() => undefined)
    await channel?.close()
  }

  #unaryChannel(): Promise<Channel> {
    if (this.#closed) return Promise.reject(new MooringError('connection-lost'))
    if (this.#unary === undefined) {
      const opening = this.#init.openChannel()
      this.#unary = opening
      opening.then(
        (channel) => void this.#readAnswers(channel),
        () => {
          this.#unary = undefined
        },
      )
    }
    return this.#unary
  }

  async #readAnswers(channel: Channel): Promise<void> {
    let reason: Error = new MooringError('connection-lost')
    try {
      for (;;) {
        const bytes = await channel.next()
        if (bytes === undefined) break
        const frame = parseFrame(rpcFrames.listener, decodeValue(bytes)) as AnswerFrame
        if (frame.t === 'error' && frame.id === 0) throw fromWireError(frame)
        const waiting = this.#waiting.get(frame.id)
        // An answer nobody waits for is late: its call was cancelled or timed out.
        if (waiting === undefined) continue
        this.#waiting.delete(frame.id)
        if (frame.t === 'result') waiting.resolve(frame.output)
        else if (frame.t === 'error') waiting.reject(fromWireError(frame))
        else waiting.reject(new MooringError('malformed', { detail: 'an item on a unary call' }))
      }
    } catch (error) {
      if (error instanceof MooringError) reason = error
    } finally {
      this.#unary = undefined
      for (const waiting of this.#waiting.values()) waiting.reject(reason)
      this.#waiting.clear()
      channel.abort(reason)
    }
  }
}

/** What a client calls through: a {@link Caller}, or something that finds the caller of the moment. */
export type Calls = Pick<Caller, 'call' | 'stream'>

/** The typed client of a protocol: nothing is written per operation. */
export function createClient<P extends RpcProtocol>(protocol: P, caller: Calls): Client<P> {
  const client: Record<string, Record<string, unknown>> = {}
  for (const [name, anyOp] of Object.entries(protocol.ops)) {
    const op = anyOp as Op
    const [area = '', verb = ''] = name.split('.')
    client[area] ??= {}
    client[area][verb] =
      op.kind === 'unary'
        ? (input: unknown, options?: CallOptions) => caller.call(name, op, input, options)
        : (input: unknown, options?: CallOptions) => caller.stream(name, op, input, options)
  }
  return client as Client<P>
}

/** A cancel is a courtesy, and it is sent from timers and listeners, where a throw would end the process. */
function sayIfPossible(channel: Channel, frame: object): void {
  try {
    if (!channel.ended.aborted) channel.send(frame)
  } catch {
    // The stream ended meanwhile, which cancels every call on it.
  }
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new MooringError('cancelled')
}

/** An answer of the wrong shape is the other side's fault, not the caller's. */
function validateAnswer(schema: Op['input'], value: unknown): unknown {
  try {
    return validate(schema, value)
  } catch (error) {
    if (error instanceof MooringError)
      throw new MooringError('malformed', { detail: `the answer: ${error.detail ?? ''}` })
    throw error
  }
}
