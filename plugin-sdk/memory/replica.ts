/**
 * The conversation of a replica with the daemon, which keeps its blocks in step. Survives any number of connections; what
 * is not settled when one ends is sent on the next.
 */
import {
  asError,
  type BlockAddress,
  type ChangeHash,
  type Channel,
  decodeValue,
  MooringError,
  type PeerId,
  parseAddress,
  parseFrame,
  type SchemaName,
} from '../../protocol/index.ts'
import {
  type DiallerEffect,
  DiallerSession,
  decodeRun,
  type Frame,
  type ListenerFrame,
  signTip,
  syncFrames,
} from '../../protocol/sync/index.ts'
import { Entries, type Keeping } from './entries.ts'
import { byEntry, type Entry, isAsked, toError } from './entry.ts'
import type { BlockHandle } from './handle.ts'
import { tellHave } from './have.ts'
import { changesAfter } from './local-change.ts'
import { Refusals } from './refusals.ts'
import type { MemoryConnection, ReplicaInit } from './replica-init.ts'
import { sendOrEnd } from './send.ts'
import { Watches } from './watches.ts'

export class Replica {
  readonly #init: ReplicaInit
  readonly #keeping: Keeping | undefined
  readonly #entries: Entries
  readonly #watches: Watches
  readonly #refusals: Refusals
  readonly #byWire = new Map<number, Entry>()
  readonly #dirty = new Set<Entry>()
  #conversation: { readonly session: DiallerSession; readonly channel: Channel } | undefined
  #cursor: Uint8Array | undefined
  #isSynced = false
  #isKnownShort = false
  #cancelFlush: (() => void) | undefined
  #restoring: Promise<void> | undefined

  constructor(init: ReplicaInit, daemon: PeerId, keeping?: Keeping) {
    this.#init = init
    this.#keeping = keeping
    this.#cursor = keeping?.store.state.cursor
    this.#entries = new Entries({
      ...init,
      daemon,
      keeping,
      onLocal: (entry) => this.#changed(entry),
      onPoison: (entry, hashes) => this.#poisoned(entry, hashes),
    })
    this.#watches = new Watches(this.#entries)
    this.#refusals = new Refusals({
      entries: this.#entries,
      clock: init.clock,
      resend: (entry) => {
        this.#sendUnsent(entry)
        if (this.#isSynced) this.#goLive(entry)
      },
      askAgain: (entry) => {
        const conversation = this.#conversation
        if (conversation !== undefined && entry.wire === undefined) this.#create(conversation.session, entry)
      },
    })
  }

  /** Loads what an earlier process could not send. */
  resume(): Promise<void> {
    return this.#entries.resume()
  }

  /** Loads a block that is stored; others need no preparation. */
  prepare(text: string): Promise<void> {
    return this.#entries.prepare(text)
  }

  /**
   * The handle of a block; the same one for the same address.
   * @throws `address-taken` for another schema, `quota-exceeded` above `limits.maxWatches` blocks
   */
  open<Name extends SchemaName>(text: string, schema: Name): BlockHandle<Name> {
    const entry = this.#entries.open(text, schema)
    const { handle } = entry.loaded
    const conversation = this.#conversation
    if (conversation !== undefined && !entry.isAsked) {
      handle.setState('catching-up', 'asking the daemon for the block')
      for (const effect of this.#watches.add(conversation.session, entry.address)) this.#effect(effect)
      this.#create(conversation.session, entry)
    }
    entry.isAsked = true
    return handle as unknown as BlockHandle<Name>
  }

  /** Talks over a new connection until it ends. */
  async converse(connection: MemoryConnection): Promise<void> {
    const channel = await connection.openChannel(syncFrames.id)
    // The newest wins. Nothing of the older one counts from here on: its handles mean other blocks now.
    if (this.#conversation !== undefined) this.#leave(this.#conversation)
    const session = new DiallerSession()
    const conversation = { session, channel }
    this.#conversation = conversation
    this.#isSynced = false
    this.#restoring = undefined
    try {
      for (const { loaded } of this.#entries.all)
        loaded?.handle.setState('catching-up', 'connected; receiving what was missed')
      const own = this.#entries.own()
      const cursor = this.#cursor === undefined ? {} : { cursor: this.#cursor }
      this.#apply(session.open({ replica: connection.replica, watch: this.#watches.begin(), own, ...cursor }))
      for (const entry of this.#entries.all) if (isAsked(entry)) this.#create(session, entry)
      for (;;) {
        const bytes = await channel.next()
        if (bytes === undefined || this.#conversation !== conversation) return
        this.#apply(session.receive(parseFrame(syncFrames.listener, decodeValue(bytes)) as ListenerFrame))
        // Before the next frame: a cursor must not overtake what it covers on the way to the store.
        await this.#restoring
      }
    } finally {
      this.#leave(conversation)
    }
  }

  /** Resolves when nothing is unsettled. */
  async flushed(): Promise<void> {
    await Promise.allSettled([...this.#entries.all].map(({ loaded }) => loaded?.handle.flushed()))
  }

  get isConversing(): boolean {
    return this.#conversation !== undefined
  }

  async stop(): Promise<void> {
    const conversation = this.#conversation
    if (conversation !== undefined) {
      this.#apply(conversation.session.done('cancelled'))
      await conversation.channel.close()
    }
    this.#entries.free()
  }

  /** What builds on it from here on is refused, and comes back to its author; who could not take it has lost nothing. */
  #quarantined({ address, loaded }: Entry, hash: ChangeHash): void {
    this.#init.log.warn({ address, hash }, 'the daemon set a change of a block aside')
    if (loaded?.block.holds(hash)) loaded.handle.setState('denied', 'the daemon set a change of this block aside')
  }

  /** A block is asked for by address; `create` also tells the handle of one that exists. */
  #create(session: DiallerSession, entry: Entry): void {
    const { scope, label } = parseAddress(entry.address)
    const { handle, effects } = session.create({ scope, label, schema: entry.schema, meta: {} })
    this.#byWire.set(handle, entry)
    this.#apply(effects)
  }

  #leave(conversation: { readonly session: DiallerSession; readonly channel: Channel }): void {
    conversation.channel.abort(new MooringError('connection-lost'))
    if (this.#conversation !== conversation) return
    this.#conversation = undefined
    this.#byWire.clear()
    this.#dirty.clear()
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
    this.#entries.disconnected()
  }

  #changed(entry: Entry): void {
    this.#dirty.add(entry)
    // One frame for everything that was changed in this turn.
    this.#cancelFlush ??= this.#init.clock.after(0, () => {
      this.#cancelFlush = undefined
      const dirty = [...this.#dirty]
      this.#dirty.clear()
      for (const each of dirty) this.#sendUnsent(each)
    })
  }

  #sendUnsent(entry: Entry): void {
    const { address, generation, loaded, wire } = entry
    const conversation = this.#conversation
    const isReady = wire !== undefined && generation !== undefined && entry.retry === undefined
    if (this.#refusals.asksAgain(entry) || conversation === undefined || loaded === undefined || !isReady) return
    const changes = changesAfter(loaded.block.unsettled, entry.sentUpTo)
    const last = changes.at(-1)
    if (last === undefined) return
    entry.sentUpTo = last.number
    const own = changes.map((change) => ({ ...change, handle: wire }))
    this.#apply(
      conversation.session.submit(wire, own, ({ actor, seq, hash }) => {
        const tip = { address, generation, actor: actor as never, seq, hash }
        return { actor: tip.actor, seq, hash, signature: signTip(this.#init.identity.seed, tip) }
      }),
    )
  }

  #apply(effects: readonly DiallerEffect[]): void {
    for (const effect of effects) this.#effect(effect)
  }

  #effect(effect: DiallerEffect): void {
    const conversation = this.#conversation
    if (conversation === undefined) return
    switch (effect.do) {
      case 'send':
        sendOrEnd(conversation.channel, effect.frame)
        break
      case 'block':
        this.#introduced(effect.address, effect.frame)
        break
      case 'snapshot':
        this.#restoring = this.#entries.restore(this.#mustFind(effect.handle), effect.bytes, effect.tips)
        break
      case 'delta':
        this.#received(conversation.session, effect.frame)
        break
      case 'gone':
        this.#gone(effect.frame)
        break
      case 'quarantined':
        this.#quarantined(this.#mustFind(effect.frame.handle), effect.frame.hash)
        break
      case 'synced':
        this.#cursor = effect.cursor
        this.#keeping?.journal.add({ kind: 'cursor', cursor: effect.cursor })
        if (this.#isSynced) break
        this.#isSynced = true
        for (const entry of this.#entries.all) this.#goLive(entry)
        break
      case 'resync':
        tellHave({
          entries: this.#entries,
          watched: this.#watches.all,
          say: (entries, isLast) => this.#apply(conversation.session.have(entries, isLast)),
          isOver: () => this.#conversation !== conversation,
        }).catch((error) => conversation.channel.abort(asError(error)))
        break
      case 'settled':
        for (const [entry, changes] of byEntry(effect.changes, this.#byWire)) this.#entries.settle(entry, changes)
        break
      case 'refused':
        for (const [entry, changes] of byEntry(effect.changes, this.#byWire)) {
          this.#refusals.refused(entry, changes, effect.error)
        }
        break
      case 'handle-refused':
        this.#refusals.createRefused(this.#byWire.get(effect.handle), effect.error)
        break
      case 'ended':
        throw toError({ code: effect.reason, detail: effect.detail, retryAfterMs: undefined }, 'connection-lost')
      case 'meta':
        break
    }
  }

  /** Called by a timer too: whatever goes wrong must not leave it. */
  #poisoned({ wire }: Entry, hashes: readonly ChangeHash[]): void {
    if (wire !== undefined) for (const hash of hashes) this.#apply(this.#conversation?.session.poison(wire, hash) ?? [])
  }

  #introduced(address: BlockAddress, frame: Frame<ListenerFrame, 'block'>): void {
    const entry = this.#entries.find(address)
    if (entry === undefined) return
    this.#byWire.set(frame.handle, entry)
    entry.isOther = frame.schema !== entry.schema
    if (entry.isOther) {
      entry.loaded?.handle.setState('denied', `the block at this address has the schema ${frame.schema}`)
      return
    }
    this.#entries.introduce(entry, frame.generation)
    const isFirst = entry.wire === undefined
    entry.wire = frame.handle
    // Said once: the next conversation is still short of it when it begins.
    const isShort = !this.#isKnownShort && this.#entries.isShort(entry, frame.held)
    this.#isKnownShort ||= isShort
    if (isShort) this.#init.onShortfall?.()
    const handle = entry.loaded?.handle
    if (handle?.state === 'gone') handle.setState('catching-up', 'readable again')
    const held = new Map<string, number>(frame.held.map(({ actor, seq }) => [actor, seq]))
    if (isFirst) entry.loaded?.block.unsettleBeyond(held)
    const unsettled = entry.loaded?.block.unsettled ?? []
    const known = unsettled.filter((change) => change.seq <= (held.get(change.actor) ?? 0))
    this.#entries.settle(entry, known)
    if (isFirst || known.length > 0) this.#sendUnsent(entry)
    if (this.#isSynced) this.#goLive(entry)
  }

  #goLive({ loaded, retry, wire }: Entry): void {
    if (loaded?.handle.state === 'gone') return
    if (wire !== undefined && retry === undefined) loaded?.handle.setState('live', 'in step with the daemon')
  }

  #received(session: DiallerSession, frame: Frame<ListenerFrame, 'delta'>): void {
    const entry = this.#mustFind(frame.handle)
    this.#entries.receive(entry, decodeRun(frame.run), frame.tips)
    this.#apply(session.consumed(frame.run.byteLength))
    // What was missing may be among it: whoever has it sends it again after a restore of the daemon, as this one does.
    if (entry.retry?.code === 'missing-deps') this.#refusals.retryNow(entry)
  }

  #gone(frame: Frame<ListenerFrame, 'gone'>): void {
    const entry = this.#entries.find(frame.address)
    // Unknown: the daemon was set back to before the block was made, and the create that was sent makes it again.
    if (entry !== undefined && frame.reason !== 'unknown') this.#entries.gone(entry, frame.reason)
  }

  #mustFind(wire: number): Entry {
    const entry = this.#byWire.get(wire)
    if (entry !== undefined) return entry
    throw new MooringError('unknown-handle')
  }
}
