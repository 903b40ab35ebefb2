/**
 * The replica of one process: its blocks, and the conversation that keeps them in step with the daemon. Survives any
 * number of connections; what is not settled when one ends is sent on the next.
 */
import {
  asError,
  type BlockAddress,
  type ChangeHash,
  type Channel,
  decodeValue,
  isErrorCode,
  limits,
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
  type OwnChange,
  type Refusal,
  readChange,
  syncFrames,
} from '../../protocol/sync/index.ts'
import { Block } from './block.ts'
import { Entry } from './entry.ts'
import { BlockHandle } from './handle.ts'
import type { MemoryConnection, ReplicaInit } from './replica-init.ts'
import { haveOf, ownOf } from './statement.ts'
import { checkTips } from './tips.ts'

export class Replica {
  readonly #init: ReplicaInit
  readonly #daemon: PeerId
  readonly #entries = new Map<BlockAddress, Entry>()
  readonly #byWire = new Map<number, Entry>()
  readonly #dirty = new Set<Entry>()
  #conversation: { readonly session: DiallerSession; readonly channel: Channel } | undefined
  #cursor: Uint8Array | undefined
  #isSynced = false
  #cancelFlush: (() => void) | undefined

  constructor(init: ReplicaInit, daemon: PeerId) {
    this.#init = init
    this.#daemon = daemon
  }

  /**
   * The handle of a block; the same one for the same address.
   * @throws `address-taken` for another schema, `quota-exceeded` above `limits.maxWatches` blocks
   */
  open<Name extends SchemaName>(text: string, schema: Name): BlockHandle<Name> {
    const { address } = parseAddress(text)
    const present = this.#entries.get(address)
    if (present !== undefined) {
      if (present.block.schema !== schema) throw new MooringError('address-taken', { detail: present.block.schema })
      return present.handle as unknown as BlockHandle<Name>
    }
    // One watch each: the daemon ends the stream of a replica that watches more.
    if (this.#entries.size >= limits.maxWatches) throw new MooringError('quota-exceeded', { detail: 'maxWatches' })
    const { clock, identity } = this.#init
    const block: Block = new Block({
      address,
      schema,
      daemon: this.#daemon,
      self: identity.peer,
      clock,
      random: (bytes) => this.#init.random(bytes),
      onRemote: () => entry.handle.emit('change', { local: false }),
      onPoison: (hashes) => this.#poisoned(entry, hashes),
      onBroken: (error) => {
        this.#init.log.warn({ err: asError(error), address }, 'a block can take no more changes')
        entry.handle.setState(
          'denied',
          'the engine failed on a change of this block; it takes no more until it is restarted',
        )
      },
    })
    const handle = new BlockHandle({
      block,
      onLocal: () => this.#changed(entry),
      onListenerError: (error) => this.#init.log.warn({ err: asError(error), address }, 'a listener of a block threw'),
    })
    const entry = new Entry({
      block,
      handle,
      clock,
      seed: identity.seed,
      submit: (wire, changes, tipOf) => this.#apply(this.#conversation?.session.submit(wire, changes, tipOf) ?? []),
      askAgain: () => {
        if (this.#conversation !== undefined) this.#create(this.#conversation.session, entry)
      },
      isSynced: () => this.#isSynced,
    })
    this.#entries.set(address, entry)
    const conversation = this.#conversation
    if (conversation !== undefined) {
      handle.setState('catching-up', 'asking the daemon for the block')
      this.#apply(conversation.session.watch(address))
      this.#create(conversation.session, entry)
    }
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
    try {
      for (const entry of this.#entries.values())
        entry.handle.setState('catching-up', 'connected; receiving what was missed')
      const own = ownOf(this.#blocks())
      const watch = [...this.#entries.keys()]
      const cursor = this.#cursor === undefined ? {} : { cursor: this.#cursor }
      this.#apply(session.open({ replica: connection.replica, watch, own, ...cursor }))
      for (const entry of this.#entries.values()) this.#create(session, entry)
      for (;;) {
        const bytes = await channel.next()
        if (bytes === undefined || this.#conversation !== conversation) return
        this.#apply(session.receive(parseFrame(syncFrames.listener, decodeValue(bytes)) as ListenerFrame))
      }
    } finally {
      this.#leave(conversation)
    }
  }

  /** Resolves when nothing is unsettled. */
  async flushed(): Promise<void> {
    await Promise.allSettled([...this.#entries.values()].map(({ handle }) => handle.flushed()))
  }

  async stop(): Promise<void> {
    const conversation = this.#conversation
    if (conversation !== undefined) {
      this.#apply(conversation.session.done('cancelled'))
      await conversation.channel.close()
    }
    for (const entry of this.#entries.values()) entry.free()
    this.#entries.clear()
  }

  /** Called by a timer too: whatever goes wrong must not leave it. */
  #poisoned(entry: Entry, hashes: readonly ChangeHash[]): void {
    const { address } = entry.block
    this.#init.log.warn({ address, hashes }, 'changes of a block cannot be taken and were left out')
    const { wire } = entry
    if (wire !== undefined) for (const hash of hashes) this.#apply(this.#conversation?.session.poison(wire, hash) ?? [])
  }

  /** A block is asked for by address; `create` also tells the handle of one that exists. */
  #create(session: DiallerSession, entry: Entry): void {
    const { scope, label } = parseAddress(entry.block.address)
    const { handle, effects } = session.create({ scope, label, schema: entry.block.schema, meta: {} })
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
    for (const entry of this.#entries.values()) entry.left()
  }

  #changed(entry: Entry): void {
    this.#dirty.add(entry)
    // One frame for everything that was changed in this turn.
    this.#cancelFlush ??= this.#init.clock.after(0, () => {
      this.#cancelFlush = undefined
      const dirty = [...this.#dirty]
      this.#dirty.clear()
      for (const each of dirty) each.sendUnsent()
    })
  }

  #apply(effects: readonly DiallerEffect[]): void {
    for (const effect of effects) this.#effect(effect)
  }

  #effect(effect: DiallerEffect): void {
    const conversation = this.#conversation
    if (conversation === undefined) return
    switch (effect.do) {
      case 'send':
        this.#send(conversation.channel, effect.frame)
        break
      case 'block':
        this.#introduced(effect.address, effect.frame)
        break
      case 'snapshot': {
        const entry = this.#mustFind(effect.handle)
        if (entry.isOther) break
        checkTips(this.#daemon, entry.block, effect.tips)
        entry.block.restore(effect.bytes)
        break
      }
      case 'delta':
        this.#received(conversation.session, effect.frame)
        break
      case 'gone':
        this.#entries.get(effect.frame.address)?.gone(effect.frame.reason)
        break
      case 'quarantined':
        this.#mustFind(effect.frame.handle).handle.setState('denied', 'the daemon set a change of this block aside')
        break
      case 'synced':
        this.#cursor = effect.cursor
        if (this.#isSynced) break
        this.#isSynced = true
        for (const entry of this.#entries.values()) entry.goLive()
        break
      case 'resync':
        this.#tellHave(conversation.session)
        break
      case 'settled':
        this.#settle(effect.changes)
        break
      case 'refused':
        this.#refused(effect.changes, effect.error)
        break
      case 'handle-refused':
        this.#byWire.get(effect.handle)?.createRefused(effect.error)
        break
      case 'ended':
        throw new MooringError(isErrorCode(effect.reason) ? effect.reason : 'connection-lost', {
          ...(effect.detail === undefined ? {} : { detail: effect.detail }),
        })
      case 'meta':
        break
    }
  }

  /** Never throws: what is sent may be sent by a timer. A frame that cannot be sent ends the conversation. */
  #send(channel: Channel, frame: object): void {
    if (channel.ended.aborted) return
    try {
      channel.send(frame)
    } catch (error) {
      channel.abort(asError(error))
    }
  }

  #introduced(address: BlockAddress, frame: Frame<ListenerFrame, 'block'>): void {
    const entry = this.#entries.get(address)
    if (entry === undefined) return
    this.#byWire.set(frame.handle, entry)
    entry.introduced(frame)
  }

  #received(session: DiallerSession, frame: Frame<ListenerFrame, 'delta'>): void {
    const entry = this.#mustFind(frame.handle)
    const chunks = decodeRun(frame.run)
    // Automerge does not verify checksums when it applies: what was damaged on the way must be noticed here.
    for (const chunk of chunks) readChange(chunk)
    this.#apply(session.consumed(frame.run.byteLength))
    if (entry.isOther) return
    checkTips(this.#daemon, entry.block, frame.tips)
    entry.block.arrive(chunks)
    entry.arrived()
  }

  #tellHave(session: DiallerSession): void {
    const entries = haveOf(this.#blocks())
    if (entries.length === 0) this.#apply(session.have([], true))
    for (const [index, entry] of entries.entries()) this.#apply(session.have([entry], index === entries.length - 1))
  }

  #blocks(): Block[] {
    return [...this.#entries.values()].map(({ block }) => block)
  }

  #settle(changes: readonly OwnChange[]): void {
    const hashes = new Set<string>(changes.map((change) => change.hash))
    for (const entry of this.#entriesOf(changes)) entry.settled(hashes)
  }

  #refused(changes: readonly OwnChange[], error: Refusal): void {
    const hashes = new Set<ChangeHash>(changes.map((change) => change.hash))
    for (const entry of this.#entriesOf(changes)) entry.refused(hashes, error)
  }

  #entriesOf(changes: readonly OwnChange[]): Set<Entry> {
    const entries = new Set<Entry>()
    for (const { handle } of changes) {
      const entry = this.#byWire.get(handle)
      if (entry !== undefined) entries.add(entry)
    }
    return entries
  }

  #mustFind(wire: number): Entry {
    const entry = this.#byWire.get(wire)
    if (entry === undefined) throw new MooringError('unknown-handle')
    return entry
  }
}
