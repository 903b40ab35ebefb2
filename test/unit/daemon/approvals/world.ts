/** What the tests of approvals share: a daemon's approvals over a store in memory, with a clock that stands still. */
import { createHash } from 'node:crypto'
import { Approvals, type DecisionEvent } from '../../../../daemon/approvals/approvals.ts'
import { openMemory } from '../../../../daemon/storage/memory.ts'
import type { Storage } from '../../../../daemon/storage/storage.ts'
import { type ErrorCode, MooringError } from '../../../../protocol/errors.ts'
import type { PeerId } from '../../../../protocol/ids.ts'
import type { Manifest } from '../../../../protocol/manifest.ts'
import type { Clock } from '../../../../protocol/rpc/clock.ts'

const base58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

/** A peer id that belongs to a name of a test; nobody has its key. */
export function peerOf(name: string): PeerId {
  const bytes = createHash('sha512').update(name).digest()
  return `12D3KooW${Array.from(bytes.subarray(0, 44), (byte) => base58[byte % base58.length]).join('')}` as PeerId
}

export const alice = peerOf('alice')
export const bob = peerOf('bob')
export const mallory = peerOf('mallory')

/**
 * Stands still until a test moves it, and moves without letting anything else happen: who comes first, a timer or a
 * decision, is what is tested. Timers that are due run in the order of their times.
 */
export class ManualClock implements Clock {
  /** Added to wall-clock time only: a clock that someone sets. */
  wallOffsetMs = 1_700_000_000_000
  #nowMs = 0
  #timers: { readonly atMs: number; readonly run: () => void }[] = []

  monotonicMs(): number {
    return this.#nowMs
  }

  nowMs(): number {
    return this.#nowMs + this.wallOffsetMs
  }

  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  get timers(): number {
    return this.#timers.length
  }

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== due)
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      due.run()
    }
    this.#nowMs = untilMs
  }
}

export const quietLog = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

/** Random enough to be distinct, and the same in every run. */
export function countingRandom(): (bytes: number) => Uint8Array {
  let calls = 0
  return (bytes) => {
    calls += 1
    return new Uint8Array(createHash('sha256').update(String(calls)).digest().subarray(0, bytes))
  }
}

export const manifestOf = (wants: readonly string[], rest: { name?: string; version?: string } = {}): Manifest => ({
  name: 'notes',
  version: '1.0.0',
  ...rest,
  wants: [...wants],
})

export interface World {
  readonly storage: Storage
  readonly clock: ManualClock
  readonly approvals: Approvals
  /** Every cut, in order, with what the peer held at that moment. */
  readonly cuts: { readonly peer: PeerId; readonly code: ErrorCode; readonly held: readonly string[] | undefined }[]
  hello(
    peer: PeerId,
    wants: readonly string[],
    rest?: { name?: string; version?: string; invite?: Uint8Array; from?: string },
  ): ReturnType<Approvals['hello']>
  /** Says hello and returns the code and digest on the card that the operator then sees. */
  ask(
    peer: PeerId,
    wants: readonly string[],
    rest?: { name?: string; version?: string },
  ): Promise<{ code: string; digest: string }>
  /** Says hello and has everything approved. */
  approve(peer: PeerId, wants: readonly string[], rest?: { name?: string; version?: string }): Promise<void>
  /** What a peer is told from now on. */
  told(peer: PeerId): DecisionEvent[]
  /** Another start over the same store. */
  restart(): Promise<World>
}

export async function openWorld(
  init: {
    storage?: Storage
    clock?: ManualClock
    wrap?: (storage: Storage) => Storage
    random?: (bytes: number) => Uint8Array
  } = {},
): Promise<World> {
  const plain = init.storage ?? (await openMemory({}))
  const storage = init.wrap?.(plain) ?? plain
  const clock = init.clock ?? new ManualClock()
  const random = init.random ?? countingRandom()
  const cuts: World['cuts'] = []
  const onCut = (peer: PeerId, code: ErrorCode): void => {
    cuts.push({ peer, code, held: approvals.grantOf(peer)?.texts })
  }
  const approvals = new Approvals({ storage, clock, random, self: peerOf('daemon'), log: quietLog, onCut })
  await approvals.start()
  const world: World = {
    storage,
    clock,
    approvals,
    cuts,
    hello: (peer, wants, { invite, from = '/ip4/192.0.2.7/udp/4001/quic-v1', ...rest } = {}) =>
      approvals.hello({ peer, manifest: manifestOf(wants, rest), from, invite }),
    async ask(peer, wants, rest) {
      const { request } = await world.hello(peer, wants, rest)
      if (request === undefined) throw new Error('nothing was asked')
      const { code, digest } = approvals.request(request.code)
      return { code, digest }
    },
    async approve(peer, wants, rest) {
      await approvals.approve(await world.ask(peer, wants, rest))
    },
    told(peer) {
      const events: DecisionEvent[] = []
      approvals.onDecision(peer, (event) => events.push(event))
      return events
    },
    restart: () => openWorld({ storage, clock, random }),
  }
  return world
}

/** The code that a promise rejects with; fails on anything that is no error of ours. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (error instanceof MooringError) return error.code
    throw error
  }
  return 'resolved'
}
