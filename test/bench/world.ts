/**
 * One run of one workload with one subject: a folder, a server, client processes, relays. Keeps true: closing leaves no
 * process and no file, and nothing of one run is there in the next.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { CommandName, Commands } from './commands.ts'
import { bytesWritten, cpuMs } from './proc-stats.ts'
import { Child } from './processes.ts'
import { openRelay, type Relay } from './relay.ts'
import { makeScratch, removeScratch } from './scratch.ts'
import type { Server, Subject } from './subject.ts'

type Input<Name extends CommandName> = Parameters<Commands[Name]>[0]
type Output<Name extends CommandName> = Awaited<ReturnType<Commands[Name]>>

/** A server that used this much of a step was busy; ten connected clients cost less. */
const quietCpuMs = 30
const quietStepMs = 300
const quietLimitMs = 12_000
/** Longer than any subject puts off a write: what it writes later would be measured with what comes next. */
export const writtenMs = 2_400

/** A client process. */
export class ClientProcess {
  readonly #child: Child
  readonly #limitMs: number

  constructor(child: Child, limitMs: number) {
    this.#child = child
    this.#limitMs = limitMs
  }

  /** @throws {@link TimeLimit}, or what the client threw */
  async do<Name extends CommandName>(name: Name, input: Input<Name>): Promise<Output<Name>> {
    return (await this.#child.call(name, input, this.#limitMs)) as Output<Name>
  }

  async kill(): Promise<void> {
    this.#child.kill()
    await this.#child.exited
  }
}

export class World {
  readonly dataDir: string
  readonly #subject: Subject
  readonly #dir: string
  readonly #limitMs: number
  readonly #children = new Set<Child>()
  readonly #relays: Relay[] = []
  #server: Server | undefined
  #homes = 0

  /** `limitMs` is for each command of a client. */
  constructor(subject: Subject, limitMs: number) {
    this.#subject = subject
    this.#limitMs = limitMs
    this.#dir = makeScratch()
    this.dataDir = join(this.#dir, 'server')
    mkdirSync(this.dataDir, { mode: 0o700 })
  }

  get server(): Server {
    if (this.#server === undefined) throw new Error('no server was started')
    return this.#server
  }

  /** Starts the server, again if it was stopped or killed, with the same data. */
  async startServer(): Promise<Server> {
    const spawn = (script: URL, args: readonly string[], env = {}): Child => this.#spawn(script, args, env)
    this.#server = await this.#subject.start({ dir: this.dataDir, spawn })
    return this.#server
  }

  startClient(): ClientProcess {
    return new ClientProcess(
      this.#spawn(new URL('./client.ts', import.meta.url), [this.#subject.client.href]),
      this.#limitMs,
    )
  }

  /** A client process with one client, connected, named `self`. */
  async connectClient(relay?: Relay): Promise<ClientProcess> {
    const client = this.startClient()
    await this.connect(client, 'self', relay)
    return client
  }

  async connect(process: ClientProcess, client: string, relay?: Relay): Promise<void> {
    await process.do('connect', { client, ...(await this.access(relay)) })
  }

  /** What a client that does not exist yet needs to connect. */
  async access(relay?: Relay): Promise<{ readonly endpoint: string; readonly home: string }> {
    const home = join(this.#dir, `client-${this.#homes++}`)
    mkdirSync(home, { mode: 0o700 })
    return { endpoint: await this.server.endpoint(relay?.port ?? this.server.port), home }
  }

  /**
   * Waits until the server has had nothing to do for that long: not every subject can say when it has everything, or
   * when it has written it. Gives up after a while, because there are servers that never rest.
   */
  async quiet(calmMs = quietStepMs): Promise<void> {
    const { pid } = this.server.process
    let [usedMs, written] = [cpuMs(pid), bytesWritten(pid)]
    for (let waitedMs = 0, restedMs = 0; waitedMs < quietLimitMs && restedMs < calmMs; waitedMs += quietStepMs) {
      await new Promise((resolve) => setTimeout(resolve, quietStepMs))
      const [nowUsedMs, nowWritten] = [cpuMs(pid), bytesWritten(pid)]
      // Who waits for a disk uses no processor time.
      const isBusy = (nowUsedMs ?? Number.NaN) - (usedMs ?? Number.NaN) > quietCpuMs || nowWritten !== written
      restedMs = isBusy ? 0 : restedMs + quietStepMs
      usedMs = nowUsedMs
      written = nowWritten
    }
  }

  async openRelay(): Promise<Relay> {
    const relay = await openRelay(this.server.transport, this.server.port)
    this.#relays.push(relay)
    return relay
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill()
    await Promise.all([...this.#children].map((child) => child.exited))
    for (const relay of this.#relays) relay.close()
    removeScratch(this.#dir)
  }

  #spawn(script: URL, args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}): Child {
    const child = new Child(script, args, env)
    this.#children.add(child)
    return child
  }
}
