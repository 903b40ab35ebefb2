/**
 * The blocks of a replica: which there are, what of them is in memory, and that the store hears of everything in the
 * order in which it happens. A block that an earlier process left is not loaded before somebody opens it: what arrives
 * for it goes to the store alone.
 */
import {
  type ActorId,
  asError,
  type BlockAddress,
  type ChangeHash,
  isSchemaName,
  limits,
  MooringError,
  type PeerId,
  parseAddress,
  type SchemaName,
} from '../../protocol/index.ts'
import { checkDocument, type ReceivedTip, type Refusal, readChange } from '../../protocol/sync/index.ts'
import { Block } from './block.ts'
import { type Entry, newEntry, nothingSent, ownOf, rangesOf, regain, tellRefused } from './entry.ts'
import { BlockHandle } from './handle.ts'
import type { Journal } from './journal.ts'
import type { LocalChange } from './local-change.ts'
import type { ReplicaInit } from './replica-init.ts'
import type { ReplicaStore, StoredContent, StoredOwn } from './store.ts'
import { checkTips } from './tips.ts'

/** Where a replica is kept. */
export interface Keeping {
  readonly store: ReplicaStore
  readonly journal: Journal
}

export interface EntriesInit extends ReplicaInit {
  readonly daemon: PeerId
  readonly keeping: Keeping | undefined
  /** There is something to send. */
  onLocal(entry: Entry): void
  /** The engine cannot take these, and the block goes on without them. */
  onPoison(entry: Entry, hashes: readonly ChangeHash[]): void
}

/** Changes named in `open`, each up to 400 bytes: they share a frame with the watches. */
const maxOwn = 400

export class Entries {
  readonly #init: EntriesInit
  readonly #entries = new Map<BlockAddress, Entry>()

  constructor(init: EntriesInit) {
    this.#init = init
    const state = init.keeping?.store.state
    for (const { address, schema, generation, gone } of state?.blocks ?? []) {
      this.#entries.set(address, { ...newEntry(address, schema), generation, gone })
    }
    for (const { address, actor, seq, hash } of state?.own ?? []) {
      this.#entries.get(address)?.own.set(actor, { seq, hash })
    }
  }

  get all(): Iterable<Entry> {
    return this.#entries.values()
  }

  find(address: BlockAddress): Entry | undefined {
    return this.#entries.get(address)
  }

  /** Loads what has to be sent, whether or not anybody opens it. */
  async resume(): Promise<void> {
    for (const { address, hasUnsettled } of this.#init.keeping?.store.state.blocks ?? []) {
      if (hasUnsettled) await this.prepare(address)
    }
  }

  /** Loads a stored block, if it is one. @throws `database-corrupt`, `storage-full`, `storage-failed` */
  async prepare(text: string): Promise<void> {
    const entry = this.#entries.get(parseAddress(text).address)
    if (entry === undefined || entry.loaded !== undefined) return
    entry.loading ??= this.#load(entry).finally(() => {
      entry.loading = undefined
      entry.arrived.length = 0
    })
    await entry.loading
  }

  /** @throws `address-taken` for another schema, `quota-exceeded` above `limits.maxWatches` blocks */
  open(text: string, schema: SchemaName): Entry & { loaded: NonNullable<Entry['loaded']> } {
    const { address } = parseAddress(text)
    const entry = this.#entries.get(address) ?? this.#create(address, schema)
    if (entry.schema !== schema) throw new MooringError('address-taken', { detail: entry.schema })
    if (entry.loaded === undefined) throw new MooringError('wrong-state', { detail: `${address} is not loaded yet` })
    const asked = entry.isAsked ? 0 : [...this.all].filter(({ isAsked }) => isAsked).length
    // One watch each: the daemon ends the stream of a replica that watches more.
    if (asked >= limits.maxWatches) throw new MooringError('quota-exceeded', { detail: 'maxWatches' })
    return entry as Entry & { loaded: NonNullable<Entry['loaded']> }
  }

  /** Newest change of each actor of this key, of the blocks that the daemon knows: as many as one frame takes. */
  own(): (StoredOwn & { address: BlockAddress; generation: number })[] {
    const own = [...this.all].flatMap((entry) => {
      const { address, generation } = entry
      if (generation === undefined) return []
      return [...ownOf(entry)].map(({ actor, seq, hash }) => ({ address, generation, actor, seq, hash }))
    })
    return own.slice(-maxOwn)
  }

  /** The daemon has more of an actor of this key than the store: it is a copy, or older than what was sent from it. */
  isShort(entry: Entry, held: readonly { actor: string; seq: number }[]): boolean {
    const own = new Map(ownOf(entry).map(({ actor, seq }) => [actor as string, seq]))
    return held.some(({ actor, seq }) => seq > (own.get(actor) ?? Number.POSITIVE_INFINITY))
  }

  /** Newest seq of every actor of a block, loaded for the moment if it is not. */
  async clockOf(entry: Entry): Promise<{ actor: string; seq: number }[]> {
    const { keeping } = this.#init
    if (entry.loaded !== undefined || keeping === undefined) return entry.loaded?.block.clock() ?? []
    await keeping.journal.saved()
    const block = this.#block(entry, await keeping.store.read(entry.address))
    try {
      return block.clock()
    } finally {
      block.free()
    }
  }

  introduce(entry: Entry, generation: number): void {
    entry.isRefused = false
    if (entry.generation !== undefined && entry.generation !== generation) this.#begin(entry)
    if (entry.generation === generation && entry.gone === undefined) return
    entry.generation = generation
    entry.gone = undefined
    this.#init.keeping?.journal.add({ kind: 'block', address: entry.address, schema: entry.schema, generation })
  }

  /** Takes changes in that came from the daemon. @throws what a change is not; `bad-signature` */
  receive(entry: Entry, chunks: readonly Uint8Array[], tips: readonly ReceivedTip[]): void {
    if (entry.isOther) return
    checkTips(this.#init.daemon, entry, tips)
    // Automerge does not verify checksums when it applies: what was damaged on the way must be noticed here.
    const facts = chunks.map((chunk) => readChange(chunk))
    for (const [index, { actor, seq, hash }] of facts.entries()) {
      const bytes = chunks[index]
      if (bytes !== undefined)
        this.#keep(entry, bytes, regain(entry, actor, seq, hash) ? { actor, seq, hash } : undefined)
    }
    if (entry.loaded !== undefined) entry.loaded.block.arrive(chunks)
    // Whether what is being read has them is not known; twice does no harm.
    else if (entry.loading !== undefined) entry.arrived.push(...chunks)
  }

  /** Takes a snapshot of the daemon in. A block that is on disk only is loaded for it. */
  async restore(entry: Entry, bytes: Uint8Array, tips: readonly ReceivedTip[]): Promise<void> {
    if (entry.isOther) return
    checkTips(this.#init.daemon, entry, tips)
    checkDocument(bytes)
    if (entry.loaded === undefined) await this.prepare(entry.address)
    const block = entry.loaded?.block
    if (block === undefined) return
    const added = block.restore(bytes)
    if (added !== undefined) for (const change of added) this.#keep(entry, change, undefined)
    else {
      const changes = block.changeCount - block.unsettled.length
      this.#init.keeping?.journal.add({ kind: 'snapshot', address: entry.address, bytes, changes })
    }
  }

  settle(entry: Entry, settled: readonly { readonly hash: ChangeHash }[]): void {
    if (entry.loaded === undefined || settled.length === 0) return
    const { block, handle } = entry.loaded
    const hashes = new Set<string>(settled.map(({ hash }) => hash))
    for (const { from, to } of rangesOf(block.unsettled, hashes)) {
      // Lost, it is sent again and recognised by its hash: not worth a transaction of its own.
      this.#init.keeping?.journal.addLazily({ kind: 'settled', address: entry.address, from, to })
    }
    block.settle(hashes)
    handle.settled()
  }

  /** What was made here from `first` on is refused for good: taken out of the block and kept aside. */
  refuse(entry: Entry, first: LocalChange, error: Refusal): void {
    if (entry.loaded === undefined) return
    const { code, detail } = error
    const aside = entry.loaded.block.setAside(first)
    this.#init.keeping?.journal.add({ kind: 'aside', address: entry.address, from: first.position, code, detail })
    tellRefused(entry.loaded.handle, aside, error)
  }

  gone(entry: Entry, reason: string): void {
    // It made room for another one.
    if (reason === 'no-match' && entry.loaded === undefined) {
      entry.wire = undefined
      return
    }
    entry.gone = reason
    this.#init.keeping?.journal.add({ kind: 'gone', address: entry.address, reason })
    entry.loaded?.handle.setState('gone', reason)
    // Not readable is not deleted: what is on its way may still be stored, and the answer to it decides.
    if (reason !== 'deleted') return
    const first = entry.loaded?.block.unsettled[0]
    const error = { code: 'block-deleted', detail: reason, retryAfterMs: undefined }
    if (first !== undefined) this.refuse(entry, first, error)
    entry.wire = undefined
  }

  disconnected(): void {
    for (const entry of this.all) {
      entry.wire = undefined
      entry.isRefused = false
      entry.sentUpTo = nothingSent
      entry.retry = undefined
      entry.cancelRetry?.()
      const handle = entry.loaded?.handle
      if (handle !== undefined && handle.state !== 'gone')
        handle.setState('offline', 'the connection ended; edits are kept and sent later')
    }
  }

  free(): void {
    for (const entry of this.all) {
      entry.cancelRetry?.()
      entry.loaded?.block.free()
    }
    this.#entries.clear()
  }

  /** The address holds another generation: what was made for the dead one is kept aside. */
  #begin(entry: Entry): void {
    const error = { code: 'block-deleted', detail: 'another generation', retryAfterMs: undefined }
    const first = entry.loaded?.block.unsettled[0]
    const { journal } = this.#init.keeping ?? {}
    if (first !== undefined) {
      const { code, detail } = error
      journal?.add({ kind: 'aside', address: entry.address, from: first.position, code, detail })
    }
    journal?.add({ kind: 'reset', address: entry.address })
    entry.own.clear()
    if (entry.loaded !== undefined) tellRefused(entry.loaded.handle, entry.loaded.block.reset(), error)
  }

  #create(address: BlockAddress, schema: SchemaName): Entry {
    const entry = newEntry(address, schema)
    this.#entries.set(address, entry)
    this.#init.keeping?.journal.add({ kind: 'block', address, schema, generation: undefined })
    this.#attach(entry, undefined)
    return entry
  }

  async #load(entry: Entry): Promise<void> {
    const { keeping } = this.#init
    if (keeping === undefined) return
    // What is on its way to the store would be missing in what is read.
    await keeping.journal.saved()
    const stored = await keeping.store.read(entry.address)
    this.#attach(entry, stored)
    if (entry.arrived.length > 0) entry.loaded?.block.arrive(entry.arrived)
  }

  #attach(entry: Entry, stored: StoredContent | undefined): void {
    const block = this.#block(entry, stored)
    const { keeping } = this.#init
    const handle = new BlockHandle({
      block,
      onLocal: (change) => {
        const { actor, seq, hash, position, bytes } = change
        const own = { actor: actor as ActorId, seq, hash }
        keeping?.journal.addChange({ address: entry.address, isUnsettled: true, position, bytes, own })
        this.#init.onLocal(entry)
      },
      onListenerError: (error) =>
        this.#init.log.warn({ err: asError(error), address: entry.address }, 'a listener of a block threw'),
      saved: async () => {
        if (keeping === undefined)
          throw new MooringError('wrong-state', { detail: 'the replica of this plugin is kept in memory only' })
        await keeping.journal.saved()
      },
    })
    handle.recall(stored?.aside ?? [])
    if (entry.gone !== undefined) handle.setState('gone', entry.gone)
    entry.loaded = { block, handle }
  }

  #block(entry: Entry, stored: StoredContent | undefined): Block {
    const { address, schema } = entry
    if (!isSchemaName(schema)) throw new MooringError('unknown-schema', { detail: schema })
    const { clock, daemon, identity, keeping, log } = this.#init
    return new Block({
      address,
      schema,
      daemon,
      self: identity.peer,
      clock,
      stored,
      random: (bytes) => this.#init.random(bytes),
      ...(keeping === undefined ? {} : { nextPosition: () => keeping.journal.nextPosition() }),
      onPoison: (hashes) => {
        log.warn({ address, hashes }, 'changes of a block cannot be taken and were left out')
        this.#init.onPoison(entry, hashes)
      },
      onBroken: (error) => {
        log.warn({ err: asError(error), address }, 'a block can take no more changes')
        const why = 'the engine failed on a change of this block; it takes no more until it is restarted'
        entry.loaded?.handle.setState('denied', why)
      },
      onRemote: () => entry.loaded?.handle.emit('change', { local: false }),
    })
  }

  /** A change of others, or an own one that had been lost here. */
  #keep({ address }: Entry, bytes: Uint8Array, own: StoredOwn | undefined): void {
    const journal = this.#init.keeping?.journal
    journal?.addChange({ address, isUnsettled: false, position: journal.nextPosition(), bytes, own })
  }
}
