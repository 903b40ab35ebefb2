/**
 * What is read from and written to the tables of a replica. Keeps: a batch of writes is one transaction, in order, and a
 * change whose checksum does not hold is never handed out.
 */
import type Database from 'better-sqlite3'
import { MooringError } from '../../protocol/errors.ts'
import type { BlockAddress } from '../../protocol/ids.ts'
import { type ChangeFacts, readChange } from '../../protocol/sync/change-structure.ts'
import type { FoldedRows } from './fold.ts'
import { asideOf } from './sqlite-aside.ts'
import { sealedOf, wantedOf } from './sqlite-said.ts'
import { prepareStatements } from './sqlite-statements.ts'
import { TipTable } from './sqlite-tips.ts'
import {
  maxAsideBytes,
  type NewAside,
  type StoredContent,
  type StoredOwn,
  type StoredWelcome,
  type StoreInit,
  type StoreState,
  type StoreWrite,
} from './store.ts'

/** Actors of this plugin that are remembered for one block: all of them are named in one frame at each connection. */
const maxOwnPerBlock = 4
/** Greater than every number of a change. */
const endless = Number.MAX_SAFE_INTEGER

export class Tables {
  readonly #db: Database.Database
  readonly #statements: ReturnType<typeof prepareStatements>
  readonly #tips: TipTable
  readonly #ids = new Map<BlockAddress, number>()
  /** How often a block began again: a document that was made before must not come back. */
  readonly #resets = new Map<number, number>()
  readonly #write: (writes: readonly StoreWrite[]) => void
  /** Told of changes that came to a block, after they were committed. */
  onGrown: (block: number, changes: number) => void = () => {}

  constructor(db: Database.Database) {
    this.#db = db
    this.#statements = prepareStatements(db)
    this.#tips = new TipTable(db)
    this.#write = db.transaction((writes: readonly StoreWrite[]) => {
      for (const write of writes) this.#apply(write)
    }).immediate
  }

  /**
   * @param place where the file is: another one than at the last start says that this is a copy
   * @throws `wrong-state` for the replica of another daemon
   */
  open({ daemon, path, replica }: StoreInit, place: string): StoreState {
    const { getMeta, setMeta } = this.#statements
    const meta = (key: string): unknown => getMeta.get(key)?.value
    const known = meta('daemon')
    if (known !== undefined && known !== daemon) {
      throw new MooringError('wrong-state', { detail: `${path} is the replica for another daemon` })
    }
    // The daemon tells two replicas apart by their ids, so a copy takes one of its own.
    const isNew = meta('place') !== place
    if (known === undefined || isNew) {
      this.#db.transaction(() => {
        setMeta.run('daemon', daemon)
        setMeta.run('place', place)
        setMeta.run('replica', replica)
      })()
    }
    const cursor = meta('cursor')
    const welcome = meta('welcome')
    const patterns = meta('patterns')
    return {
      replica: String(meta('replica')) as StoreState['replica'],
      welcome: typeof welcome === 'string' ? (JSON.parse(welcome) as StoredWelcome) : undefined,
      cursor: cursor instanceof Uint8Array ? Uint8Array.from(cursor) : undefined,
      seen: Number(meta('seen') ?? 0),
      patterns: typeof patterns === 'string' ? (JSON.parse(patterns) as string[]) : [],
      blocks: this.#statements.blocks.all().map((row) => {
        const { id, address, schema, generation, gone } = row
        this.#ids.set(address, id)
        const hasUnsettled = this.#statements.firstUnsettled.get(id) !== undefined
        const known = {
          generation: generation ?? undefined,
          gone: gone ?? undefined,
          sealed: sealedOf(row),
          wanted: wantedOf(row),
        }
        return { address, schema, ...known, hasUnsettled }
      }),
      own: this.#statements.allOwn.all() as unknown as StoreState['own'],
      nextPosition: 1 + Number(this.#statements.lastPosition.get()?.position ?? 0),
    }
  }

  /** In one transaction: all of it or nothing. */
  write(writes: readonly StoreWrite[]): void {
    this.#write(writes)
    for (const write of writes) {
      if (write.kind === 'changes') this.onGrown(this.#id(write.address), write.lengths.length)
    }
  }

  /** @throws `database-corrupt` */
  read(address: BlockAddress): StoredContent {
    const id = this.#ids.get(address) ?? this.#statements.blockId.get(address)?.id
    if (id === undefined) return { snapshot: undefined, changes: [], own: [], tips: [], aside: [] }
    const changes = this.#statements.changes.all(id).map(({ position, unsettled, bytes }) => {
      // Nothing that applies changes verifies them: a flipped bit would become content.
      const { hash } = checkStored(address, bytes)
      return { position, isUnsettled: unsettled === 1, bytes, hash }
    })
    return {
      snapshot: this.#statements.snapshot.get(id)?.bytes,
      changes,
      own: this.#statements.own.all(id) as unknown as StoredOwn[],
      tips: this.#tips.of(id),
      aside: asideOf(this.#statements.aside.all(id)),
    }
  }

  /** The snapshot and the settled changes behind it; undefined when there are too few to be worth the work. */
  foldable(block: number, atLeast: number) {
    const schema = this.#statements.schemaOf.get(block)?.schema
    const snapshot = this.#statements.snapshot.get(block)
    const rows = this.#statements.settled.all(block)
    const isDue = rows.length >= Math.max(atLeast, snapshot?.changes ?? 0)
    if (schema === undefined || rows.length === 0 || !isDue) return undefined
    const resets = this.#resets.get(block) ?? 0
    const positions = rows.map(({ position }) => position)
    return { schema, snapshot: snapshot?.bytes, changes: rows.map(({ bytes }) => bytes), positions, resets }
  }

  /** Replaces these changes by a document that holds them; all is as before unless it is read back. */
  fold(block: number, { positions, resets }: FoldedRows, bytes: Uint8Array, changes: number): void {
    if (resets !== (this.#resets.get(block) ?? 0)) return
    this.#db
      .transaction(() => {
        this.#statements.putSnapshot.run(block, changes, bytes)
        const written = this.#statements.snapshot.get(block)?.bytes
        if (written === undefined || Buffer.compare(written, bytes) !== 0) {
          throw new MooringError('storage-failed', { detail: 'a snapshot was read back otherwise than it was written' })
        }
        // These and no others: what lies between them may have been settled since, and is in no document.
        for (const position of positions) this.#statements.dropChange.run(position)
      })
      .immediate()
  }

  /** How many changes lie behind the snapshot of each block. */
  tails(): { block: number; changes: number }[] {
    return this.#statements.tails.all()
  }

  #apply(write: StoreWrite): void {
    const run = this.#statements
    switch (write.kind) {
      case 'welcome':
        run.setMeta.run('welcome', JSON.stringify(write.welcome))
        break
      case 'replica':
        run.setMeta.run('replica', write.replica)
        break
      case 'patterns':
        run.setMeta.run('patterns', JSON.stringify(write.patterns))
        break
      case 'cursor':
        run.setMeta.run('cursor', write.cursor)
        run.setMeta.run('seen', 0)
        break
      case 'block':
        run.putBlock.run(write.address, write.schema, write.generation ?? null)
        if (write.sealed !== undefined) {
          const { owner, createdAtMs, meta, metaAtMs, seal } = write.sealed
          run.setSealed.run(owner, createdAtMs, JSON.stringify(meta), metaAtMs, seal, write.address)
        }
        if (write.wanted !== undefined) run.setWanted.run(JSON.stringify(write.wanted), write.address)
        this.#setSeen(write.seen)
        break
      case 'changes':
        this.#putChanges(write)
        break
      case 'snapshot':
        run.putSnapshot.run(this.#id(write.address), write.changes, write.bytes)
        break
      case 'settled':
        run.settle.run(this.#id(write.address), write.from, write.to)
        break
      case 'aside': {
        const id = this.#id(write.address)
        run.setAside.run({ id, from: write.from, code: write.code, detail: write.detail ?? null })
        run.dropUnsettled.run(id, write.from, endless)
        this.#setOwn(id, write.own, write.from)
        this.#trimAside()
        break
      }
      case 'reset': {
        const id = this.#id(write.address)
        this.#empty(id)
        run.unmake.run(id)
        if (write.aside !== undefined) this.#putAside(id, write.aside)
        break
      }
      case 'rewritten':
        this.#rewrite(write)
        this.#setSeen(write.seen)
        break
      case 'drop-aside':
        run.dropAside.run(this.#id(write.address), write.id)
        break
      case 'tips':
        this.#tips.put(this.#id(write.address), write.tips)
        break
      case 'forget': {
        const id = this.#id(write.address)
        this.#empty(id)
        if (run.aside.get(id) === undefined) run.dropBlock.run(id)
        else run.unmake.run(id)
        this.#ids.delete(write.address)
        break
      }
      case 'gone':
        run.setGone.run(write.reason ?? null, this.#id(write.address))
        this.#setSeen(write.seen)
        break
    }
  }

  /** What is kept aside is bounded: the oldest goes when there is more than anybody will look at. */
  #trimAside(): void {
    const run = this.#statements
    for (;;) {
      const { bytes, parts } = run.asideSize.get() ?? { bytes: 0, parts: 0 }
      if (bytes <= maxAsideBytes || parts <= 1) return
      run.dropOldestAside.run()
    }
  }

  #rewrite(write: Extract<StoreWrite, { kind: 'rewritten' }>): void {
    const run = this.#statements
    const id = this.#id(write.address)
    for (const position of write.dropped) run.dropUnsettled.run(id, position, position)
    run.dropSettled.run(id)
    // A fold that is being made holds what was taken out.
    this.#resets.set(id, (this.#resets.get(id) ?? 0) + 1)
    run.putSnapshot.run(id, write.changes, write.snapshot)
    this.#setOwn(id, write.own, write.aside.position)
    this.#putAside(id, write.aside)
  }

  /** What was taken out of the block is not said to be held: it would never be sent. */
  #setOwn(id: number, own: readonly StoredOwn[], position: number): void {
    this.#statements.dropOwn.run(id)
    for (const { actor, seq, hash } of own) this.#statements.putOwn.run(id, actor, seq, hash, position)
  }

  #putAside(id: number, { changes, code, detail, position }: NewAside): void {
    for (const [index, bytes] of changes.entries()) {
      this.#statements.putAside.run(position + index, id, position, code, detail ?? null, bytes)
    }
    this.#trimAside()
  }

  #empty(id: number): void {
    // Also when the transaction fails after all: a snapshot more or less is no loss.
    this.#resets.set(id, (this.#resets.get(id) ?? 0) + 1)
    this.#statements.dropSnapshot.run(id)
    this.#statements.dropChanges.run(id)
    this.#statements.dropOwn.run(id)
    this.#tips.clear(id)
  }

  #putChanges(write: Extract<StoreWrite, { kind: 'changes' }>): void {
    const id = this.#id(write.address)
    let offset = 0
    for (const [index, length] of write.lengths.entries()) {
      const bytes = write.chunks.subarray(offset, offset + length)
      this.#statements.putChange.run(write.position + index, id, write.isUnsettled ? 1 : 0, bytes)
      offset += length
    }
    this.#tips.put(id, write.tips)
    this.#setSeen(write.seen)
    const { own } = write
    if (own === undefined) return
    this.#statements.putOwn.run(id, own.actor, own.seq, own.hash, write.position)
    this.#statements.trimOwn.run(id, id, maxOwnPerBlock)
  }

  #setSeen(seq = 0): void {
    if (seq > 0) this.#statements.setSeen.run(seq)
  }

  #id(address: BlockAddress): number {
    const known = this.#ids.get(address)
    if (known !== undefined) return known
    const id = this.#statements.blockId.get(address)?.id
    if (id === undefined) throw new Error(`no block ${address} was stored`)
    // Only once it is committed: a transaction that fails takes the row away again.
    if (!this.#db.inTransaction) this.#ids.set(address, id)
    return id
  }
}

function checkStored(address: BlockAddress, bytes: Uint8Array): ChangeFacts {
  try {
    return readChange(bytes)
  } catch (cause) {
    throw new MooringError('database-corrupt', { detail: `a change of ${address} is damaged`, cause })
  }
}
