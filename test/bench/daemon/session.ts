/**
 * One sync stream without a replica behind it: says hello, opens the stream, and counts what comes. Keeps the daemon's
 * rules (credit both ways, a sign of life), and does nothing with what it is sent.
 */
import { randomBytes } from 'node:crypto'
import { systemClock } from '../../../plugin-sdk/clock.ts'
import { peerOf } from '../../../plugin-sdk/identity.ts'
import { type Link, openLink } from '../../../plugin-sdk/link.ts'
import { createDialler } from '../../../plugin-sdk/node.ts'
import type { Dialler } from '../../../plugin-sdk/wire.ts'
import {
  type Channel,
  decodeValue,
  type InstanceId,
  limits,
  type PeerId,
  parseAddress,
  parseTicket,
  type ReplicaId,
} from '../../../protocol/index.ts'
import { type Frame, type ListenerFrame, runEncodings, syncFrames } from '../../../protocol/sync/index.ts'
import { nowMs } from '../monotonic.ts'
import type { ReadyFrame } from './author.ts'

const mint = (): string => randomBytes(16).toString('hex')
const wants = ['read', 'write', 'create'].map((right) => `blocks:${right}:space:bench/*`)
/** Not more of it in this process: it is the daemon's turn then. */
const maxUnsentBytes = 256 * 1024

interface Waiter {
  isTrue(): boolean
  resolve(): void
}

export class Session {
  readonly seed: Uint8Array
  readonly peer: PeerId
  readonly daemon: PeerId
  readonly #dialler: Dialler
  readonly #channel: Channel
  #waiters: Waiter[] = []
  #failure: Error | undefined
  #credit: number = limits.creditBytes
  #consumed = 0
  #sent = 0
  #settled = 0
  #handle = -1
  #seq = 0
  #seenAtMs = 0
  #isSynced = false
  #block: Frame<ListenerFrame, 'block'> | undefined

  private constructor(link: Link, dialler: Dialler, channel: Channel, seed: Uint8Array) {
    this.seed = seed
    this.peer = link.self
    this.daemon = link.daemon
    this.#dialler = dialler
    this.#channel = channel
    this.#read().catch((error: unknown) => {
      this.#failure = error instanceof Error ? error : new Error(String(error))
      this.#look()
    })
  }

  static async enter(endpoint: string): Promise<Session> {
    const seed = new Uint8Array(randomBytes(32))
    const { daemon, addresses, invite } = parseTicket(endpoint)
    const dialler = await createDialler({ seed, clock: systemClock })
    const signal = AbortSignal.timeout(2 ** 31 - 1)
    const wire = await dialler.dial(daemon, addresses, { timeoutMs: 10_000, signal })
    const replica = mint() as ReplicaId
    const link = await openLink({
      wire,
      clock: systemClock,
      self: peerOf(seed),
      manifest: { name: `bench-${replica.slice(0, 8)}`, version: '1.0.0', wants },
      replica,
      instance: mint() as InstanceId,
      invite,
      signal,
      onPending: () => {},
      onGranted: () => {},
    })
    const session = new Session(link, dialler, await link.openChannel(syncFrames.id), seed)
    session.#channel.send({ t: 'open', replica, accept: [...runEncodings], watch: [], own: [] })
    return session
  }

  /** Makes the block, or finds it. */
  async create(text: string): Promise<{ readonly generation: number; readonly handle: number }> {
    const { scope, label } = parseAddress(text)
    this.#block = undefined
    this.#handle += 2
    this.#channel.send({ t: 'create', handle: this.#handle, scope, label, schema: 'text', meta: {} })
    await this.#when(() => this.#block !== undefined)
    return this.#introduced()
  }

  #introduced(): Frame<ListenerFrame, 'block'> {
    if (this.#block === undefined) throw new Error('no block was introduced')
    return this.#block
  }

  async watch(pattern: string): Promise<void> {
    this.#isSynced = false
    this.#channel.send({ t: 'watch', pattern })
    await this.#when(() => this.#isSynced)
  }

  /** Sends all, and waits until all are durable. Times are of the monotonic clock of the machine. */
  async write(frames: readonly ReadyFrame[]): Promise<{ readonly startMs: number; readonly ackedMs: number }> {
    const startMs = nowMs()
    for (const { body, runBytes, changes } of frames) {
      if (this.#credit < runBytes) await this.#when(() => this.#credit >= runBytes)
      await this.#channel.drained(maxUnsentBytes)
      this.#credit -= runBytes
      this.#sent += changes
      this.#channel.sendBody(body)
    }
    await this.#when(() => this.#settled >= this.#sent)
    return { startMs, ackedMs: nowMs() }
  }

  /** When everything up to a position of the log was here. */
  async seen(seq: number): Promise<number> {
    await this.#when(() => this.#seq >= seq)
    return this.#seenAtMs
  }

  async stop(): Promise<void> {
    await this.#dialler.stop()
  }

  async #read(): Promise<void> {
    for (;;) {
      const body = await this.#channel.next()
      if (body === undefined) throw new Error('the daemon ended the stream')
      this.#take(decodeValue(body) as ListenerFrame)
      this.#look()
    }
  }

  #take(frame: ListenerFrame): void {
    switch (frame.t) {
      case 'delta':
        this.#seq = frame.seq
        this.#seenAtMs = nowMs()
        this.#consume(frame.run.byteLength)
        break
      case 'chunk':
        this.#consume(frame.bytes.byteLength)
        break
      case 'ack':
        this.#settled = frame.n
        break
      case 'credit':
        this.#credit += frame.bytes
        break
      case 'synced':
        this.#isSynced = true
        break
      case 'block':
        this.#block = frame
        break
      case 'refuse':
        throw new Error(`refused: ${frame.code} ${frame.detail ?? ''}`)
      case 'done':
        throw new Error(`the daemon ended the stream: ${frame.reason} ${frame.detail ?? ''}`)
    }
  }

  #consume(bytes: number): void {
    this.#consumed += bytes
    if (this.#consumed < limits.creditBytes / 4) return
    this.#channel.send({ t: 'credit', bytes: this.#consumed })
    this.#consumed = 0
  }

  async #when(isTrue: () => boolean): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (isTrue()) return
    await new Promise<void>((resolve) => this.#waiters.push({ isTrue, resolve }))
    if (this.#failure !== undefined) throw this.#failure
  }

  #look(): void {
    if (this.#waiters.length === 0) return
    const done = this.#waiters.filter((waiter) => this.#failure !== undefined || waiter.isTrue())
    this.#waiters = this.#waiters.filter((waiter) => !done.includes(waiter))
    for (const { resolve } of done) resolve()
  }
}
