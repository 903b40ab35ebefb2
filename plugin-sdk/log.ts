/**
 * Log lines of a plugin on their way to the daemon's log. Best effort by design: a line never fails, never waits and
 * never takes more memory than a fixed number of lines; what did not fit is counted and the count is told.
 */
import { type Clock, limits, MooringError } from '../protocol/index.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
/** Where lines go on this side too, as text. */
export type LogSink = (level: LogLevel, text: string) => void

interface Line {
  readonly level: LogLevel
  readonly text: string
}

/** Ten seconds at the full rate; enough for a short outage. */
const maxQueuedLines = 1_000
const windowMs = 1_000

export interface LogForwarderInit {
  readonly clock: Clock
  /** Sends one line. May reject. */
  write(line: Line): Promise<unknown>
  readonly sink?: LogSink | undefined
}

export class LogForwarder {
  readonly #init: LogForwarderInit
  readonly #queue: Line[] = []
  #dropped = 0
  #isSending = false
  #isStopped = false
  #windowStartMs = Number.NEGATIVE_INFINITY
  #sentInWindow = 0
  #idleWaiters: (() => void)[] = []

  constructor(init: LogForwarderInit) {
    this.#init = init
  }

  add(level: LogLevel, text: unknown): void {
    // A lone surrogate cannot be encoded; half a pair may be left over by the cut.
    const line = { level, text: textOf(text).slice(0, limits.maxLogLineChars).toWellFormed() }
    try {
      this.#init.sink?.(level, line.text)
    } catch {
      // A sink that fails must not take the plugin with it, and there is nowhere to say so.
    }
    if (this.#isStopped) return
    if (this.#queue.length >= maxQueuedLines) this.#dropped++
    else this.#queue.push(line)
    if (!this.#isSending) void this.#send()
  }

  /** Resolves when nothing is on its way. */
  async flushed(): Promise<void> {
    while (this.#isSending) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve))
  }

  /** Drops what is queued. */
  stop(): void {
    this.#isStopped = true
    this.#queue.length = 0
  }

  async #send(): Promise<void> {
    this.#isSending = true
    for (;;) {
      const line = this.#next()
      if (line === undefined) break
      await this.#waitForRoom()
      for (
        let waitMs = await this.#try(line);
        waitMs !== undefined && !this.#isStopped;
        waitMs = await this.#try(line)
      ) {
        await this.#pause(waitMs)
      }
    }
    this.#isSending = false
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const wake of waiters) wake()
  }

  #next(): Line | undefined {
    if (this.#isStopped) return undefined
    const line = this.#queue.shift()
    if (line !== undefined || this.#dropped === 0) return line
    const text = `${this.#dropped} log lines did not fit and were dropped`
    this.#dropped = 0
    return { level: 'warn', text }
  }

  /** How long to wait before the line is tried again; undefined when it is done with, sent or not. */
  async #try(line: Line): Promise<number | undefined> {
    try {
      await this.#init.write(line)
    } catch (error) {
      if (error instanceof MooringError && error.code === 'rate-limited') return error.retryAfterMs ?? windowMs
    }
    return undefined
  }

  /** Keeps to the rate that the daemon allows, so that honest lines are not refused one by one. */
  async #waitForRoom(): Promise<void> {
    const nowMs = this.#init.clock.monotonicMs()
    if (nowMs - this.#windowStartMs >= windowMs) {
      this.#windowStartMs = nowMs
      this.#sentInWindow = 0
    } else if (this.#sentInWindow >= limits.maxLogLinesPerSecond) {
      await this.#pause(this.#windowStartMs + windowMs - nowMs)
      this.#windowStartMs = this.#init.clock.monotonicMs()
      this.#sentInWindow = 0
    }
    this.#sentInWindow++
  }

  #pause(ms: number): Promise<void> {
    return new Promise<void>((resolve) => this.#init.clock.after(ms, resolve))
  }
}

/** Authors log what they have; a value whose text cannot be made is no reason to throw. */
function textOf(value: unknown): string {
  try {
    return value instanceof Error ? (value.stack ?? value.message) : String(value)
  } catch {
    return 'a value without a text'
  }
}
