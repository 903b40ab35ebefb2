/**
 * The processes of a run. Keeps true: every one that was started is known by its id and is killed when the run ends,
 * however it ends; nobody else's process is touched.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const running = new Set<Child>()

/** For the end of the bench process itself, where nothing can be awaited. */
export function killAll(): void {
  for (const child of running) child.kill()
}

/** A call that did not answer in time. */
export class TimeLimit extends Error {}

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** A Node process that may say it is ready over its channel, and answers one JSON line with one JSON line. */
export class Child {
  readonly pid: number
  readonly exited: Promise<void>
  readonly #process: ChildProcess
  readonly #ready: Promise<unknown>
  readonly #calls = new Map<number, Waiting>()
  #nextId = 1
  #errors = ''
  #hasExited = false

  constructor(script: URL, args: readonly string[], env: Readonly<Record<string, string | undefined>>) {
    const child = spawn(process.execPath, [fileURLToPath(script), ...args], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
    })
    this.#process = child
    this.pid = child.pid ?? 0
    running.add(this)
    this.#ready = new Promise((resolve) => child.once('message', resolve))
    this.exited = new Promise((resolve) => {
      child.once('close', () => {
        this.#hasExited = true
        running.delete(this)
        for (const { reject } of this.#calls.values()) reject(this.#failure())
        this.#calls.clear()
        resolve()
      })
    })
    child.once('error', () => {})
    // A process that is gone is noticed by its end, not by a write to it.
    child.stdin?.on('error', () => {})
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors = `${this.#errors}${chunk.toString()}`.slice(-2_000)
    })
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => this.#answer(line))
  }

  /** What the process said first over its channel. */
  async ready(): Promise<Readonly<Record<string, unknown>>> {
    const message = await Promise.race([this.#ready, this.exited])
    if (!isObject(message) || message.kind !== 'ready') {
      throw new Error(`a server did not start: ${JSON.stringify(message)} ${this.#errors}`)
    }
    return message
  }

  /** @throws {@link TimeLimit}, or what the other process threw */
  async call(command: string, input: object, timeoutMs: number): Promise<unknown> {
    if (this.#hasExited) throw this.#failure()
    const id = this.#nextId++
    const answer = new Promise<unknown>((resolve, reject) => this.#calls.set(id, { resolve, reject }))
    const timer = setTimeout(() => {
      this.#calls.get(id)?.reject(new TimeLimit(`not done within ${Math.round(timeoutMs / 1_000)} s`))
      this.#calls.delete(id)
    }, timeoutMs)
    this.#process.stdin?.write(`${JSON.stringify({ id, command, input })}\n`)
    try {
      return await answer
    } finally {
      clearTimeout(timer)
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#hasExited) this.#process.kill(signal)
  }

  kill(): void {
    this.signal('SIGKILL')
  }

  #answer(line: string): void {
    if (!line.startsWith('{"id":')) return
    const { id, result, error } = JSON.parse(line) as { id: number; result?: unknown; error?: string }
    const waiting = this.#calls.get(id)
    this.#calls.delete(id)
    if (error === undefined) waiting?.resolve(result)
    else waiting?.reject(new Error(error))
  }

  #failure(): Error {
    return new Error(`a process ended (${this.#process.signalCode ?? this.#process.exitCode}): ${this.#errors}`)
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null
