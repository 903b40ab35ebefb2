/**
 * A daemon process, and plugins that live in other processes: real QUIC, real databases, one operator. Keeps: the daemon
 * may be killed and started again at any time, and its plugins find it as those of a person do, by its ticket file.
 */
import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { connectControl } from '../../daemon/cli/control-client.ts'
import { systemClock } from '../../daemon/system-clock.ts'
import { type ControlClient, formatTicket, type Places, parseTicket, placesFrom } from '../../protocol/index.ts'
import { mustHold } from './campaign.ts'
import type { Child } from './child.ts'
import { PluginHost } from './plugin-host.ts'
import type { Scene } from './scene.ts'

/** For a start on a machine that is busy with other things. */
const startTimeoutMs = 60_000

export class World {
  readonly scene: Scene
  readonly home: string
  readonly env: Readonly<Record<string, string>>
  readonly places: Places
  #daemon: Child | undefined
  #control: { readonly client: ControlClient; close(): Promise<void> } | undefined

  constructor(scene: Scene) {
    this.scene = scene
    this.home = scene.folder('home')
    this.env = { MOORING_HOME: this.home, MOORING_LISTEN_PORT: '0', MOORING_LISTEN_TCP: 'false' }
    this.places = placesFrom({ env: this.env, platform: process.platform, homedir: this.home })
  }

  get isRunning(): boolean {
    return this.#daemon !== undefined
  }

  get daemon(): Child {
    if (this.#daemon === undefined) throw new Error('the daemon is not running')
    return this.#daemon
  }

  get control(): ControlClient {
    if (this.#control === undefined) throw new Error('the daemon is not running')
    return this.#control.client
  }

  /** Starts the daemon. @returns how long it took until it was ready, in ms */
  async start(env: Readonly<Record<string, string>> = {}): Promise<number> {
    const startMs = performance.now()
    const daemon = this.scene.start({
      script: new URL('../../daemon/main.ts', import.meta.url),
      env: { ...this.env, MOORING_LOG_LEVEL: 'warn', ...env },
    })
    this.#daemon = daemon
    const message = (await daemon.reported) as { readonly kind?: string } | undefined
    mustHold(message?.kind === 'ready', 'the daemon must start:', message, daemon.said)
    const tookMs = performance.now() - startMs
    mustHold(tookMs < startTimeoutMs, 'the daemon must start in time:', tookMs)
    this.#control = await connectControl({
      places: this.places,
      clock: systemClock,
      signal: AbortSignal.timeout(startTimeoutMs),
    })
    const { close } = this.#control
    this.scene.onClose(() => close())
    return tookMs
  }

  /** SIGKILL, and nothing of it is left but its files. */
  async kill(): Promise<void> {
    const control = this.#control
    const daemon = this.daemon
    this.#control = undefined
    this.#daemon = undefined
    await daemon.kill()
    await control?.close().catch(() => {})
  }

  /** Where it listens now, on the loopback. */
  async port(): Promise<number> {
    const { addresses } = parseTicket(await this.#ticket())
    return Number(/\/udp\/(\d+)\//.exec(addresses.join(' '))?.[1])
  }

  /** A ticket that lets one plugin in, by way of a port. */
  async invite(port: number): Promise<string> {
    const ticket = parseTicket(await this.#ticket())
    return formatTicket({ ...ticket, addresses: [`/ip4/127.0.0.1/udp/${port}/quic-v1`] })
  }

  async #ticket(): Promise<string> {
    const grants = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:soak/*`)
    return (await this.control.invite.create({ grants, ttlMs: 600_000 })).ticket
  }

  /** A process for plugins. */
  host(env: Readonly<Record<string, string>> = {}): PluginHost {
    return new PluginHost(this.scene, { ...this.env, ...env })
  }

  /** Approves requests as they come in, until so many plugins were. */
  async admit(count: number, timeoutMs = startTimeoutMs): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs
    for (let admitted = 0; admitted < count; ) {
      const { requests } = await this.control.request.list({})
      for (const { code, digest } of requests) {
        await this.control.request.approve({ code, digest })
        admitted++
      }
      mustHold(performance.now() < deadlineMs, 'plugins must ask to be let in:', admitted, count)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  /** What a start would find now, read from a copy, so that looking changes nothing. */
  inspect<Result>(look: (database: Database.Database) => Result): Result {
    const copy = this.scene.folder('copy')
    for (const name of ['mooring.db', 'mooring.db-wal']) {
      const from = join(this.places.stateDir, name)
      // A store that was closed has no log.
      if (existsSync(from)) copyFileSync(from, join(copy, name))
    }
    const database = new Database(join(copy, 'mooring.db'))
    try {
      return look(database)
    } finally {
      database.close()
      this.scene.discard(copy)
    }
  }
}
