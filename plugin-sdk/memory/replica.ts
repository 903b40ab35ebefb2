/**
 * The replica of one process: its blocks, and the conversation that keeps them in step with the daemon. Survives any
 * number of connections; what is not settled when one ends is sent on the next.
 */
import {
  asError,
  type BlockAddress,
  type ChangeHash,
  type Channel,
  type Clock,
  decodeValue,
  errorTable,
  isErrorCode,
  limits,
  MooringError,
  type PeerId,
  parseAddress,
  parseFrame,
  type ReplicaId,
  type SchemaName,
} from '../../protocol/index.ts'
import {
  type DiallerEffect,
  DiallerSession,
  decodeRun,
  type Frame,
  type ListenerFrame,
  type OwnChange,
  ownsActor,
  type ReceivedTip,
  type Refusal,
  readChange,
  signTip,
  syncFrames,
  verifyTip,
} from '../../protocol/sync/index.ts'
import { Block, type LocalChange } from './block.ts'
import { BlockHandle } from './handle.ts'

/** What memory needs of a connection. */
export interface MemoryConnection {
  readonly daemon: PeerId
  readonly replica: ReplicaId
  readonly signal: AbortSignal
  openChannel(protocolId: string): Promise<Channel>
}

export interface MemoryLog {
  warn(fields: object, message: string): void
}

export interface ReplicaInit {
  readonly identity: { readonly seed: Uint8Array; readonly peer: PeerId }
  readonly clock: Clock
  readonly log: MemoryLog
  random(bytes: number): Uint8Array
}

interface Entry {
  readonly block: Block
  readonly handle: BlockHandle
  /** Handle on the present conversation, once the daemon introduced the block there. */
  wire: number | undefined
  /** Number of the newest local change that was handed to the present conversation. */
  sentUpTo: number
  /** Refused for now; sent again once nothing of the block is on its way. */
  retry: { readonly code: string; readonly afterMs: number } | undefined
  cancelRetry: (() => void) | undefined
}

/** Below every number of a change. */
const nothingSent = Number.NEGATIVE_INFINITY

/** Changes named in `open`, each up to 400 bytes: they share a frame with the watches. */
const maxOwn = 400
/** Actors in one entry of `have`, each up to 160 bytes: below what a frame and a shape take. */
const maxClock = 1_000

/** When the daemon gives no time of its own. */
const defaultRetryMs = 1_000

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
    const entry: Entry = {
      block,
      handle,
      wire: undefined,
      sentUpTo: nothingSent,
      retry: undefined,
      cancelRetry: undefined,
    }
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
      const own = this.#own()
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
    for (const entry of this.#entries.values()) {
      entry.cancelRetry?.()
      entry.block.free()
    }
    this.#entries.clear()
  }

  /** What the replica holds of what it made, newest last; what is left out is merely sent to it once more. */
  #own(): Frame<{ t: 'open'; own: never[] }, 'open'>['own'] {
    const own = [...this.#entries.values()].flatMap(({ block }) => {
      const { address, generation } = block
      return generation === undefined ? [] : block.own.map((last) => ({ address, generation, ...last }))
    })
    return own.slice(-maxOwn) as never[]
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
    for (const entry of this.#entries.values()) {
      entry.wire = undefined
      entry.sentUpTo = nothingSent
      entry.retry = undefined
      entry.cancelRetry?.()
      if (entry.handle.state !== 'gone')
        entry.handle.setState('offline', 'the connection ended; edits are kept and sent later')
    }
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
    const { block, wire } = entry
    const conversation = this.#conversation
    const { generation } = block
    if (conversation === undefined || wire === undefined || generation === undefined || entry.retry !== undefined)
      return
    const changes = block.unsettledAfter(entry.sentUpTo)
    const last = changes.at(-1)
    if (last === undefined) return
    entry.sentUpTo = last.number
    const { address } = block
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
        this.#send(conversation.channel, effect.frame)
        break
      case 'block':
        this.#introduced(effect.address, effect.frame)
        break
      case 'snapshot': {
        const entry = this.#mustFind(effect.handle)
        this.#checkTips(entry, effect.tips)
        entry.block.restore(effect.bytes)
        break
      }
      case 'delta':
        this.#received(conversation.session, effect.frame)
        break
      case 'gone':
        this.#gone(effect.frame)
        break
      case 'quarantined':
        this.#mustFind(effect.frame.handle).handle.setState('denied', 'the daemon set a change of this block aside')
        break
      case 'synced':
        this.#cursor = effect.cursor
        if (this.#isSynced) break
        this.#isSynced = true
        for (const entry of this.#entries.values()) this.#goLive(entry)
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
        this.#createRefused(effect.handle, effect.error)
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
    const { block, handle } = entry
    if (frame.schema !== block.schema) {
      handle.setState('denied', `the block at this address has the schema ${frame.schema}`)
      return
    }
    if (block.generation !== undefined && block.generation !== frame.generation) {
      const aside = block.reset()
      this.#keepAside(entry, aside, { code: 'block-deleted', detail: 'another generation', retryAfterMs: undefined })
    }
    block.generation = frame.generation
    const isFirst = entry.wire === undefined
    entry.wire = frame.handle
    this.#byWire.set(frame.handle, entry)
    if (handle.state === 'gone') handle.setState('catching-up', 'readable again')
    const held = new Map<string, number>(frame.held.map(({ actor, seq }) => [actor, seq]))
    if (isFirst) block.unsettleBeyond(held)
    const known = block.unsettled.filter((change) => change.seq <= (held.get(change.actor) ?? 0))
    if (known.length > 0) {
      block.settle(new Set(known.map((change) => change.hash)))
      handle.settled()
    }
    if (isFirst || known.length > 0) this.#sendUnsent(entry)
    if (this.#isSynced) this.#goLive(entry)
  }

  #goLive(entry: Entry): void {
    if (entry.handle.state === 'gone') return
    if (entry.wire !== undefined && entry.retry === undefined) entry.handle.setState('live', 'in step with the daemon')
  }

  #received(session: DiallerSession, frame: Frame<ListenerFrame, 'delta'>): void {
    const entry = this.#mustFind(frame.handle)
    const chunks = decodeRun(frame.run)
    // Automerge does not verify checksums when it applies: what was damaged on the way must be noticed here.
    for (const chunk of chunks) readChange(chunk)
    this.#checkTips(entry, frame.tips)
    entry.block.arrive(chunks)
    this.#apply(session.consumed(frame.run.byteLength))
    // What was missing may be among it: whoever has it sends it again after a restore of the daemon, as this one does.
    if (entry.retry?.code === 'missing-deps') this.#retryNow(entry)
  }

  /** The daemon vouches for nothing: each author's own signature does. */
  #checkTips({ block }: Entry, tips: readonly ReceivedTip[]): void {
    for (const tip of tips) {
      const signed = { ...tip, address: block.address, generation: block.generation ?? 0 }
      if (!ownsActor(this.#daemon, tip.peer, tip.actor) || !verifyTip(tip.peer, signed, tip.signature)) {
        throw new MooringError('bad-signature', { detail: block.address })
      }
    }
  }

  #tellHave(session: DiallerSession): void {
    const known = [...this.#entries.values()].filter(({ block }) => block.generation !== undefined)
    // A frame each: the clock of one block may be long, and one that is longer than a frame comes in parts.
    const entries = known.flatMap(({ block }) => {
      const { address, generation = 0 } = block
      return inParts(block.clock()).map((clock) => ({ address, generation, clock }))
    }) as Frame<{ t: 'have'; entries: never[] }, 'have'>['entries']
    if (entries.length === 0) this.#apply(session.have([], true))
    for (const [index, entry] of entries.entries()) this.#apply(session.have([entry], index === entries.length - 1))
  }

  #settle(changes: readonly OwnChange[]): void {
    const touched = new Set<Entry>()
    for (const entry of this.#entriesOf(changes)) touched.add(entry)
    const hashes = new Set<string>(changes.map((change) => change.hash))
    for (const entry of touched) {
      entry.block.settle(hashes)
      entry.handle.settled()
    }
  }

  #refused(changes: readonly OwnChange[], error: Refusal): void {
    for (const entry of this.#entriesOf(changes)) {
      const isForNow = isRetryable(error)
      const ofEntry = new Set<ChangeHash>(changes.map((change) => change.hash))
      const first = entry.block.unsettled.find((change) => ofEntry.has(change.hash))
      if (first === undefined) continue
      if (isForNow) this.#retryLater(entry, error)
      else this.#refuseForGood(entry, first, error)
    }
  }

  /** Nothing is undone: the same changes are sent again, in order, from the first that was refused. */
  #retryLater(entry: Entry, error: Refusal): void {
    const afterMs = error.retryAfterMs ?? defaultRetryMs
    entry.retry ??= { code: error.code, afterMs }
    entry.handle.setState('denied', `${describe(error)}; will be sent again`)
    entry.cancelRetry?.()
    entry.cancelRetry = this.#init.clock.after(entry.retry.afterMs, () => this.#retryNow(entry))
  }

  #retryNow(entry: Entry): void {
    entry.cancelRetry?.()
    entry.cancelRetry = undefined
    entry.retry = undefined
    entry.sentUpTo = nothingSent
    this.#sendUnsent(entry)
    if (this.#isSynced) this.#goLive(entry)
  }

  #refuseForGood(entry: Entry, first: LocalChange, error: Refusal): void {
    const aside = entry.block.setAside(first)
    this.#keepAside(entry, aside, error)
    entry.handle.setState('denied', describe(error))
  }

  #keepAside({ handle }: Entry, aside: readonly LocalChange[], error: Refusal): void {
    if (aside.length === 0) return
    const { code, detail } = error
    handle.refuse({ code, detail, changes: aside.map((change) => change.bytes) }, toError(error))
  }

  #createRefused(wire: number, error: Refusal): void {
    const entry = this.#byWire.get(wire)
    if (entry === undefined || entry.wire !== undefined) return
    if (isRetryable(error)) {
      entry.handle.setState('denied', `${describe(error)}; will be asked for again`)
      entry.cancelRetry?.()
      entry.cancelRetry = this.#init.clock.after(error.retryAfterMs ?? defaultRetryMs, () => {
        entry.cancelRetry = undefined
        const conversation = this.#conversation
        if (conversation !== undefined && entry.wire === undefined) this.#create(conversation.session, entry)
      })
      return
    }
    const [first] = entry.block.unsettled
    if (first !== undefined) this.#refuseForGood(entry, first, error)
    entry.handle.setState('denied', describe(error))
  }

  #gone(frame: Frame<ListenerFrame, 'gone'>): void {
    const entry = this.#entries.get(frame.address)
    if (entry === undefined) return
    // The daemon was set back to before the block was made: the create that was sent makes it again.
    if (frame.reason === 'unknown') return
    entry.handle.setState('gone', frame.reason)
    // Not readable is not deleted: what is on its way may still be stored, and the answer to it decides.
    if (frame.reason !== 'deleted') return
    const error = { code: 'block-deleted', detail: frame.reason, retryAfterMs: undefined }
    const [first] = entry.block.unsettled
    if (first !== undefined) this.#keepAside(entry, entry.block.setAside(first), error)
    entry.wire = undefined
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

const isRetryable = ({ code }: Refusal): boolean => isErrorCode(code) && errorTable[code].retryable

/** At least one part, also of nothing. */
function inParts<Item>(items: readonly Item[]): Item[][] {
  const parts: Item[][] = []
  for (let from = 0; from === 0 || from < items.length; from += maxClock) parts.push(items.slice(from, from + maxClock))
  return parts
}

const describe = (error: Refusal): string => toError(error).message

function toError({ code, detail }: Refusal): MooringError {
  return new MooringError(isErrorCode(code) ? code : 'internal', detail === undefined ? {} : { detail })
}
