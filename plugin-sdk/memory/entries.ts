/**
 * The blocks of a replica: which there are, and what of them is in memory. A block that an earlier process left, or that
 * came by a watched pattern, is not loaded before somebody opens it: what arrives for it goes to the store alone.
 */
import {
  type ActorId,
  asError,
  type BlockAddress,
  type BlockMeta,
  type ChangeHash,
  checkMeta,
  isSchemaName,
  limits,
  MooringError,
  type PeerId,
  parseAddress,
  type SchemaName,
} from '../../protocol/index.ts'
import { Block } from './block.ts'
import { type Entry, type LoadedEntry, metaOf, newEntry, ownOf, recall } from './entry.ts'
import { BlockHandle } from './handle.ts'
import type { Journal } from './journal.ts'
import type { LocalChange } from './local-change.ts'
import type { ReplicaInit } from './replica-init.ts'
import type { ReplicaStore, StoredContent, StoredOwn } from './store.ts'

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

/** Changes named when a conversation opens: as many as the daemon remembers. What is not named is sent once more. */
const maxOwn = 10_000

export class Entries {
  readonly #init: EntriesInit
  readonly #entries = new Map<BlockAddress, Entry>()
  #asked = 0

  constructor(init: EntriesInit) {
    this.#init = init
    const state = init.keeping?.store.state
    for (const { address, schema, generation, gone, sealed, wanted } of state?.blocks ?? []) {
      this.#entries.set(address, { ...newEntry(address, schema), generation, gone, sealed, wanted })
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

  /** Changes made here that the daemon has not settled. */
  get pending(): number {
    let pending = 0
    for (const { loaded } of this.all) pending += loaded?.handle.pending ?? 0
    return pending
  }

  /** Resolves when nothing is unsettled. */
  async flushed(): Promise<void> {
    await Promise.allSettled([...this.all].map(({ loaded }) => loaded?.handle.flushed()))
  }

  /** Whether the daemon told of some generation, that is here: then it may have lost one. */
  get areKnown(): boolean {
    return this.#entries.values().some(({ generation }) => generation !== undefined)
  }

  /** Whether the daemon lacks something of which it has not said what becomes of it. */
  get areLost(): boolean {
    return this.#entries.values().some(({ isLost }) => isLost)
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
      entry.arrivedTips.length = 0
    })
    await entry.loading
  }

  /**
   * @param wanted what is said of it if it is made
   * @throws `address-taken` for another schema, `quota-exceeded` above `limits.maxWatchedBlocks` blocks, `invalid-input`
   */
  open(text: string, schema: SchemaName, wanted?: BlockMeta): LoadedEntry {
    const { address } = parseAddress(text)
    const said = wanted === undefined ? undefined : checkMeta(schema, wanted)
    const known = this.#entries.get(address)
    if (known !== undefined && known.schema !== schema) {
      throw new MooringError('address-taken', { detail: known.schema })
    }
    // One watch each: the daemon ends the stream of a replica that watches more.
    if (known?.isAsked !== true && this.#asked >= limits.maxWatchedBlocks) {
      throw new MooringError('quota-exceeded', { detail: 'maxWatchedBlocks' })
    }
    const entry = known ?? this.#create(address, schema)
    if (said !== undefined && entry.sealed === undefined) this.#want(entry, said)
    else entry.wanted = said ?? entry.wanted
    if (known === undefined) this.#attach(entry, undefined)
    if (entry.loaded === undefined) throw new MooringError('wrong-state', { detail: `${address} is not loaded yet` })
    return entry as LoadedEntry
  }

  /** Somebody has opened it in this process. Whether that is the first time. */
  ask(entry: Entry): boolean {
    // Opened once more although it is gone: its author wants another one.
    entry.isWantedAnew = entry.isAsked && entry.gone !== undefined
    if (entry.isAsked) return false
    entry.isAsked = true
    this.#asked++
    return true
  }

  /** A block that nobody has opened: the daemon told of it because a pattern is watched. */
  meet(address: BlockAddress, schema: string): Entry {
    const known = this.#entries.get(address)
    if (known !== undefined) return known
    // What this version cannot read is not kept: a later one is told of it again.
    if (!isSchemaName(schema)) return { ...newEntry(address, schema), isOther: true }
    const entry = this.#create(address, schema)
    if (this.#init.keeping === undefined) this.#attach(entry, undefined)
    else entry.isEmpty = true
    return entry
  }

  /** No pattern covers it any more, and nobody has opened it. */
  forget(entry: Entry): void {
    this.#entries.delete(entry.address)
    entry.loaded?.block.free()
    this.#init.keeping?.journal.add({ kind: 'forget', address: entry.address })
  }

  /** Newest change of each actor of this key, of the blocks that the daemon knows. */
  own(): (StoredOwn & { address: BlockAddress; generation: number })[] {
    const own: (StoredOwn & { address: BlockAddress; generation: number })[] = []
    for (const entry of this.all) {
      const { address, generation } = entry
      if (generation === undefined) continue
      for (const { actor, seq, hash } of ownOf(entry)) own.push({ address, generation, actor, seq, hash })
    }
    return own.slice(-maxOwn)
  }

  /** The daemon has more of an actor of this key than the store: it is a copy, or older than what was sent from it. */
  isShort(entry: Entry, held: readonly { actor: string; seq: number }[]): boolean {
    if (held.length === 0) return false
    const own = new Map(ownOf(entry).map(({ actor, seq }) => [actor as string, seq]))
    return held.some(({ actor, seq }) => seq > (own.get(actor) ?? Number.POSITIVE_INFINITY))
  }

  /** Looks into a block, loaded for the moment if it is not. */
  async peek<Result>(entry: Entry, look: (block: Block) => Result): Promise<Result> {
    const { keeping } = this.#init
    if (entry.loaded !== undefined) return look(entry.loaded.block)
    if (keeping === undefined) throw new MooringError('internal', { detail: 'a block that is nowhere' })
    await keeping.journal.saved()
    const block = this.#block(entry, await keeping.store.read(entry.address))
    try {
      return look(block)
    } finally {
      block.free()
    }
  }

  /** A change was made here: it is stored, and sent. */
  made(entry: Entry, { actor, seq, hash, position, bytes }: LocalChange): void {
    const own = { actor: actor as ActorId, seq, hash }
    const { journal } = this.#init.keeping ?? {}
    journal?.addChange({ address: entry.address, isUnsettled: true, position, bytes, own })
    this.#init.onLocal(entry)
  }

  disconnected(): void {
    for (const entry of this.all) {
      entry.wire = undefined
      entry.isLost = false
      entry.taken.clear()
      recall(entry)
      entry.retry = undefined
      entry.cancelRetry?.()
      entry.cancelRetry = undefined
      const handle = entry.loaded?.handle
      if (handle === undefined || handle.state === 'gone') continue
      // Asked for in vain, it is what it was; the next conversation has no reason to say so again.
      if (entry.gone !== undefined && !entry.isWantedAnew) handle.setState('gone', entry.gone)
      else handle.setState('offline', 'the connection ended; edits are kept and sent later')
    }
  }

  free(): void {
    for (const entry of this.all) {
      entry.cancelRetry?.()
      entry.loaded?.handle.end()
      entry.loaded?.block.free()
    }
    this.#entries.clear()
  }

  /** Written down too: the next process sends what is made here, whether or not anybody opens it. */
  #want(entry: Entry, wanted: BlockMeta): void {
    const { address, schema, generation } = entry
    entry.wanted = wanted
    this.#init.keeping?.journal.add({ kind: 'block', address, schema, generation, wanted })
  }

  #create(address: BlockAddress, schema: SchemaName): Entry {
    const entry = newEntry(address, schema)
    this.#entries.set(address, entry)
    this.#init.keeping?.journal.add({ kind: 'block', address, schema, generation: undefined })
    return entry
  }

  async #load(entry: Entry): Promise<void> {
    const { keeping } = this.#init
    if (keeping === undefined) return
    for (;;) {
      const { generation } = entry
      // What is on its way to the store would be missing in what is read.
      await keeping.journal.saved()
      const stored = await keeping.store.read(entry.address)
      // The address holds another generation by now: what was read may be of the one before.
      if (generation !== undefined && entry.generation !== generation) continue
      this.#attach(entry, stored)
      break
    }
    entry.loaded?.block.arrive(entry.arrived)
    entry.loaded?.block.tips.add(entry.arrivedTips)
  }

  #attach(entry: Entry, stored: StoredContent | undefined): void {
    const block = this.#block(entry, stored)
    const { keeping } = this.#init
    const handle = new BlockHandle({
      block,
      meta: () => metaOf(entry),
      onDrop: (id) => keeping?.journal.add({ kind: 'drop-aside', address: entry.address, id }),
      checkRoom: () => keeping?.journal.checkRoom(),
      onListenerError: (error) =>
        this.#init.log.warn({ err: asError(error), address: entry.address }, 'a listener of a block threw'),
      saved: async () => {
        if (keeping === undefined)
          throw new MooringError('wrong-state', { detail: 'the replica of this plugin is kept in memory only' })
        block.tell()
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
      onLocal: (change) => this.made(entry, change),
      onStray: (operations) => {
        log.warn({ address, operations }, 'a draft was written to after its edit was over: that has no effect')
      },
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
}
