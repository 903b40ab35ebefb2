/**
 * The replica's end of a sync conversation as a state machine without I/O: commands and frames in, effects out.
 * Keeps true: changes are sent in the order they were handed in, never beyond the credit, and each is settled or
 * refused exactly once.
 */
import { MooringError } from '../errors.ts'
import { type ChangeHash, formatAddress } from '../ids.ts'
import { limits } from '../limits.ts'
import type { DiallerEffect, SentTip } from './dialler-effects.ts'
import type { DiallerFrame, Frame, ListenerFrame } from './frames.ts'
import { type OpenInit, splitOpen } from './open-parts.ts'
import { type OwnChange, splitByLimits } from './outgoing.ts'
import { encodeRun } from './run.ts'

interface Outgoing {
  readonly changes: readonly OwnChange[]
  readonly handle: number
  readonly run: Uint8Array
  readonly tips: SentTip[]
  /** Taken or refused together with the next one. */
  readonly more?: true
}

/** Said when everything before it was sent. */
interface Supplied {
  readonly supplied: number
}

export class DiallerSession {
  #effects: DiallerEffect[] = []
  #nextHandle = 1
  #credit: number = limits.creditBytes
  #consumed = 0
  #ended = false
  readonly #known = new Set<number>()
  readonly #outbox: (Outgoing | Supplied)[] = []
  /** Sent and not settled, oldest first; `#settledCount` came before them. */
  readonly #sent: OwnChange[] = []
  #settledCount = 0
  readonly #refused = new Set<OwnChange>()
  readonly #snapshots = new Map<number, Uint8Array[]>()
  /** Of snapshots that are not whole yet. */
  #snapshotBytes = 0

  /** In as many frames as it takes. */
  open(init: OpenInit): DiallerEffect[] {
    return this.#run(() => {
      for (const frame of splitOpen(init)) this.#send(frame)
    })
  }

  have(entries: Frame<DiallerFrame, 'have'>['entries'], last: boolean): DiallerEffect[] {
    return this.#run(() => this.#send({ t: 'have', entries, last }))
  }

  watch(pattern: string): DiallerEffect[] {
    return this.#run(() => this.#send({ t: 'watch', pattern }))
  }

  unwatch(pattern: string): DiallerEffect[] {
    return this.#run(() => this.#send({ t: 'unwatch', pattern }))
  }

  create(block: Omit<Frame<DiallerFrame, 'create'>, 't' | 'handle'>): {
    handle: number
    effects: DiallerEffect[]
  } {
    const handle = this.#nextHandle
    this.#nextHandle += 2
    return { handle, effects: this.#run(() => this.#send({ t: 'create', handle, ...block })) }
  }

  /** Queues changes of one block, split into frames that keep every limit; `tipOf` signs the last of each frame. */
  submit(handle: number, changes: readonly OwnChange[], tipOf: (change: OwnChange) => SentTip): DiallerEffect[] {
    return this.#run(() => {
      for (const part of splitByLimits(changes)) {
        const last = new Map<string, OwnChange>()
        for (const change of part) last.set(change.actor, change)
        this.#outbox.push({
          changes: part,
          handle,
          run: packed(part),
          tips: [...last.values()].map(tipOf),
        })
      }
      this.#flush()
    })
  }

  /** Queues what the daemon lacked, in parts that are taken or refused as a whole, and the word that this was all. */
  supply(
    handle: number,
    parts: readonly { changes: readonly OwnChange[]; tips: readonly SentTip[] }[],
  ): DiallerEffect[] {
    return this.#run(() => {
      for (const { changes, tips } of parts) {
        let left = changes.length
        for (const part of splitByLimits(changes, true)) {
          left -= part.length
          const ends = new Set<string>(part.map(({ hash }) => hash))
          const ending = tips.filter(({ hash }) => ends.has(hash))
          const outgoing = { changes: part, handle, run: packed(part), tips: ending }
          this.#outbox.push(left === 0 ? outgoing : { ...outgoing, more: true })
        }
      }
      this.#outbox.push({ supplied: handle })
      this.#flush()
    })
  }

  poison(handle: number, hash: ChangeHash): DiallerEffect[] {
    return this.#run(() => this.#send({ t: 'poison', handle, hash }))
  }

  /** Bytes of deltas that left the receive buffer; pieces of snapshots are counted here as they come. */
  consumed(bytes: number): DiallerEffect[] {
    return this.#run(() => this.#consume(bytes))
  }

  done(reason: string): DiallerEffect[] {
    return this.#run(() => {
      if (!this.#ended) this.#send({ t: 'done', reason })
      this.#ended = true
    })
  }

  /** Changes handed in and neither settled nor refused. */
  get unsettled(): number {
    let queued = 0
    for (const outgoing of this.#outbox) queued += 'run' in outgoing ? outgoing.changes.length : 0
    return queued + this.#sent.length
  }

  /** @throws `malformed`, `unknown-handle` when the listener breaks the protocol */
  receive(frame: ListenerFrame): DiallerEffect[] {
    return this.#run(() => {
      if (this.#ended) return
      switch (frame.t) {
        case 'block':
          this.#known.add(frame.handle)
          this.#emit({ do: 'block', address: formatAddress(frame.scope, frame.label), frame })
          break
        case 'chunk':
          this.#collect(frame)
          break
        case 'delta':
          this.#mustKnow(frame.handle)
          this.#emit({ do: 'delta', frame })
          break
        case 'meta':
          this.#mustKnow(frame.handle)
          this.#emit({ do: 'meta', frame })
          break
        case 'quarantined':
          this.#mustKnow(frame.handle)
          this.#emit({ do: 'quarantined', frame })
          break
        case 'lacks':
          this.#mustKnow(frame.handle)
          this.#emit({ do: 'lacks', frame })
          break
        case 'gone':
          if (frame.handle !== undefined) {
            this.#known.delete(frame.handle)
            this.#takeSnapshot(frame.handle)
          }
          this.#emit({ do: 'gone', frame })
          break
        case 'progress':
          if (frame.done > frame.total) throw new MooringError('malformed', { detail: 'more done than there is' })
          this.#emit({ do: 'progress', done: frame.done, total: frame.total })
          break
        case 'synced':
          this.#emit({ do: 'synced', cursor: frame.cursor })
          break
        case 'resync':
          this.#emit({ do: 'resync' })
          break
        case 'ack':
          this.#settle(frame.n)
          break
        case 'refuse':
          this.#refuse(frame)
          break
        case 'credit':
          this.#credit += frame.bytes
          if (this.#credit > limits.creditBytes)
            throw new MooringError('malformed', { detail: 'credit beyond the window' })
          this.#flush()
          break
        case 'done':
          this.#ended = true
          this.#emit({ do: 'ended', reason: frame.reason, detail: frame.detail })
          break
      }
    })
  }

  #collect(frame: Frame<ListenerFrame, 'chunk'>): void {
    this.#mustKnow(frame.handle)
    const parts = this.#snapshots.get(frame.handle) ?? []
    parts.push(frame.bytes)
    this.#snapshotBytes += frame.bytes.byteLength
    if (this.#snapshotBytes > limits.maxSnapshotBytes) {
      throw new MooringError('quota-exceeded', { detail: 'snapshots longer than maxSnapshotBytes' })
    }
    // Now, and not when the snapshot is whole: one that is longer than the window would never be.
    this.#consume(frame.bytes.byteLength)
    if (!frame.last) {
      this.#snapshots.set(frame.handle, parts)
      return
    }
    this.#snapshots.set(frame.handle, parts)
    this.#emit({
      do: 'snapshot',
      handle: frame.handle,
      bytes: concat(this.#takeSnapshot(frame.handle)),
      tips: frame.tips,
    })
  }

  #takeSnapshot(handle: number): Uint8Array[] {
    const parts = this.#snapshots.get(handle) ?? []
    this.#snapshots.delete(handle)
    for (const part of parts) this.#snapshotBytes -= part.byteLength
    return parts
  }

  #consume(bytes: number): void {
    this.#consumed += bytes
    if (this.#consumed < limits.creditBytes / 4) return
    this.#send({ t: 'credit', bytes: this.#consumed })
    this.#consumed = 0
  }

  #settle(n: number): void {
    const amount = n - this.#settledCount
    if (amount < 0 || amount > this.#sent.length)
      throw new MooringError('malformed', { detail: 'ack of changes never sent' })
    const settled = this.#sent.splice(0, amount)
    this.#settledCount = n
    const durable = settled.filter((change) => !this.#refused.delete(change))
    if (durable.length > 0) this.#emit({ do: 'settled', changes: durable })
  }

  #refuse(frame: Frame<ListenerFrame, 'refuse'>): void {
    const error = { code: frame.code, detail: frame.detail, retryAfterMs: frame.retryAfterMs }
    if (frame.n === undefined) {
      if (frame.handle !== undefined) this.#emit({ do: 'handle-refused', handle: frame.handle, error })
      return
    }
    const first = frame.n - 1 - this.#settledCount
    const changes = first < 0 ? [] : this.#sent.slice(first, first + (frame.count ?? 1))
    if (changes.length !== (frame.count ?? 1))
      throw new MooringError('malformed', { detail: 'refusal of changes never sent' })
    for (const change of changes) this.#refused.add(change)
    this.#emit({ do: 'refused', changes, error })
  }

  #flush(): void {
    for (;;) {
      const next = this.#outbox[0]
      if (next === undefined || ('run' in next && next.run.byteLength > this.#credit)) return
      this.#outbox.shift()
      if (!('run' in next)) {
        this.#send({ t: 'supplied', handle: next.supplied })
        continue
      }
      const { changes, ...delta } = next
      this.#credit -= next.run.byteLength
      this.#sent.push(...changes)
      this.#send({ t: 'delta', ...delta })
    }
  }

  #mustKnow(handle: number): void {
    if (!this.#known.has(handle)) throw new MooringError('unknown-handle')
  }

  #send(frame: DiallerFrame): void {
    this.#emit({ do: 'send', frame })
  }

  #emit(effect: DiallerEffect): void {
    this.#effects.push(effect)
  }

  #run(step: () => void): DiallerEffect[] {
    step()
    const effects = this.#effects
    this.#effects = []
    return effects
  }
}

/** The daemon does not say what it reads: every daemon reads this. */
const packed = (changes: readonly OwnChange[]): Uint8Array =>
  encodeRun(
    changes.map((change) => change.bytes),
    'deflate',
  )

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.byteLength
  }
  return whole
}
