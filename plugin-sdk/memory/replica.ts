/**
 * The conversation of a replica with the daemon. Survives any number of connections; what is unsettled goes on the next.
 */
import {
  asError,
  type BlockMeta,
  decodeValue,
  MooringError,
  type PeerId,
  parseFrame,
  type SchemaName,
} from '../../protocol/index.ts'
import {
  type DiallerEffect,
  DiallerSession,
  decodeRun,
  type Frame,
  type ListenerFrame,
  type OwnChange,
  syncFrames,
} from '../../protocol/sync/index.ts'
import { Asking, type Conversation } from './asking.ts'
import { BlockNews } from './block-news.ts'
import type { BlockWatch } from './block-watch.ts'
import { Entries, type Keeping } from './entries.ts'
import { byEntry, type Entry, needsAsking, toError } from './entry.ts'
import type { BlockHandle } from './handle.ts'
import { Having } from './have.ts'
import { Intake } from './intake.ts'
import { Liveness } from './liveness.ts'
import { LogPosition } from './log-position.ts'
import { Refusals } from './refusals.ts'
import type { MemoryConnection, ReplicaInit } from './replica-init.ts'
import { sendOrEnd } from './send.ts'
import { Sending } from './sending.ts'
import { SetAside } from './set-aside.ts'
import { Watches } from './watches.ts'

export class Replica {
  readonly #init: ReplicaInit
  readonly #keeping: Keeping | undefined
  readonly #entries: Entries
  readonly #position: LogPosition
  readonly #intake: Intake
  readonly #aside: SetAside
  readonly #watches: Watches
  readonly #liveness: Liveness
  readonly #refusals: Refusals
  readonly #sending: Sending
  readonly #news: BlockNews
  #conversation: Conversation | undefined
  #isStopped = false
  #restoring: Promise<void> | undefined

  constructor(init: ReplicaInit, daemon: PeerId, keeping?: Keeping) {
    this.#init = init
    this.#keeping = keeping
    this.#entries = new Entries({
      ...init,
      daemon,
      keeping,
      onLocal: (entry) => this.#sending.changed(entry),
      onPoison: (entry, hashes) => this.#aside.poisoned(entry, hashes),
    })
    this.#position = new LogPosition({ entries: this.#entries, keeping })
    this.#intake = new Intake({
      daemon,
      self: init.identity.peer,
      entries: this.#entries,
      keeping,
      onLocal: (entry, change) => this.#entries.made(entry, change),
    })
    this.#aside = new SetAside({
      intake: this.#intake,
      clock: init.clock,
      log: init.log,
      ask: (entry) => this.#ask(entry),
      say: (what) => this.#say(what),
    })
    this.#liveness = new Liveness(this.#entries)
    this.#sending = new Sending({
      daemon,
      entries: this.#entries,
      identity: init.identity,
      clock: init.clock,
      isBusy: () => (this.#conversation?.session.unsettled ?? 0) > 0,
      ask: (entry) => this.#ask(entry),
      say: (what) => this.#say(what),
    })
    this.#watches = new Watches({
      entries: this.#entries,
      keeping,
      onListenerError: (error) => init.log.warn({ err: asError(error) }, 'a listener of a watch threw'),
      say: (what) => this.#say(what),
    })
    this.#news = new BlockNews({
      ...{ entries: this.#entries, intake: this.#intake, aside: this.#aside, liveness: this.#liveness },
      ...{ position: this.#position, sending: this.#sending, watches: this.#watches },
      ask: (entry) => this.#ask(entry),
      say: (what) => this.#say(what),
      onShortfall: () => init.onShortfall?.(),
    })
    this.#refusals = new Refusals({
      intake: this.#intake,
      clock: init.clock,
      log: init.log,
      resend: (entry) => {
        this.#sending.send(entry)
        this.#liveness.look(entry)
      },
      askAgain: (entry) => this.#ask(entry),
    })
  }

  get entries(): Pick<Entries, 'flushed' | 'pending' | 'prepare' | 'resume'> {
    return this.#entries
  }

  /**
   * The handle of a block; the same one for the same address. `wanted` is what is said of it if it is made.
   * @throws `address-taken` for another schema, `quota-exceeded` above `limits.maxWatchedBlocks` blocks, `invalid-input`
   */
  open<Name extends SchemaName>(text: string, schema: Name, wanted?: BlockMeta): BlockHandle<Name> {
    const entry = this.#entries.open(text, schema, wanted)
    const { handle } = entry.loaded
    const isNews = this.#entries.ask(entry) || handle.state === 'gone'
    if (this.#conversation !== undefined && isNews) {
      handle.setState('catching-up', 'asking the daemon for the block')
      this.#say((session) => this.#watches.add(session, entry.address))
      this.#liveness.look(entry)
      if (handle.state !== 'live') this.#ask(entry)
    }
    return handle as unknown as BlockHandle<Name>
  }

  /** Follows every block that a pattern covers. @throws `invalid-input`, `quota-exceeded` */
  watch(pattern: string): BlockWatch {
    return this.#watches.watch(pattern)
  }

  /** Talks over a new connection until it ends. */
  async converse(connection: MemoryConnection): Promise<void> {
    const channel = await connection.openChannel(syncFrames.id)
    // The newest wins. Nothing of the older one counts from here on: its handles mean other blocks now.
    if (this.#conversation !== undefined) this.#leave(this.#conversation)
    const session = new DiallerSession()
    const having = new Having({
      entries: this.#entries,
      isWatched: (address) => this.#watches.covers(address),
      say: (entries, isLast) => this.#say((present) => present.have(entries, isLast)),
      isOver: () => this.#conversation !== conversation,
      onError: (error) => channel.abort(asError(error)),
    })
    const conversation: Conversation = { session, channel, asking: new Asking(session), having }
    this.#conversation = conversation
    this.#restoring = undefined
    try {
      this.#liveness.connected()
      const said = { watch: this.#watches.begin(), own: this.#entries.own(), ...this.#position.said }
      this.#apply(session.open({ replica: connection.replica, ...said }))
      for (const entry of this.#entries.all) if (needsAsking(entry)) this.#ask(entry)
      for (;;) {
        const bytes = await channel.next()
        if (bytes === undefined || this.#conversation !== conversation) return
        const frame = parseFrame(syncFrames.listener, decodeValue(bytes)) as ListenerFrame
        if (frame.t !== 'quarantined') await this.#aside.done()
        this.#apply(session.receive(frame))
        // Before the next frame: a cursor must not overtake what it covers on the way to the store.
        await this.#restoring
        await this.#keeping?.journal.room()
      }
    } finally {
      this.#leave(conversation)
    }
  }

  get isConversing(): boolean {
    return this.#conversation !== undefined
  }

  get isStopped(): boolean {
    return this.#isStopped
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    const conversation = this.#conversation
    if (conversation !== undefined) {
      this.#apply(conversation.session.done('cancelled'))
      await conversation.channel.close()
    }
    this.#entries.free()
  }

  /** For the handle under which it is known on this conversation; the daemon makes it if there is none. */
  #ask(entry: Entry): void {
    // What was refused for now is asked for when its time has come.
    if (entry.wire === undefined && entry.cancelRetry === undefined)
      this.#apply(this.#conversation?.asking.ask(entry) ?? [])
  }

  #leave(conversation: Conversation): void {
    conversation.channel.abort(new MooringError('connection-lost'))
    if (this.#conversation !== conversation) return
    this.#conversation = undefined
    this.#sending.stop()
    this.#aside.forget()
    this.#entries.disconnected()
  }

  /** On the present conversation, if there is one. */
  #say(what: (session: DiallerSession) => readonly DiallerEffect[]): void {
    const session = this.#conversation?.session
    if (session !== undefined) this.#apply(what(session))
  }

  #apply(effects: readonly DiallerEffect[]): void {
    for (const effect of effects) if (this.#conversation !== undefined) this.#effect(effect, this.#conversation)
  }

  #effect(effect: DiallerEffect, conversation: Conversation): void {
    const isOver = (): boolean => this.#conversation !== conversation
    switch (effect.do) {
      case 'send':
        sendOrEnd(conversation.channel, effect.frame)
        break
      case 'block':
        this.#restoring = this.#news.introduced(conversation, effect.address, effect.frame, isOver)
        break
      case 'snapshot':
        this.#restoring = this.#intake.restore(this.#mustFind(effect.handle), effect.bytes, effect.tips)
        break
      case 'delta':
        this.#received(conversation.session, effect.frame)
        break
      case 'gone':
        this.#news.gone(effect.frame)
        break
      case 'quarantined':
        this.#position.heard(effect.frame.seq)
        this.#aside.add(this.#mustFind(effect.frame.handle), effect.frame, conversation.channel)
        break
      case 'progress':
        this.#init.onProgress?.({ received: effect.done, total: effect.total })
        break
      case 'synced':
        if (!this.#aside.isDue) this.#position.synced(effect.cursor)
        this.#liveness.synced()
        break
      case 'resync':
        conversation.having.asked()
        break
      case 'settled':
        this.#answered(conversation, effect.changes, (changes) => {
          this.#refusals.settled(changes)
          for (const [entry, taken] of changes) for (const { actor, seq } of taken) entry.taken.set(actor, seq)
        })
        break
      case 'lacks':
        this.#sending.supply(this.#mustFind(effect.frame.handle), conversation, effect.frame)
        break
      case 'refused':
        this.#answered(conversation, effect.changes, (changes) => this.#refusals.refused(changes, effect.error))
        break
      case 'handle-refused':
        this.#refusals.createRefused(conversation.asking.byWire.get(effect.handle), effect.error)
        this.#apply(conversation.asking.answered(effect.handle))
        break
      case 'meta':
        this.#news.described(this.#mustFind(effect.frame.handle), effect.frame)
        break
      case 'ended':
        throw toError({ code: effect.reason, detail: effect.detail, retryAfterMs: undefined }, 'connection-lost')
    }
  }

  #answered(
    { asking }: Conversation,
    changes: readonly OwnChange[],
    take: (of: ReturnType<typeof byEntry>) => void,
  ): void {
    const ofEntries = byEntry(changes, asking.byWire)
    take(ofEntries)
    this.#sending.answered(ofEntries.keys())
  }

  #received(session: DiallerSession, frame: Frame<ListenerFrame, 'delta'>): void {
    const entry = this.#mustFind(frame.handle)
    this.#intake.receive(entry, decodeRun(frame.run), frame)
    this.#position.heard(frame.seq)
    this.#apply(session.consumed(frame.run.byteLength))
    this.#refusals.arrived(entry)
    this.#liveness.look(entry)
  }

  #mustFind(wire: number): Entry {
    const entry = this.#conversation?.asking.byWire.get(wire)
    if (entry !== undefined) return entry
    throw new MooringError('unknown-handle')
  }
}
