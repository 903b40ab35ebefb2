/** Waiting with an end. Everything that another side or a native library answers is awaited through here. */
import { type Clock, MooringError } from '../protocol/index.ts'

export interface WithinOptions<T> {
  readonly clock: Clock
  readonly timeoutMs: number
  /** What timed out, for the detail of the error. */
  readonly what: string
  /** Gives up early, with the reason of the signal. */
  readonly signal?: AbortSignal
  /** Gets a result that nobody waits for any more, so that it can be closed. */
  onLate?(value: T): void
}

/** @throws `timeout` when the work takes longer; what the work threw; the reason of the signal */
export function within<T>(work: Promise<T>, options: WithinOptions<T>): Promise<T> {
  const { clock, timeoutMs, what, signal, onLate } = options
  return new Promise<T>((resolve, reject) => {
    let isLate = false
    const end = (settle: () => void): void => {
      cancelTimer()
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    const giveUp = (error: unknown): void => {
      isLate = true
      end(() => reject(error))
    }
    const onAbort = (): void => giveUp(signal?.reason)
    const cancelTimer = clock.after(timeoutMs, () =>
      giveUp(new MooringError('timeout', { detail: `${what} took more than ${timeoutMs} ms` })),
    )
    work.then(
      (value) => {
        if (isLate) onLate?.(value)
        else end(() => resolve(value))
      },
      (error) => {
        if (!isLate) end(() => reject(error))
      },
    )
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Leaves no listener behind: the signal of a plugin lives through thousands of connections. */
export async function whenAnyAborted(...signals: AbortSignal[]): Promise<void> {
  if (signals.some((signal) => signal.aborted)) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const onAbort = (): void => resolve()
  for (const signal of signals) signal.addEventListener('abort', onAbort)
  await promise
  for (const signal of signals) signal.removeEventListener('abort', onAbort)
}
