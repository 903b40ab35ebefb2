/**
 * The daemon's end of a sync conversation as a state machine without I/O: frames and answers in, effects out.
 * Keeps true: nothing is done before `open`, changes are settled in the order they arrived, and neither side has more
 * than its credit outstanding.
 */
import { MooringError, toWireError } from '../errors.ts'
import type { BlockAddress, ChangeHash } from '../ids.ts'
import { limits } from '../limits.ts'
import { Assembly } from './assembly.ts'
import type { DiallerFrame, Frame, ListenerFrame } from './frames.ts'
import { type BlockIntro, type Going, introduction, lacking, leaving } from './introduction.ts'
import type { ListenerEffect, Settlement } from './listener-effects.ts'
import { agreedEncoding } from './open-parts.ts'
import { decodeRun, type RunEncoding } from './run.ts'
import { Told } from './told.ts'

type SendTip = Frame<ListenerFrame, 'delta'>['tips'][number]

/** Tips of one snapshot: they share a frame with its last piece. */
const maxSnapshotTips = 512
/** Creates of one stream, and so the handles that are kept for it. */
const maxCreates = 20_000

export class ListenerSession {
  #effects: ListenerEffect[] = []
  #phase: 'new' | 'open' | 'ended' = 'new'
  #nextHandle = 2
  #received = 0
  #settled = 0
  #sendCredit: number = limits.creditBytes
  #receiveCredit: number = limits.creditBytes
  #runEncoding: RunEncoding = 'raw'
  #creates = 0
  #consumed = 0
  readonly #blockOf = new Map<number, number>()
  /** Handles that stood for a block until it was taken from the dialler: what it says of them may have crossed that. */
  readonly #gone = new Set<number>()
  readonly #handleOf = new Map<number, number>()
  /** Handles of creates that are not answered yet. */
  readonly #asked = new Set<number>()
  readonly #settlements = new Map<number, Settlement>()
  readonly #assembly = new Assembly()
  readonly #told = new Told()

  /** @throws `malformed`, `hello-required`… when the dialler breaks the protocol; the stream then ends with that code */
  receive(frame: DiallerFrame): ListenerEffect[] {
    return this.#run(() => {
      if (this.#phase === 'ended') return
      if (this.#phase === 'new' && frame.t !== 'open' && frame.t !== 'done') {
        throw new MooringError('wrong-state', { detail: 'open comes first' })
      }
      this.#told.check(frame)
      switch (frame.t) {
        case 'open':
          if (this.#phase !== 'new') throw new MooringError('wrong-state', { detail: 'open comes once' })
          this.#runEncoding = agreedEncoding(frame.accept)
          this.#phase = 'open'
          this.#told.opened(frame)
          this.#emit({ do: 'open', frame })
          break
        case 'open-more':
          this.#told.opened(frame)
          this.#emit({ do: 'open-more', frame })
          break
        case 'have':
          this.#told.had(frame)
          this.#emit({ do: 'have', frame })
          break
        case 'watch':
        case 'unwatch':
          this.#emit({ do: frame.t, pattern: frame.pattern })
          break
        case 'create':
          // Also while it is not answered: one handle must never come to stand for two blocks.
          if (frame.handle % 2 === 0 || this.#blockOf.has(frame.handle) || this.#asked.has(frame.handle)) {
            throw new MooringError('malformed', { detail: 'the handle of a create is odd and new' })
          }
          if (++this.#creates > maxCreates) throw new MooringError('quota-exceeded', { detail: 'creates of a stream' })
          this.#asked.add(frame.handle)
          this.#emit({ do: 'create', frame })
          break
        case 'delta':
          this.#submit(frame)
          break
        case 'supplied':
        case 'poison': {
          const block = this.#blockOf.get(frame.handle)
          if (block === undefined && this.#gone.has(frame.handle)) break
          if (block === undefined) throw new MooringError('unknown-handle')
          this.#emit(frame.t === 'supplied' ? { do: 'supplied', block } : { do: 'poison', block, hash: frame.hash })
          break
        }
        case 'credit':
          this.#sendCredit += frame.bytes
          if (this.#sendCredit > limits.creditBytes) {
            throw new MooringError('malformed', { detail: 'credit beyond the window' })
          }
          this.#emit({ do: 'writable' })
          break
        case 'done':
          this.#phase = 'ended'
          this.#emit({ do: 'ended', reason: frame.reason })
          break
      }
    })
  }

  /** Bytes of deltas and chunks that may be sent now; may be below zero after the last one. */
  get sendCredit(): number {
    return this.#sendCredit
  }

  /** The best encoding of runs that both sides read. */
  get runEncoding(): RunEncoding {
    return this.#runEncoding
  }

  handleOf(block: number): number | undefined {
    return this.#handleOf.get(block)
  }

  /** Introduces a block, under the dialler's handle when it asked for it. */
  block(block: number, intro: BlockIntro, held: { actor: string; seq: number }[], asked?: number): ListenerEffect[] {
    return this.#run(() => {
      const handle = asked ?? this.#handleOf.get(block) ?? this.#newHandle()
      if (asked !== undefined) this.#asked.delete(asked)
      this.#blockOf.set(handle, block)
      this.#gone.delete(handle)
      this.#handleOf.set(block, handle)
      this.#send(introduction(handle, intro, held))
    })
  }

  /** A piece of a snapshot; the last one carries the tips. */
  chunk(block: number, bytes: Uint8Array, tips?: readonly SendTip[]): ListenerEffect[] {
    return this.#run(() => {
      this.#sendCredit -= bytes.byteLength
      const told = tips?.slice(0, maxSnapshotTips) ?? []
      this.#send({ t: 'chunk', handle: this.#mustHandle(block), bytes, last: tips !== undefined, tips: told })
    })
  }

  delta(block: number, seq: number, run: Uint8Array, tips: readonly SendTip[]): ListenerEffect[] {
    return this.#run(() => {
      this.#sendCredit -= run.byteLength
      this.#send({ t: 'delta', handle: this.#mustHandle(block), seq, run, tips: [...tips] })
    })
  }

  gone(
    address: BlockAddress,
    reason: Frame<ListenerFrame, 'gone'>['reason'],
    { block, ...going }: Omit<Going, 'handle'> & { readonly block?: number } = {},
  ): ListenerEffect[] {
    return this.#run(() => {
      const handle = block === undefined ? undefined : this.#handleOf.get(block)
      if (block !== undefined) this.#handleOf.delete(block)
      if (handle !== undefined && this.#blockOf.delete(handle)) this.#gone.add(handle)
      this.#send(leaving(address, reason, { ...going, handle }))
    })
  }

  /** What is said of the block beside its content has changed. */
  meta(block: number, said: Omit<Frame<ListenerFrame, 'meta'>, 't' | 'handle'>): ListenerEffect[] {
    return this.#run(() => this.#send({ t: 'meta', handle: this.#mustHandle(block), ...said }))
  }

  /** A change of the block is set aside: it is sent to nobody any more. */
  quarantined(block: number, hash: ChangeHash, seq: number): ListenerEffect[] {
    return this.#run(() => this.#send({ t: 'quarantined', handle: this.#mustHandle(block), hash, seq }))
  }

  /** Asks for what the replica holds beyond this. */
  lacks(block: number, clock: readonly { actor: string; seq: number }[]): ListenerEffect[] {
    return this.#run(() => {
      this.#send(lacking(this.#mustHandle(block), clock))
    })
  }

  progress(done: number, total: number): ListenerEffect[] {
    return this.#run(() => this.#send({ t: 'progress', done, total }))
  }

  synced(cursor: Uint8Array): ListenerEffect[] {
    return this.#run(() => this.#send({ t: 'synced', cursor }))
  }

  /** Lets the replica say what it has, or go on with it. */
  resync(): ListenerEffect[] {
    return this.#run(() => {
      this.#told.asked()
      this.#send({ t: 'resync' })
    })
  }

  /** What became of submitted changes, in any order; answered in theirs. */
  settle(first: number, settlements: readonly Settlement[]): ListenerEffect[] {
    return this.#run(() => {
      for (const [index, settlement] of settlements.entries()) this.#settlements.set(first + index, settlement)
      const before = this.#settled
      let refused: { error: MooringError; n: number; count: number } | undefined
      for (;;) {
        const n = this.#settled + 1
        const settlement = this.#settlements.get(n)
        // One answer for all that one reason refused: a frame of hundreds is not answered by hundreds.
        if (refused !== undefined && settlement !== refused.error) {
          this.#refuse(refused.error, { n: refused.n, count: refused.count })
          refused = undefined
        }
        if (settlement === undefined) break
        this.#settled = n
        this.#settlements.delete(n)
        if (settlement !== 'stored')
          refused = { error: settlement, n: refused?.n ?? n, count: (refused?.count ?? 0) + 1 }
      }
      if (this.#settled > before) this.#send({ t: 'ack', n: this.#settled })
    })
  }

  /** Refuses what a handle stands for: a create. */
  refuseHandle(handle: number, error: MooringError): ListenerEffect[] {
    return this.#run(() => {
      this.#asked.delete(handle)
      this.#refuse(error, { handle })
    })
  }

  /** Bytes of deltas that left the receive buffer. Given back in large pieces: a frame for each would be half of all. */
  consumed(bytes: number): ListenerEffect[] {
    return this.#run(() => {
      this.#consumed += bytes
      if (this.#consumed < limits.creditBytes / 4) return
      this.#receiveCredit += this.#consumed
      this.#send({ t: 'credit', bytes: this.#consumed })
      this.#consumed = 0
    })
  }

  done(error: MooringError): ListenerEffect[] {
    return this.#run(() => {
      if (this.#phase === 'ended') return
      this.#phase = 'ended'
      const { detail } = toWireError(error)
      this.#send({ t: 'done', reason: error.code, ...(detail === undefined ? {} : { detail }) })
    })
  }

  #submit(frame: Frame<DiallerFrame, 'delta'>): void {
    if (frame.run.byteLength > this.#receiveCredit) {
      throw new MooringError('quota-exceeded', { detail: 'more bytes than the credit allows' })
    }
    this.#receiveCredit -= frame.run.byteLength
    const chunks = decodeRun(frame.run)
    if (chunks.length === 0) throw new MooringError('malformed', { detail: 'a delta without a change' })
    const first = this.#received + 1
    this.#received += chunks.length
    const submitted = this.#assembly.add(first, frame, chunks)
    if (submitted !== undefined) this.#emit({ do: 'submit', block: this.#blockOf.get(frame.handle), ...submitted })
  }

  #refuse(error: MooringError, what: { n: number; count: number } | { handle: number }): void {
    const { code, retryAfterMs, detail } = toWireError(error)
    this.#send({
      t: 'refuse',
      ...what,
      code,
      ...(detail === undefined ? {} : { detail }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
  }

  #newHandle(): number {
    this.#nextHandle += 2
    return this.#nextHandle - 2
  }

  #mustHandle(block: number): number {
    const handle = this.#handleOf.get(block)
    if (handle === undefined)
      throw new MooringError('internal', { detail: 'a block was sent before it was introduced' })
    return handle
  }

  #send(frame: ListenerFrame): void {
    this.#emit({ do: 'send', frame })
  }

  #emit(effect: ListenerEffect): void {
    this.#effects.push(effect)
  }

  #run(step: () => void): ListenerEffect[] {
    step()
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}
