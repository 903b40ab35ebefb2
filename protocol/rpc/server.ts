/**
 * Serves one stream of a call protocol: size (the channel), then shape, then permission, then work, and an answer to
 * every call whatever happens. Identity is in the context, which the listener makes from the connection.
 */
import { decodeValue, encodeValue } from '../codec.ts'
import { type Handlers, type Op, parseFrame, type RpcProtocol, validate } from '../define.ts'
import { asError, MooringError, toWireError } from '../errors.ts'
import { limits } from '../limits.ts'
import type { Channel } from './channel.ts'
import type { Clock } from './clock.ts'
import { type CallerFrame, rpcFrames } from './frames.ts'

export interface ServeInit<P extends RpcProtocol, Context> {
  readonly protocol: P
  readonly handlers: Handlers<P, Context>
  readonly channel: Channel
  readonly context: Context
  readonly clock: Clock
  /** Asked for every call before the operation is even looked up: throws what an unwelcomed caller is told. */
  admit?(op: string): void
  /** Asked for every well-formed call before its handler runs. @throws `grant-missing` and the like */
  authorise?(name: string, op: Op, input: unknown): void
  /** A sign of life. */
  onBeat?(): void
  /** A failure that is our own: the caller is told `internal`, the log gets the cause. */
  onInternal?(error: Error, op: string): void
}

// The handler's own type is checked where the table of handlers is made; here only the call matters.
type AnyHandler = (input: unknown, context: unknown) => unknown

/** Runs until the stream ends; never throws. Handlers still running when it ends are told through their signal. */
export async function serveCalls<P extends RpcProtocol, Context extends object>(
  init: ServeInit<P, Context>,
): Promise<void> {
  const { channel } = init
  const open = new Map<number, AbortController>()
  let streaming = false

  const answerError = (id: number, error: unknown, op: string): void => {
    if (!(error instanceof MooringError)) init.onInternal?.(asError(error), op)
    try {
      if (!channel.ended.aborted) channel.send({ t: 'error', id, ...toWireError(error) })
    } catch {
      // The caller stopped reading or is gone. A throw here would be an unhandled rejection, which ends the process.
    }
  }

  /** Our own value that cannot be sent is our fault, not the caller's. */
  const answer = (
    frame: { t: 'result'; id: number; output: unknown } | { t: 'item'; id: number; value: unknown },
  ): void => {
    let body: Uint8Array
    try {
      body = encodeValue(frame)
    } catch (cause) {
      throw new Error('the answer cannot be encoded', { cause })
    }
    channel.sendBody(body)
  }

  const run = async (frame: CallerFrame & { t: 'call' }): Promise<void> => {
    const controller = new AbortController()
    const cancelTimeout = init.clock.after(frame.timeoutMs ?? limits.callTimeoutMs, () => {
      if (!streaming || frame.timeoutMs !== undefined) controller.abort(new MooringError('timeout'))
    })
    open.set(frame.id, controller)
    try {
      init.admit?.(frame.op)
      const op = (
        Object.hasOwn(init.protocol.ops, frame.op) ? init.protocol.ops[frame.op as `${string}.${string}`] : undefined
      ) as Op | undefined
      if (op === undefined) throw new MooringError('unknown-op')
      const input = validate(op.input, frame.input)
      init.authorise?.(frame.op, op, input)
      const handler = (init.handlers as Record<string, AnyHandler>)[frame.op]
      if (handler === undefined) throw new MooringError('unknown-op')
      const context = { ...init.context, signal: controller.signal }
      if (op.kind === 'unary') {
        const output = await untilAborted(Promise.resolve(handler(input, context)), controller.signal)
        answer({ t: 'result', id: frame.id, output: output ?? null })
      } else {
        if (open.size > 1) throw new MooringError('too-many-calls', { detail: 'a streaming call needs its own stream' })
        streaming = true
        for await (const value of untilEnded(handler(input, context) as AsyncIterable<unknown>, controller.signal)) {
          answer({ t: 'item', id: frame.id, value: value ?? null })
          await channel.drained(limits.maxFrameBytes)
        }
        if (!channel.ended.aborted) channel.send({ t: 'end', id: frame.id })
      }
    } catch (error) {
      // A cancelled call is answered with the reason of its signal, whatever the handler made of it.
      if (!channel.ended.aborted)
        answerError(frame.id, controller.signal.aborted ? controller.signal.reason : error, frame.op)
    } finally {
      cancelTimeout()
      open.delete(frame.id)
      if (streaming) await channel.close()
    }
  }

  try {
    for (;;) {
      const bytes = await channel.next()
      if (bytes === undefined) break
      const frame = parseFrame(rpcFrames.dialler, decodeValue(bytes)) as CallerFrame
      if (frame.t === 'beat') init.onBeat?.()
      else if (frame.t === 'cancel') open.get(frame.id)?.abort(new MooringError('cancelled'))
      else if (open.has(frame.id)) throw new MooringError('malformed', { detail: 'the call id is in use' })
      else if (streaming || open.size >= limits.maxOpenCalls)
        answerError(frame.id, new MooringError('too-many-calls'), frame.op)
      else void run(frame)
    }
  } catch (error) {
    if (!channel.ended.aborted) {
      answerError(0, error, '')
      await channel.close()
    }
  } finally {
    // The end of a stream says nothing about whether its calls took effect; it does say that nobody waits for them.
    for (const controller of open.values()) controller.abort(new MooringError('connection-lost'))
    // Also when a handler ignores its signal: a stream that is never closed keeps its slot on the connection.
    await channel.close()
  }
}

/** The items until the signal aborts, also when the source is stuck; the source is told to end and not waited for. */
async function* untilEnded(items: AsyncIterable<unknown>, signal: AbortSignal): AsyncGenerator<unknown> {
  const source = items[Symbol.asyncIterator]()
  try {
    for (;;) {
      const step = await untilAborted(source.next(), signal)
      if (step.done === true) return
      yield step.value
    }
  } finally {
    source.return?.()?.catch(() => {})
  }
}

/** Settles with the work, or with the signal's reason, whichever is first. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason)
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
