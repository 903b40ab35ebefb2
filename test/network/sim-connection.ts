/** One connection between a simulated plugin and one life of the daemon, with every way in which it can end. */
import { Channel, type InstanceId, limits, MooringError, type PeerId, type ReplicaId } from '../../protocol/index.ts'
import type { ClockScope, SimClock } from './sim-clock.ts'
import type { DaemonLife, Session } from './sim-daemon.ts'
import type { StreamOracle } from './sim-oracle.ts'
import type { SimRandom } from './sim-random.ts'
import type { SimReport } from './sim-report.ts'
import { SimEnd, type SimFrame } from './sim-stream.ts'

/** What may wait for a reader that does not read: its credit, and control frames beside it. */
const maxWaiting = limits.creditBytes + 2 * limits.maxFrameBytes

export interface ConnectionInit {
  readonly name: string
  readonly peer: PeerId
  readonly replica: ReplicaId
  readonly instance: InstanceId
  /** Of the process of the plugin. */
  readonly pluginClock: ClockScope
  readonly life: DaemonLife
  readonly clock: SimClock
  readonly random: SimRandom
  readonly report: SimReport
  readonly latencyMs: readonly [number, number]
  oracle(): StreamOracle
}

export class SimConnection {
  readonly session: Session
  readonly life: DaemonLife
  readonly #init: ConnectionInit
  readonly #ended = new AbortController()
  readonly #streams: { readonly plugin: SimEnd; readonly daemon: SimEnd }[] = []
  #pathLostAtMs: number | undefined

  constructor(init: ConnectionInit) {
    this.#init = init
    this.life = init.life
    const { peer, replica, instance } = init
    this.session = {
      peer,
      replica,
      instance,
      ended: new AbortController(),
      silentMs: () => init.clock.monotonicMs() - (this.#pathLostAtMs ?? init.clock.monotonicMs()),
      reset: () => this.#resetByDaemon(),
    }
  }

  /** Aborts when the plugin knows that the connection is gone. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  /** Whether frames can pass; the plugin may not know yet that they cannot. */
  get isWhole(): boolean {
    return this.#pathLostAtMs === undefined
  }

  get isQuiet(): boolean {
    return this.#streams.every(({ plugin, daemon }) => !plugin.isBusy && !daemon.isBusy)
  }

  async openChannel(): Promise<Channel> {
    const { clock, life, pluginClock } = this.#init
    await pluginClock.wait(this.#latency())
    if (this.#ended.signal.aborted) throw new MooringError('connection-lost')
    const [plugin, daemon] = SimEnd.pair(this.#weather())
    this.#streams.push({ plugin, daemon })
    if (this.#pathLostAtMs !== undefined) {
      plugin.lose()
      daemon.vanish()
    } else {
      clock.after(this.#latency(), () => {
        if (!life.clock.isDead && this.#pathLostAtMs === undefined) life.serve(this.session, daemon)
      })
    }
    return new Channel(plugin, { clock: pluginClock })
  }

  /** The path is gone for both; each side finds out in its own time. */
  lose(pluginMs: number, daemonMs: number): void {
    this.#cutPath()
    const { clock } = this.#init
    clock.after(pluginMs, () => this.#pluginNotices())
    clock.after(daemonMs, () => this.#daemonNotices())
  }

  /** The daemon's process is gone. */
  loseDaemon(pluginMs: number): void {
    this.#cutPath()
    for (const { daemon } of this.#streams) daemon.vanish()
    this.#init.clock.after(pluginMs, () => this.#pluginNotices())
  }

  /** The plugin's process is gone. */
  losePlugin(daemonMs: number): void {
    this.#cutPath()
    for (const { plugin } of this.#streams) plugin.vanish()
    this.#init.clock.after(daemonMs, () => this.#daemonNotices())
  }

  /** Lets go of what the plugin holds, when the simulation is over. */
  discard(): void {
    for (const { plugin } of this.#streams) plugin.abort(new MooringError('cancelled'))
    this.#ended.abort(new MooringError('cancelled'))
  }

  /** The plugin leaves on its own. */
  leave(): void {
    if (this.#ended.signal.aborted) return
    for (const { plugin } of this.#streams) plugin.abort(new MooringError('cancelled'))
    this.#ended.abort(new MooringError('cancelled'))
    this.#init.clock.after(this.#latency(), () => {
      if (!this.life.clock.isDead) this.life.end(this.session)
    })
  }

  /** The newest stream is reset by the path; the connection stands. */
  loseStream(): void {
    const stream = this.#streams.at(-1)
    if (stream === undefined) return
    const isInside = [stream.plugin.lose(), stream.daemon.lose()].includes(true)
    if (isInside) this.#init.report.saw('loss inside a frame')
    const { clock } = this.#init
    clock.after(this.#latency(), () => {
      if (!this.#init.pluginClock.isDead) stream.plugin.notice()
    })
    clock.after(this.#latency(), () => {
      if (!this.life.clock.isDead) stream.daemon.notice()
    })
  }

  stall(from: 'plugin' | 'daemon', ms: number): void {
    const stream = this.#streams.at(-1)
    if (stream === undefined || stream[from].isOver) return
    this.#init.report.saw('stall')
    stream[from].stall(ms)
  }

  #cutPath(): void {
    if (this.#pathLostAtMs !== undefined) return
    this.#pathLostAtMs = this.#init.clock.monotonicMs()
    for (const { plugin, daemon } of this.#streams) {
      if ([plugin.lose(), daemon.lose()].includes(true)) this.#init.report.saw('loss inside a frame')
    }
  }

  #daemonNotices(): void {
    if (this.life.clock.isDead) return
    for (const { daemon } of this.#streams) daemon.notice()
    this.life.end(this.session)
  }

  #pluginNotices(): void {
    if (this.#ended.signal.aborted || this.#init.pluginClock.isDead) return
    for (const { plugin } of this.#streams) plugin.notice()
    this.#ended.abort(new MooringError('connection-lost'))
  }

  #resetByDaemon(): void {
    for (const { daemon } of this.#streams) daemon.abort(new MooringError('superseded'))
    if (this.#pathLostAtMs === undefined) this.#init.clock.after(this.#latency(), () => this.#pluginNotices())
  }

  #latency(): number {
    return this.#init.random.delay(...this.#init.latencyMs)
  }

  #weather(): ConstructorParameters<typeof SimEnd>[1] {
    const { name, clock, pluginClock, random, latencyMs, report } = this.#init
    const oracle = this.#init.oracle()
    const onSent = (from: SimEnd, frame: SimFrame, bytes: number): void => {
      const isPlugin = from.side === 'plugin'
      // A process that is gone says nothing more.
      if (isPlugin ? pluginClock.isDead : this.life.clock.isDead) return
      const way = isPlugin ? `${name} -> daemon` : `daemon -> ${name}`
      report.trace(`${way} ${frame.t} ${bytes}${oracle.describe(frame)}`)
      const waiting = from.writeBufferLength + bytes
      if (waiting > maxWaiting) report.fail(`${waiting} bytes wait ${way}`)
      if (isPlugin) oracle.pluginSent(frame)
      else oracle.daemonSent(frame)
    }
    const onArrived = (at: SimEnd, frame: SimFrame): void => {
      if (at.side === 'plugin') {
        if (!pluginClock.isDead) oracle.pluginSaw(frame)
      } else if (!this.life.clock.isDead) oracle.daemonSaw(frame)
    }
    return { clock, random: random.fork(`stream ${this.#streams.length}`), latencyMs, onSent, onArrived }
  }
}
