/**
 * One sync stream of one plugin: frames in through the session, work in the log, answers out. Reading stops while the
 * plugin has too much on its way to the store, so that its credit runs out instead of the daemon's memory.
 */
import { decodeValue, encodeValue } from '../../protocol/codec.ts'
import { parseFrame } from '../../protocol/define.ts'
import { asError, errorTable, MooringError } from '../../protocol/errors.ts'
import { allows } from '../../protocol/grants.ts'
import { formatAddress } from '../../protocol/ids.ts'
import { limits } from '../../protocol/limits.ts'
import {
  type DiallerFrame,
  type Frame,
  type ListenerEffect,
  type ListenerFrame,
  ListenerSession,
  type Settlement,
  syncFrames,
} from '../../protocol/sync/index.ts'
import type { ChangeLog } from './change-log.ts'
import type { ConversationInit } from './conversation-init.ts'
import { createAsked } from './create-asked.ts'
import { type Holding, holdingCosts } from './holdings.ts'
import type { Supplier } from './resupply.ts'
import { checkPattern } from './watch-list.ts'
import { Watcher } from './watcher.ts'

/** Runs until the stream or the session ends; never throws. */
export async function serveSync(log: ChangeLog, init: ConversationInit): Promise<void> {
  const conversation = new Conversation(log, init)
  await conversation.run()
}

/** Frames of one stream on their way to the store: what waits there waits before everyone else's. */
const maxFramesInFlight = 64

class Conversation {
  readonly #log: ChangeLog
  readonly #init: ConversationInit
  readonly #session = new ListenerSession()
  readonly #ended = new AbortController()
  readonly #watcher: Watcher
  readonly #replica: string
  readonly #supplier: Supplier
  readonly #holding: Holding
  /** Actors of which it is remembered what the replica has beyond the log. */
  #offered = 0
  #isLeftAhead = false
  /** Resolves when all that was submitted is taken or refused. */
  #settling: Promise<void> = Promise.resolve()
  readonly #end = (reason: MooringError): void => {
    this.#leave()
    this.#fail(reason)
  }
  #unstoredBytes = 0
  #framesInFlight = 0
  #roomWaiter: (() => void) | undefined

  constructor(log: ChangeLog, init: ConversationInit) {
    this.#log = log
    this.#init = init
    this.#replica = `${init.peer} ${init.replica}`
    this.#holding = log.holdings.begin(init.peer)
    this.#supplier = {
      peer: init.peer,
      isLeftAhead: () => {
        this.#isLeftAhead = true
      },
      holds: (actors) => {
        if (actors > 0) this.#holding.add(actors * holdingCosts.actor)
        else this.#holding.free(-actors * holdingCosts.actor)
        this.#offered += actors
        if (actors < 0) this.#watcher.wake()
      },
      mayWrite: (address) => allows(init.grants().grants, { area: 'blocks', right: 'write', subject: address }),
      // Without a handle it is not followed any more; the answer's deadline passes.
      ask: (block, clock) => {
        if (this.#session.handleOf(block) !== undefined) this.#apply(this.#session.lacks(block, clock))
      },
    }
    this.#watcher = new Watcher(log.watcherComponents, {
      session: this.#session,
      origin: { peer: init.peer, replica: init.replica },
      signal: this.#ended.signal,
      supplier: this.#supplier,
      holding: this.#holding,
      offered: () => this.#offered,
      hasMore: () => this.#isLeftAhead || this.#offered > 0,
      grants: () => init.grants(),
      apply: (effects) => this.#apply(effects),
      drained: () => init.channel.drained(limits.creditBytes),
    })
  }

  async run(): Promise<void> {
    const { channel, signal } = this.#init
    const end = (): void => {
      this.#ended.abort()
      this.#room()
    }
    // The session's end is said, as any other; a stream that was reset with it just drops the words.
    const endOfSession = (): void =>
      this.#fail(signal.reason instanceof MooringError ? signal.reason : new MooringError('connection-lost'))
    signal.addEventListener('abort', endOfSession, { once: true })
    channel.ended.addEventListener('abort', end, { once: true })
    // Whoever ended it: a reader that waits for a frame that never comes would hold the stream for good.
    this.#ended.signal.addEventListener('abort', () => void channel.close(), { once: true })
    if (signal.aborted) endOfSession()
    if (channel.ended.aborted) end()
    const stopGranted = this.#init.onGranted(() => this.#watcher.rescan())
    this.#enter()
    const watching = this.#watcher.run().catch((error) => this.#fail(error))
    try {
      await this.#read()
    } catch (error) {
      this.#fail(error)
    } finally {
      end()
      stopGranted()
      signal.removeEventListener('abort', endOfSession)
      this.#leave()
      await watching
      this.#holding.end()
      await channel.close()
    }
  }

  /**
   * Each stream of a replica costs memory and a reader of the log, and one connection may have many: the oldest gives way,
   * also to one that has said nothing yet.
   */
  #enter(): void {
    const open = this.#log.streams.get(this.#replica) ?? new Set()
    this.#log.streams.set(this.#replica, open.add(this.#end))
    const [oldest] = open
    if (open.size > limits.maxStreamsPerReplica) oldest?.(new MooringError('superseded'))
  }

  #leave(): void {
    const open = this.#log.streams.get(this.#replica)
    if (open?.delete(this.#end) && open.size === 0) this.#log.streams.delete(this.#replica)
    this.#log.watcherComponents.resupply.leave(this.#supplier)
  }

  get #isFull(): boolean {
    return this.#unstoredBytes > limits.creditBytes || this.#framesInFlight >= maxFramesInFlight
  }

  async #read(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const bytes = await this.#init.channel.next()
      if (bytes === undefined) return
      const frame = parseFrame(syncFrames.dialler, decodeValue(bytes)) as DiallerFrame
      this.#apply(this.#session.receive(frame))
      // Returned when the frame leaves the receive buffer, which is now; that it is durable is what `ack` says.
      if (frame.t === 'delta') this.#apply(this.#session.consumed(frame.run.byteLength))
      while (this.#isFull && !this.#ended.signal.aborted) {
        await new Promise<void>((resolve) => {
          this.#roomWaiter = resolve
        })
      }
    }
  }

  #room(): void {
    const waiter = this.#roomWaiter
    this.#roomWaiter = undefined
    waiter?.()
  }

  /** Whatever breaks a conversation is said before the stream ends. */
  #fail(thrown: unknown): void {
    const error = thrown instanceof MooringError ? thrown : new MooringError('internal', { cause: thrown })
    if (error.code === 'internal')
      this.#init.log.error({ err: asError(thrown), peer: this.#init.peer }, 'a sync stream broke')
    if (!this.#init.channel.ended.aborted) this.#apply(this.#session.done(error))
    this.#ended.abort()
    this.#room()
  }

  #apply(effects: readonly ListenerEffect[]): void {
    for (const effect of effects) {
      switch (effect.do) {
        case 'send':
          this.#send(effect.frame)
          break
        case 'open':
          this.#open(effect.frame)
          break
        case 'open-more':
          for (const pattern of effect.frame.watch) checkPattern(pattern)
          this.#watcher.open(effect.frame)
          break
        case 'have':
          this.#watcher.have(effect.frame)
          break
        case 'watch':
          checkPattern(effect.pattern)
          this.#watcher.watch(effect.pattern)
          break
        case 'unwatch':
          this.#watcher.unwatch(effect.pattern)
          break
        case 'create':
          this.#holding.add(holdingCosts.handle)
          this.#create(effect.frame).catch((error) => this.#fail(error))
          break
        case 'submit':
          this.#submitted(effect)
          break
        case 'supplied': {
          const { resupply } = this.#log.watcherComponents
          void this.#settling.then(() => resupply.done(this.#supplier, effect.block))
          break
        }
        case 'poison':
          if (!this.#log.complaints.take(this.#init.peer)) break
          this.#init.log.warn(
            { peer: this.#init.peer, block: effect.block, hash: effect.hash },
            'a plugin cannot take a change',
          )
          this.#init.onPoison(effect.block)
          break
        case 'writable':
          this.#watcher.wake()
          break
        case 'ended':
          this.#ended.abort()
          break
      }
    }
  }

  /** A replica that is gone or does not read is no failure of ours: a throw here would end more than its stream. */
  #send(frame: ListenerFrame): void {
    if (this.#init.channel.ended.aborted) return
    let body: Uint8Array
    try {
      body = encodeValue(frame)
    } catch (cause) {
      // Ours, and never skipped: a replica that misses a frame would wait for ever, or take a gap for the whole.
      this.#fail(new Error(`a frame ${frame.t} cannot be encoded`, { cause }))
      return
    }
    try {
      this.#init.channel.sendBody(body)
    } catch (error) {
      this.#init.log.debug({ err: asError(error), peer: this.#init.peer }, 'a frame could not be sent')
      this.#ended.abort()
      this.#room()
    }
  }

  #open(frame: Frame<DiallerFrame, 'open'>): void {
    // Identity comes from the connection: the replica of the stream is the one that said hello.
    if (frame.replica !== this.#init.replica)
      throw new MooringError('wrong-state', { detail: 'not the replica of hello' })
    for (const pattern of frame.watch) checkPattern(pattern)
    this.#log.losses.check(frame.cursor, frame.seen, this.#init)
    this.#watcher.open(frame)
  }

  async #create(frame: Frame<DiallerFrame, 'create'>): Promise<void> {
    try {
      const row = await createAsked(this.#log, this.#init, frame)
      if (this.#ended.signal.aborted) return
      this.#watcher.introduce(row, frame)
    } catch (error) {
      this.#answerHandle(frame.handle, error)
      // What was refused for now is asked for again.
      const isForNow = error instanceof MooringError && errorTable[error.code].retryable
      if (!isForNow && frame.generation !== undefined && !this.#ended.signal.aborted) {
        this.#watcher.stay(formatAddress(frame.scope, frame.label))
      }
    }
  }

  #answerHandle(handle: number, thrown: unknown): void {
    if (this.#ended.signal.aborted) return
    const error = thrown instanceof MooringError ? thrown : new MooringError('internal', { cause: thrown })
    if (error.code === 'internal') this.#init.log.error({ err: asError(thrown) }, 'a create broke')
    this.#apply(this.#session.refuseHandle(handle, error))
  }

  #submitted(effect: Extract<ListenerEffect, { do: 'submit' }>): void {
    const submitting = this.#submit(effect).catch((error) => this.#fail(error))
    this.#settling = this.#settling.then(() => submitting)
  }

  async #submit(effect: Extract<ListenerEffect, { do: 'submit' }>): Promise<void> {
    const bytes = effect.frames.flat().reduce((sum, chunk) => sum + chunk.byteLength, 0)
    this.#unstoredBytes += bytes
    this.#framesInFlight++
    const settlements = await this.#store(effect)
    this.#unstoredBytes -= bytes
    this.#framesInFlight--
    this.#room()
    if (!this.#ended.signal.aborted) this.#apply(this.#session.settle(effect.first, settlements))
  }

  async #store(effect: Extract<ListenerEffect, { do: 'submit' }>): Promise<Settlement[]> {
    const refuse = (error: MooringError): Settlement[] => effect.frames.flat().map(() => error)
    if (effect.block === undefined) return refuse(new MooringError('unknown-handle'))
    const row = this.#log.index.byId(effect.block)
    if (row === undefined) return refuse(new MooringError('block-deleted'))
    const { grants, grantVersion } = this.#init.grants()
    const origin = { peer: this.#init.peer, replica: this.#init.replica }
    const submission = { origin, grantVersion, block: row.id, frames: effect.frames, tips: effect.tips }
    if (!allows(grants, { area: 'blocks', right: 'write', subject: row.address })) {
      const refusal = new MooringError('grant-missing', { detail: `blocks:write:${row.address}` })
      return this.#log.submit({ ...submission, refusal })
    }
    // Before the store, so that the fan-out of the commit finds it: nothing is echoed to its sender.
    for (const tip of effect.tips) this.#watcher.submitted(row.id, tip.actor, tip.seq)
    return this.#log.submit(submission)
  }
}
