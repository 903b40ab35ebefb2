/**
 * A process of a campaign: told what to do in lines, says in lines what happened. Keeps: every wait for it has a deadline,
 * and one that fails says what the process said last.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface ChildInit {
  /** A TypeScript file, run by the Node that runs this. */
  readonly script: URL
  readonly args?: readonly string[]
  /** Options of Node, before the script. */
  readonly nodeArgs?: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  /** A program, with its arguments, that runs Node. */
  readonly under?: readonly string[]
}

const defaultWaitMs = 60_000
/** Lines that are kept: a process under load says thousands. */
const maxKeptLines = 20_000

export class Child {
  readonly pid: number
  /** The exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>
  /** The first message over the channel to its parent; undefined when it ended without one. */
  readonly reported: Promise<unknown>
  readonly #process: ChildProcess
  readonly #watchers = new Set<(line: string) => void>()
  readonly #wakes = new Set<() => void>()
  #lines: string[] = []
  #errors = ''
  #hasExited = false

  constructor({ script, args = [], nodeArgs = [], env = {}, under = [] }: ChildInit) {
    const command = [...under, process.execPath, ...nodeArgs, fileURLToPath(script), ...args]
    const child = spawn(command[0] ?? '', command.slice(1), {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
    })
    this.#process = child
    this.pid = child.pid ?? 0
    this.exited = new Promise((resolve) => child.once('close', (code) => resolve(code)))
    this.reported = Promise.race([
      new Promise((resolve) => child.once('message', resolve)),
      this.exited.then(() => undefined),
    ])
    child.once('error', (error) => {
      this.#errors += error.message
    })
    // A process that is gone is noticed by its end, not by a write to it.
    child.stdin?.on('error', () => {})
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors = `${this.#errors}${chunk.toString()}`.slice(-4_000)
    })
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => this.#heard(line))
    void this.exited.then(() => {
      this.#hasExited = true
      this.#wake()
    })
  }

  get lines(): readonly string[] {
    return this.#lines
  }

  get hasExited(): boolean {
    return this.#hasExited
  }

  send(line: string): void {
    this.#process.stdin?.write(`${line}\n`)
  }

  /** Says that nothing more will be sent. */
  end(): void {
    this.#process.stdin?.end()
  }

  /** Called for every line from now on. */
  onLine(watcher: (line: string) => void): void {
    this.#watchers.add(watcher)
  }

  /** Forgets what was said, so that the next wait is for something new. */
  forget(): void {
    this.#lines = []
  }

  /** The first line that begins with a text. */
  async line(start: string, timeoutMs = defaultWaitMs): Promise<string> {
    let found: string | undefined
    await this.until(
      () => {
        found = this.#lines.find((line) => line.startsWith(start))
        return found !== undefined
      },
      `the line ${start}`,
      timeoutMs,
    )
    return found ?? ''
  }

  /** Waits until something holds, looking after each line. @throws when the process ends before, or time is up */
  async until(isTrue: () => boolean, what: string, timeoutMs = defaultWaitMs): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs
    while (!isTrue()) {
      if (this.#hasExited) throw new Error(`a process ended before ${what}: ${this.said}`)
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0) throw new Error(`${what} did not come: ${this.said}`)
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer)
          this.#wakes.delete(wake)
          resolve()
        }
        const timer = setTimeout(wake, leftMs)
        this.#wakes.add(wake)
      })
    }
  }

  /** Its exit code. @throws when it does not end in time */
  async exitCode(timeoutMs = defaultWaitMs): Promise<number | null> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`a process did not end: ${this.said}`)), timeoutMs)
    })
    try {
      return await Promise.race([this.exited, late])
    } finally {
      clearTimeout(timer)
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#hasExited) this.#process.kill(signal)
  }

  /** SIGKILL; resolves when it is gone and everything it had said was heard. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.exited
  }

  /** What it said last. */
  get said(): string {
    return `${this.#lines.slice(-12).join(' | ')} ${this.#errors}`.slice(-4_000)
  }

  #heard(line: string): void {
    this.#lines.push(line)
    if (this.#lines.length > maxKeptLines) this.#lines.splice(0, maxKeptLines / 2)
    for (const watcher of this.#watchers) watcher(line)
    this.#wake()
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) wake()
  }
}
